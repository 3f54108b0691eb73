"""Dates as files write them: one rule for whatever enters the platform.

A date of the platform is a day of the Shanghai exchange (`date32`). A file may write it as a date, as the whole number
20230601, as text (2023-06-01, 20230601, 2023/6/1, with or without a time), or as a time: midnight, or 15:00, the close
of the session. Times with a time zone are instants and are converted to Asia/Shanghai first: 2023-05-31 16:00 UTC is
midnight of 2023-06-01 there, and a session read a day early would look ahead. What is left over (16:00 without a zone,
midnight in UTC, a serial number of Excel, seconds since 1970) could be two days or none: it is refused with a guess at
what it is.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.market.readings import Reading, Refusal, is_text

OPENING_OF_DAY, CLOSE = datetime.timedelta(0), datetime.timedelta(hours=15)
TIMES_OF_A_DATE = (OPENING_OF_DAY, CLOSE)
"""Times of the day in Shanghai that stand for the day itself."""
OFFSET = datetime.timedelta(hours=8)
"""Shanghai is so far ahead of UTC (but for the summers before 1992)."""

SUNDAY = 7  # of a week that starts with 1 on Monday
DAY = datetime.timedelta(days=1)
NEITHER = "neither midnight nor 15:00"
NO_DATE = "write it as YYYY-MM-DD"
ALONE = "write the date alone (YYYY-MM-DD)"
FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Years in which a whole number YYYYMMDD is taken for a date."""
EXCEL_DAY_ZERO = datetime.date(1899, 12, 30)
EXCEL_SERIALS = range(20_000, 100_000)  # 1954 to 2173: nothing else that stands for a date is so small
SINCE_1970 = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
TICKS_OF_A_DAY = {unit: 86_400 * per for unit, per in zip(("s", "ms", "us", "ns"), SINCE_1970.values(), strict=True)}
PLAUSIBLE_SECONDS = range(300_000_000, 7_000_000_000)  # 1979 to 2191
WRITTEN = re.compile(
    r"(?P<year>\d{4})(?:(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})|(?P<month8>\d{2})(?P<day8>\d{2}))"
    r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?",
    re.ASCII,
)
NUMBER = re.compile(r"(-?\d+)(?:\.0*)?", re.ASCII)


def can_be_dates(type_: pa.DataType) -> bool:
    """Whether a column of this Arrow type can hold dates in any of the ways above."""
    return bool(
        pa.types.is_null(type_) or pa.types.is_date(type_) or pa.types.is_timestamp(type_)
        or pa.types.is_integer(type_) or pa.types.is_floating(type_) or is_text(type_)
    )  # fmt: skip


def read_dates(values: pa.ChunkedArray) -> Reading[Refusal]:
    """The days [n] of a column, as date32; what could be another day than it says is refused and explained.

    The type of the column must be one that `can_be_dates`; nulls stay nulls.
    """
    found = values.type
    if pa.types.is_date32(found) or pa.types.is_null(found):
        return Reading(values.cast(pa.date32()), np.zeros(len(values), dtype=bool), _unexplained)
    if is_text(found) or pa.types.is_floating(found):  # of several widths and layouts
        values = values.cast(pa.string() if is_text(found) else pa.float64())
    encoded = values.dictionary_encode().combine_chunks()
    distinct = _of_distinct(encoded.dictionary)
    position = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy()
    is_refused = np.append(distinct.refused, False)  # the last one: of missing dates
    return Reading(
        distinct.column.take(encoded.indices), is_refused[position], lambda row: distinct.explain(position[row])
    )


def _of_distinct(values: pa.Array) -> Reading[Refusal]:
    """The days of an array without nulls, by the rule of its type."""
    found = values.type
    if is_text(found):
        return _of_text(values)
    if pa.types.is_integer(found):
        return _of_integers(values)
    if pa.types.is_floating(found):
        return _of_floats(values)
    return _of_times(values.cast(pa.timestamp("ms")) if pa.types.is_date64(found) else values)


def slipped(dates: pa.ChunkedArray, is_session: pa.ChunkedArray) -> str:
    """A hint where the first of the `dates` [n] that is no session is a Sunday: perhaps a Monday, a day early.

    It follows the remedy of a message, and is empty otherwise.
    """
    first = pc.index(is_session, False).as_py()
    if first < 0 or pc.day_of_week(dates[first], count_from_zero=False, week_start=1).as_py() != SUNDAY:
        return ""
    return " (a Sunday: midnight of a Monday in Shanghai is a Sunday in UTC, so convert times before cutting them off)"


def _of_times(values: pa.Array) -> Reading[Refusal]:
    """Timestamps: instants where the type has a time zone, clock times of Shanghai where it has none."""
    unit, is_instant = values.type.unit, values.type.tz is not None
    ticks = values.cast(pa.timestamp(unit)).cast(pa.int64()).to_numpy()
    per_day = TICKS_OF_A_DAY[unit]
    within = (ticks >= _day_number(datetime.date.min) * per_day) & (
        ticks < (_day_number(datetime.date.max) - 1) * per_day
    )
    local = np.where(within, ticks, 0)
    if is_instant:
        index = pd.DatetimeIndex(local.view(f"M8[{unit}]"), tz="UTC").tz_convert(EXCHANGE_ZONE)
        local = index.tz_localize(None).to_numpy().astype(f"M8[{unit}]").view(np.int64)
    days, rest = np.divmod(local, per_day)
    stands_for_day = np.isin(rest, [int(per_day * (time / DAY)) for time in TIMES_OF_A_DATE])

    def explain(row: int) -> Refusal:
        if not within[row]:
            return Refusal("a day out of range", "", "correct it at its source")
        clock = np.datetime64(int(local[row]), unit).astype("M8[us]").item()
        if not is_instant:
            return _clock_refused(_shown(clock), clock)
        instant = np.datetime64(int(ticks[row]), unit).astype("M8[us]").item()
        return _instant_refused(f"{_shown(instant)} UTC", instant, clock)

    return _reading(days, ~(within & stands_for_day), explain)


def _of_integers(values: pa.Array) -> Reading[Refusal]:
    """Whole numbers YYYYMMDD."""
    numbers = values.cast(pa.int64(), safe=False).to_numpy()
    days, is_date = _days_of_numbers(numbers)
    return _reading(days, ~is_date, lambda row: _number_refused(int(numbers[row])))


def _of_floats(values: pa.Array) -> Reading[Refusal]:
    """Whole numbers YYYYMMDD that gaps (NaN) have turned into floating-point ones."""
    numbers = values.to_numpy()
    bounded = np.where(abs(numbers) < LAST_YEAR * 100_000, numbers, 0)
    is_whole = (bounded == numbers) & (bounded % 1 == 0)
    days, is_date = _days_of_numbers(bounded.astype(np.int64))

    def explain(row: int) -> Refusal:
        number = float(numbers[row])
        return _number_refused(int(number)) if is_whole[row] else _fraction_refused(number)

    return _reading(days, ~(is_date & is_whole), explain, is_missing=np.isnan(numbers))


def _of_text(values: pa.Array) -> Reading[Refusal]:
    found = [read_date(written) for written in values.to_pylist()]
    refusals = {row: each for row, each in enumerate(found) if isinstance(each, Refusal)}
    days = np.array([0 if isinstance(each, Refusal) else _day_number(each) for each in found], dtype=np.int64)
    is_refused = np.isin(np.arange(len(found)), list(refusals))
    return _reading(days, is_refused, lambda row: refusals[row])


def read_date(written: str) -> datetime.date | Refusal:
    """The day that a text names, or why it names none."""
    text = written.strip()
    match = WRITTEN.fullmatch(text)
    if match is None:
        number = NUMBER.fullmatch(text)
        if number is None:
            return Refusal(written, "", NO_DATE)
        days, is_date = _days_of_numbers(np.array([int(number[1])])) if len(number[1]) < 19 else (np.zeros(1), [False])
        return _number_refused(int(number[1])) if not is_date[0] else _date_of(int(days[0]))
    parts = {name: int(part) for name, part in match.groupdict(default="0").items() if name not in ("mark", "zone")}
    try:
        clock = datetime.datetime(
            parts["year"],
            parts["month"] or parts["month8"],
            parts["day"] or parts["day8"],
            parts["hour"],
            parts["minute"],
            parts["second"],
            int((match["fraction"] or "0").ljust(6, "0")[:6]),
        )
        if match["zone"] is None:
            return clock.date() if _time_of(clock) in TIMES_OF_A_DATE else _clock_refused(written, clock)
        instant = clock - _offset(match["zone"])
        local = instant.replace(tzinfo=datetime.UTC).astimezone(EXCHANGE_ZONE).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return Refusal(written, "no day of the calendar", NO_DATE)
    return local.date() if _time_of(local) in TIMES_OF_A_DATE else _instant_refused(written, instant, local)


def _clock_refused(found: str, clock: datetime.datetime) -> Refusal:
    """A time of the day, without a zone, that stands for no day: perhaps a time in UTC that has lost its zone."""
    local = clock + OFFSET
    if _time_of(local) in TIMES_OF_A_DATE:
        what = f"a time without a zone; as a time in UTC it would be {_shown(local)} in Shanghai"
        return Refusal(found, what, f"convert it to Asia/Shanghai before the zone is dropped, or {ALONE}")
    if _time_of(clock) == OFFSET:
        what = "a time without a zone; it may be midnight in UTC"
        return Refusal(found, what, ALONE)
    return Refusal(found, NEITHER, ALONE)


def _instant_refused(found: str, instant: datetime.datetime, local: datetime.datetime) -> Refusal:
    """An instant that is neither midnight nor the close in Shanghai."""
    what = f"in Shanghai {_shown(local)}, {NEITHER}"
    if _time_of(instant) == OPENING_OF_DAY:
        return Refusal(found, what, f"where {instant.date()} is meant, {ALONE} or without a time zone")
    return Refusal(found, what, f"{ALONE}, or midnight in Asia/Shanghai")


def _number_refused(number: int) -> Refusal:
    """A whole number that is no YYYYMMDD: perhaps a serial number of Excel, or time since 1970."""
    if number in EXCEL_SERIALS:
        meant = EXCEL_DAY_ZERO + number * DAY
        return Refusal(str(number), f"perhaps a serial number of Excel ({meant})", "format the cells as dates")
    for unit, per in SINCE_1970.items():
        if number // per in PLAUSIBLE_SECONDS:
            local = datetime.datetime.fromtimestamp(number // per, EXCHANGE_ZONE).replace(tzinfo=None)
            return Refusal(str(number), f"perhaps {unit} since 1970 ({_shown(local)} in Shanghai)", NO_DATE)
    return Refusal(str(number), "", "write it as YYYY-MM-DD or YYYYMMDD")


def _fraction_refused(number: float) -> Refusal:
    if np.isfinite(number) and int(number) in EXCEL_SERIALS:
        return _number_refused(int(number))
    return Refusal(str(number), "", "write it as YYYY-MM-DD or YYYYMMDD")


def _days_of_numbers(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970 [n] of whole numbers YYYYMMDD, and whether each is a day of the calendar."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    plausible = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(plausible, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    days = first + np.where(plausible, day - 1, 0)
    return days.astype(np.int64), plausible & (days.astype("datetime64[M]").astype(np.int64) == months)


def _reading(
    days: NDArray[np.integer],
    is_wrong: NDArray[np.bool_],
    explain: Callable[[int], Refusal],
    is_missing: NDArray[np.bool_] | None = None,
) -> Reading[Refusal]:
    refused = is_wrong if is_missing is None else is_wrong & ~is_missing
    dates = pa.array(days.astype(np.int32), mask=np.asarray(is_wrong)).cast(pa.date32())
    return Reading(pa.chunked_array([dates]), refused, explain)


def _offset(zone: str) -> datetime.timedelta:
    """How far a zone (Z, UTC, +08:00, +0800, +08) is ahead of UTC."""
    if zone in ("Z", "UTC"):
        return datetime.timedelta(0)
    size = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:].lstrip(":") or "0"))
    return -size if zone[0] == "-" else size


def _time_of(clock: datetime.datetime) -> datetime.timedelta:
    return clock - datetime.datetime.combine(clock.date(), datetime.time())


def _day_number(day: datetime.date) -> int:
    return day.toordinal() - datetime.date(1970, 1, 1).toordinal()


def _date_of(day_number: int) -> datetime.date:
    return datetime.date(1970, 1, 1) + day_number * DAY


def _shown(clock: datetime.datetime) -> str:
    text = clock.isoformat(sep=" ")
    return text.removesuffix(":00") if not clock.microsecond else text


def _unexplained(row: int) -> Refusal:
    raise AssertionError(f"row {row} holds a date or nothing")
