"""Sessions of the Shanghai exchange and the grids laid over them.

Definitions: data contract (calendar: `exchange_calendars`, XSHG, or a user's own file) and the studies' grids (every
fifth session a rebalance, every 126th a new test window, quarter and year ends for universe and adjacency), and the
last sessions of calendar weeks and months (Haitong).
All dates are `datetime64[D]`; all arrays are ascending.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BeforeValidator

from attn_platform.errors import CalendarError

Day = str | np.datetime64
"""A day as YYYY-MM-DD or datetime64."""

CalendarPeriod = Literal["week", "month"]
"""A calendar week, from Monday on, or a calendar month."""

EXCHANGE_ZONE = ZoneInfo("Asia/Shanghai")

# The exchange opened on 1990-12-19; list dates reach back to it, so ages in sessions need the calendar from there on.
FIRST_KNOWN = "1990-12-19"

# How many sessions AI-69 and AI-55 take for a span of time
SESSIONS_A_WEEK = 5
SESSIONS_A_MONTH = 21
SESSIONS_A_QUARTER = 63
SESSIONS_A_YEAR = 252

DAYS_A_WEEK = 7
DAYS_FROM_MONDAY_TO_1970 = 3  # numpy counts days from 1970-01-01, a Thursday


@dataclass(frozen=True)
class Calendar:
    """Ascending sessions, and the last one that rests on published holidays (later ones are provisional)."""

    sessions: np.ndarray
    last_known: np.datetime64

    def __post_init__(self) -> None:
        if len(self.sessions) == 0:
            raise CalendarError("a calendar needs at least one session")
        if np.any(np.diff(self.sessions.astype(np.int64)) <= 0):
            raise CalendarError("a calendar's sessions must ascend without repetition; sort them")

    def position(self, session: Day) -> int:
        """Index of a session; `CalendarError` names the neighbours of a date that is none."""
        day = as_day(session)
        at = int(np.searchsorted(self.sessions, day))
        if at == len(self.sessions) or self.sessions[at] != day:
            before = self.sessions[at - 1] if at else "none"
            after = self.sessions[at] if at < len(self.sessions) else "none"
            raise CalendarError(f"{day} is no session (the one before: {before}, the one after: {after})")
        return at

    def shift(self, session: Day, count: int) -> np.datetime64:
        """The session `count` sessions later (earlier where negative)."""
        at = self.position(session) + count
        if not 0 <= at < len(self.sessions):
            raise CalendarError(f"{count:+d} sessions from {session} lies outside the calendar")
        return np.datetime64(self.sessions[at], "D")

    def between(self, first: Day, last: Day) -> np.ndarray:
        """Sessions from `first` to `last`, both included; neither need be a session."""
        lo = np.searchsorted(self.sessions, as_day(first), side="left")
        hi = np.searchsorted(self.sessions, as_day(last), side="right")
        return self.sessions[lo:hi]

    def on_or_before(self, day: Day) -> np.datetime64:
        """The newest session that is not after `day`."""
        at = int(np.searchsorted(self.sessions, as_day(day), side="right")) - 1
        if at < 0:
            raise CalendarError(f"the calendar starts on {self.sessions[0]}, after {day}")
        return np.datetime64(self.sessions[at], "D")

    def last_over(self, now: datetime.datetime) -> np.datetime64:
        """The newest session whose day is over at a moment, on the exchange's clock."""
        return self.on_or_before(np.datetime64(now.astimezone(EXCHANGE_ZONE).date(), "D") - 1)

    def age(self, since: np.ndarray, session: Day) -> np.ndarray:
        """Sessions from each date of `since` (datetime64[D], NaT allowed) to `session`, both included; NaT gives 0."""
        first = np.searchsorted(self.sessions, since.astype("datetime64[D]"), side="left")
        age = self.position(session) + 1 - first
        return np.where(np.isnat(since), 0, np.maximum(age, 0))

    def grid(self, anchor: Day, step: int) -> np.ndarray:
        """Every `step`-th session, before and after `anchor`, which is on the grid."""
        return self.sessions[self.position(anchor) % step :: step]

    def last_of_each(self, period: CalendarPeriod) -> np.ndarray:
        """The last session of each calendar week or month, ascending.

        Holidays are published ahead, so on its day a session is known to be the last one. What comes after the
        calendar's end is not: its last session counts only where no weekday of its week or month follows.
        """
        place, next_begin = _period_of(self.sessions, period)
        is_last = np.diff(place, append=place[-1] + 1) > 0
        is_last[-1] = np.busday_count(self.sessions[-1] + 1, next_begin[-1]) == 0
        return self.sessions[is_last]


def _period_of(days: np.ndarray, period: CalendarPeriod) -> tuple[np.ndarray, np.ndarray]:
    """Number of the calendar week or month that each day lies in, and the first day of the one after it."""
    if period == "month":
        months = days.astype("datetime64[M]")
        return months.astype(np.int64), (months + 1).astype("datetime64[D]")
    weeks = (days.astype(np.int64) + DAYS_FROM_MONDAY_TO_1970) // DAYS_A_WEEK
    return weeks, ((weeks + 1) * DAYS_A_WEEK - DAYS_FROM_MONDAY_TO_1970).astype("datetime64[D]")


def as_day(day: Day) -> np.datetime64:
    """`day` as datetime64[D]; `CalendarError` where it is no date. Whole days only: neither '2020' nor 'today'."""
    try:
        wanted = np.datetime64(datetime.date.fromisoformat(day), "D") if isinstance(day, str) else day
    except ValueError:
        raise CalendarError(f"'{day}' is no date; write YYYY-MM-DD") from None
    return wanted.astype("datetime64[D]")


def _iso_date(value: object) -> object:
    """YAML reads an unquoted date as a date; both spellings mean the same."""
    if isinstance(value, str):
        try:
            return str(as_day(value))
        except CalendarError as error:
            raise ValueError(str(error)) from None
    return str(value) if type(value) is datetime.date else value


IsoDate = Annotated[str, BeforeValidator(_iso_date)]
"""A date in configuration: a string YYYY-MM-DD, whether the YAML quotes it or not."""


@cache
def exchange_calendar() -> Calendar:
    """The exchange's calendar up to the end of the year whose holidays are published."""
    from exchange_calendars.exchange_calendar_xshg import XSHGExchangeCalendar

    found = XSHGExchangeCalendar(start=FIRST_KNOWN, end=XSHGExchangeCalendar.bound_max())
    sessions = found.sessions.to_numpy().astype("datetime64[D]")
    return Calendar(sessions=sessions, last_known=sessions[-1])


def calendar_from_file(path: Path) -> Calendar:
    """A user's own calendar: one session a line, as YYYY-MM-DD, ascending; all of it counts as known.

    `CalendarError` names the file and the line where it is none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise CalendarError(f"calendar file {path} cannot be read ({error}); give a text file") from None
    sessions: list[np.datetime64] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            session = as_day(line)
        except CalendarError as error:
            raise CalendarError(f"calendar file {path}, line {number}: {error}") from None
        if sessions and session <= sessions[-1]:
            raise CalendarError(
                f"calendar file {path}, line {number}: {session} does not come after {sessions[-1]}; sort it"
            )
        sessions.append(session)
    if not sessions:
        raise CalendarError(f"calendar file {path} has no sessions; give at least one date a line, as YYYY-MM-DD")
    return Calendar(sessions=np.array(sessions, dtype="datetime64[D]"), last_known=sessions[-1])
