"""Rolling windows: train, validation and test ranges on the grid of test windows.

Definitions: AI-69 and AI-55 (networks 252×6 / 252×2 / 126 sessions, XGBoost 252×5 / 252×1 / 126), first test range from
2011-01-04. A window's key is the first session of its test range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from attn_platform.errors import CalendarError
from attn_platform.market.calendar import SESSIONS_A_YEAR, Calendar, Day, IsoDate, as_day


class WindowConfig(BaseModel):
    """Lengths in sessions; train + valid must be whole test lengths, so that every range lies on one grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: int = Field(default=6 * SESSIONS_A_YEAR, ge=1)  # AI-69 and AI-55: 252 × 6
    valid: int = Field(default=2 * SESSIONS_A_YEAR, ge=1)  # 252 × 2
    test: int = Field(default=SESSIONS_A_YEAR // 2, ge=1)  # 126
    first_test: IsoDate = "2011-01-04"

    @model_validator(mode="after")
    def _on_one_grid(self) -> WindowConfig:
        if (self.train + self.valid) % self.test:
            raise ValueError(
                f"train + valid ({self.train} + {self.valid}) must be a multiple of test ({self.test}) sessions"
            )
        return self

    @property
    def windows_back(self) -> int:
        """How many test lengths train and validation reach back."""
        return (self.train + self.valid) // self.test


@dataclass(frozen=True)
class Window:
    """First and last session of each range; `test_last` is cut where the calendar ends."""

    train_first: np.datetime64
    train_last: np.datetime64
    valid_first: np.datetime64
    valid_last: np.datetime64
    test_first: np.datetime64
    test_last: np.datetime64

    @property
    def key(self) -> str:
        """Partition key: the first test session."""
        return str(self.test_first)


def window_of(calendar: Calendar, config: WindowConfig, key: Day) -> Window:
    """The window whose test range starts at `key`; `CalendarError` where `key` is off the grid or lacks history."""
    at = calendar.position(key)
    if (at - calendar.position(config.first_test)) % config.test:
        raise CalendarError(f"{key} starts no test window; the grid has every {config.test}th session from first_test")
    start = at - config.train - config.valid
    if start < 0:
        raise CalendarError(
            f"window {key} needs {config.train + config.valid} sessions before it; the calendar has {at}"
        )
    sessions = calendar.sessions
    return Window(
        train_first=sessions[start],
        train_last=sessions[start + config.train - 1],
        valid_first=sessions[start + config.train],
        valid_last=sessions[at - 1],
        test_first=sessions[at],
        test_last=sessions[min(at + config.test, len(sessions)) - 1],
    )


def window_keys(calendar: Calendar, config: WindowConfig, last: Day) -> list[str]:
    """Keys of all windows from `first_test` whose test range starts not after `last`."""
    grid = calendar.grid(config.first_test, config.test)
    first, end = as_day(config.first_test), as_day(last)
    return [str(day) for day in grid[(grid >= first) & (grid <= end)]]


def window_holding(calendar: Calendar, config: WindowConfig, session: Day) -> Window:
    """The window whose test range holds `session`."""
    since = calendar.position(session) - calendar.position(config.first_test)
    if since < 0:
        raise CalendarError(f"{session} lies before the first test range, which starts on {config.first_test}")
    return window_of(calendar, config, calendar.shift(session, -(since % config.test)))
