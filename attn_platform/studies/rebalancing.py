"""When portfolios are rebalanced: every n sessions, or on the last session of each calendar week or month.

Definitions: Huatai AI-69 and AI-55 (every 5 sessions), Haitong (the last session of each week; of each month for the
factors computed by hand). Which sessions they are follows from the exchange's calendar alone, never from data.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, get_args

import numpy as np
from pydantic import BeforeValidator

from attn_platform.errors import ConfigurationError
from attn_platform.market.calendar import Calendar, CalendarPeriod, Day, as_day


def _frequency(value: Any) -> int | CalendarPeriod:
    if value in get_args(CalendarPeriod) or (type(value) is int and value >= 1):
        return value
    raise ValueError("Input should be a number of sessions, greater than or equal to 1, or week or month")


RebalanceFrequency = Annotated[int | CalendarPeriod, BeforeValidator(_frequency)]
"""So many sessions, or `week` or `month`: the last session of each calendar week or month."""


def rebalances_between(calendar: Calendar, first: Day, last: Day, every: RebalanceFrequency) -> np.ndarray:
    """The rebalances from `first` to `last`, ascending: of sessions, `first` itself and every n-th one after it."""
    days = calendar.grid(first, every) if isinstance(every, int) else calendar.last_of_each(every)
    return days[(days >= as_day(first)) & (days <= as_day(last))]


def rebalances_of(predicted: np.ndarray, calendar: Calendar, every: RebalanceFrequency) -> np.ndarray:
    """Of the ascending sessions `predicted` those to rebalance on.

    Of sessions, the first one, and each next one at least so many later; else those that end a week or a month.
    """
    if not isinstance(every, int):
        return predicted[np.isin(predicted, calendar.last_of_each(every))]
    chosen: list[int] = []
    positions = np.searchsorted(calendar.sessions, predicted)
    for at, position in enumerate(positions):
        if not chosen or position - positions[chosen[-1]] >= every:
            chosen.append(at)
    return predicted[chosen]


def rebalances_back(calendar: Calendar, every: RebalanceFrequency, sessions: int) -> int:
    """How many rebalances one goes back, wherever one starts, to have so many sessions in between."""
    if isinstance(every, int):
        return math.ceil(sessions / every)
    positions = np.searchsorted(calendar.sessions, calendar.last_of_each(every))
    reached = np.searchsorted(positions, positions - sessions, side="right") - 1
    return int((np.arange(len(positions)) - np.maximum(reached, 0)).max())


def frequency_named(text: str) -> RebalanceFrequency:
    """The frequency that a word of the command line stands for; `ConfigurationError` where it is none."""
    try:
        return _frequency(int(text) if text.isdecimal() else text)
    except ValueError:
        raise ConfigurationError(
            f"'{text}' is no frequency of rebalances; give a number of sessions, 1 or more, or week or month"
        ) from None


def frequency_text(every: RebalanceFrequency) -> str:
    """In words, after "every": "5 sessions", "session", "week"."""
    if every == 1:
        return "session"
    return f"{every} sessions" if isinstance(every, int) else every
