"""Sessions of the Shanghai exchange and the grids laid over them.

Definitions: data contract (calendar: `exchange_calendars`, XSHG, or a user's own file) and the studies' grids (every
fifth session a rebalance, every 126th a new test window, quarter and year ends for universe and adjacency).
All dates are `datetime64[D]`; all arrays are ascending.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd

from attn_platform.errors import CalendarError

EXCHANGE = "XSHG"
# The exchange opened on 1990-12-19; list dates reach back to it, so ages in sessions need the calendar from there on.
FIRST_KNOWN = "1990-12-19"


@dataclass(frozen=True)
class Calendar:
    """Ascending sessions, and the last one that rests on published holidays (later ones are provisional)."""

    sessions: np.ndarray
    last_known: np.datetime64

    def __post_init__(self) -> None:
        if len(self.sessions) == 0:
            raise CalendarError("the calendar has no sessions; give at least one date a line, as YYYY-MM-DD")
        if np.any(np.diff(self.sessions.astype(np.int64)) <= 0):
            raise CalendarError("the calendar's sessions must ascend without repetition; sort the file")

    def position(self, session: str | np.datetime64) -> int:
        """Index of a session; `CalendarError` names the neighbours of a date that is none."""
        day = as_day(session)
        at = int(np.searchsorted(self.sessions, day))
        if at == len(self.sessions) or self.sessions[at] != day:
            before = self.sessions[at - 1] if at else "none"
            after = self.sessions[at] if at < len(self.sessions) else "none"
            raise CalendarError(f"{day} is no session (the one before: {before}, the one after: {after})")
        return at

    def contains(self, day: str | np.datetime64) -> bool:
        """Whether the exchange trades on that day."""
        return bool(np.isin(as_day(day), self.sessions))

    def shift(self, session: str | np.datetime64, count: int) -> np.datetime64:
        """The session `count` sessions later (earlier where negative)."""
        at = self.position(session) + count
        if not 0 <= at < len(self.sessions):
            raise CalendarError(f"{count:+d} sessions from {session} lies outside the calendar")
        return np.datetime64(self.sessions[at], "D")

    def between(self, first: str | np.datetime64, last: str | np.datetime64) -> np.ndarray:
        """Sessions from `first` to `last`, both included; neither need be a session."""
        lo = np.searchsorted(self.sessions, as_day(first), side="left")
        hi = np.searchsorted(self.sessions, as_day(last), side="right")
        return self.sessions[lo:hi]

    def on_or_before(self, day: str | np.datetime64) -> np.datetime64:
        """The newest session that is not after `day`."""
        at = int(np.searchsorted(self.sessions, as_day(day), side="right")) - 1
        if at < 0:
            raise CalendarError(f"the calendar starts on {self.sessions[0]}, after {day}")
        return np.datetime64(self.sessions[at], "D")

    def age(self, since: np.ndarray, session: str | np.datetime64) -> np.ndarray:
        """Sessions from each date of `since` (datetime64[D], NaT allowed) to `session`, both included; NaT gives 0."""
        first = np.searchsorted(self.sessions, since.astype("datetime64[D]"), side="left")
        age = self.position(session) + 1 - first
        return np.where(np.isnat(since), 0, np.maximum(age, 0))

    def grid(self, anchor: str | np.datetime64, step: int) -> np.ndarray:
        """Every `step`-th session, before and after `anchor`, which is on the grid."""
        return self.sessions[self.position(anchor) % step :: step]

    def last_sessions(self, unit: str) -> np.ndarray:
        """Last session of each calendar period that the calendar covers to its end; `unit` is 'Q' or 'Y'."""
        period = pd.DatetimeIndex(self.sessions).to_period(unit)
        return self.sessions[:-1][period[1:] != period[:-1]]


def as_day(day: str | np.datetime64) -> np.datetime64:
    """`day` as datetime64[D]; `CalendarError` where it is no date."""
    try:
        return np.datetime64(day, "D")
    except ValueError:
        raise CalendarError(f"'{day}' is no date; write YYYY-MM-DD") from None


@lru_cache(maxsize=4)
def exchange_calendar() -> Calendar:
    """The exchange's calendar up to the end of the year whose holidays are published."""
    found = exchange_calendars.get_calendar(EXCHANGE, start=FIRST_KNOWN)
    sessions = found.sessions.to_numpy().astype("datetime64[D]")
    return Calendar(sessions=sessions, last_known=sessions[-1])


def calendar_from_file(path: Path) -> Calendar:
    """A user's own calendar: one session a line, as YYYY-MM-DD, ascending; all of it counts as known."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise CalendarError(f"calendar file {path} cannot be read: {error.strerror}") from None
    days = [(number, line) for number, line in enumerate(lines, start=1) if line]
    try:
        sessions = np.array([np.datetime64(line, "D") for _, line in days], dtype="datetime64[D]")
    except ValueError:
        bad = next((n, line) for n, line in days if pd.isna(pd.to_datetime(line, errors="coerce", format="%Y-%m-%d")))
        raise CalendarError(f"calendar file {path}, line {bad[0]}: '{bad[1]}' is no date; write YYYY-MM-DD") from None
    return Calendar(sessions=sessions, last_known=sessions[-1] if len(sessions) else np.datetime64("NaT"))
