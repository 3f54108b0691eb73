"""Dates of every kind, against conversions by the standard library's time zones, written out here."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.market.readings import Refusal
from attn_platform.market.session_dates import can_be_dates, read_date, read_dates

SHANGHAI, UTC = ZoneInfo("Asia/Shanghai"), datetime.UTC
JUNE_1 = datetime.date(2023, 6, 1)
UNITS = ("s", "ms", "us", "ns")
DAYS = st.dates(datetime.date(1990, 12, 19), datetime.date(2035, 12, 31))
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minute: datetime.time(minute // 60, minute % 60))
ACCEPTED = (datetime.time(0, 0), datetime.time(15, 0))


def column(values: list[object], type_: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, type=type_)])


@pytest.mark.parametrize(
    "text",
    [
        "2023-06-01", "20230601", "2023/6/1", "2023/06/01", "2023-6-1", "2023.06.01", "20230601.0", " 2023-06-01 ",
        "2023-06-01 00:00:00", "2023-06-01T00:00", "2023-06-01 15:00:00.000000", "2023-06-01 15:00",
        "2023-06-01 00:00:00+08:00", "2023-06-01T15:00:00+0800", "2023-05-31T16:00:00Z", "2023-05-31 16:00:00+00:00",
        "2023-06-01 07:00:00 UTC", "2023-05-31 12:00:00-04",
    ],
)  # fmt: skip
def test_every_way_to_write_a_date(text: str) -> None:
    assert read_date(text) == JUNE_1
    assert read_dates(column([text, None, text])).column.to_pylist() == [JUNE_1, None, JUNE_1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2023-06-01 16:00:00", "2023-06-02 00:00 in Shanghai: convert it to Asia/Shanghai"),
        ("2023-06-01 07:00:00", "2023-06-01 15:00 in Shanghai: convert it to Asia/Shanghai"),
        ("2023-06-01 08:00:00", "may be midnight in UTC"),
        ("2023-06-01 09:31:00", "neither midnight nor 15:00"),
        ("2023-06-01T00:00:00Z", "in Shanghai 2023-06-01 08:00, neither midnight nor 15:00: where 2023-06-01 is meant"),
        ("2023-06-01T01:30:00Z", "in Shanghai 2023-06-01 09:30, neither"),
        ("45078", "perhaps a serial number of Excel (2023-06-01)"),
        ("45078.0", "perhaps a serial number of Excel (2023-06-01)"),
        ("1685548800", "perhaps seconds since 1970 (2023-06-01 00:00 in Shanghai)"),
        ("1685548800000", "perhaps milliseconds since 1970 (2023-06-01 00:00 in Shanghai)"),
        ("1/6/2023", "YYYY-MM-DD"), ("01-06-2023", "YYYY-MM-DD"), ("2023-02-30", "no day of the calendar"),
        ("20230230", "YYYY-MM-DD"), ("2023-6/1", "YYYY-MM-DD"), ("", "YYYY-MM-DD"), ("today", "YYYY-MM-DD"),
        ("2023-06-01 25:00", "no day of the calendar"), ("0001-01-01 00:00+14:00", "no day of the calendar"),
        ("９999-06-01", "YYYY-MM-DD"), ("9" * 30, "YYYY-MM-DD"), ("-20230601", "YYYY-MM-DD"),
    ],
)  # fmt: skip
def test_what_could_be_another_day_is_refused_with_a_guess(text: str, says: str) -> None:
    refusal = read_date(text)
    assert isinstance(refusal, Refusal)
    assert says in str(refusal)
    assert refusal.found == text.removesuffix(".0")
    read = read_dates(column(["2023-06-01", text]))
    assert read.column.to_pylist() == [JUNE_1, None]
    assert read.first_refused == 1
    assert read.explain(1) == refusal


@given(day=DAYS, time=MINUTES, unit=st.sampled_from(UNITS))
def test_clock_times_are_days_at_midnight_and_at_the_close_only(day, time, unit) -> None:
    read = read_dates(column([datetime.datetime.combine(day, time), None], pa.timestamp(unit)))
    stands = time in ACCEPTED
    assert read.column.to_pylist() == [day if stands else None, None]
    assert read.refused.tolist() == [not stands, False]
    if not stands:
        assert str(day) in read.explain(0).found


@given(day=DAYS, time=MINUTES, unit=st.sampled_from(UNITS), zone=st.sampled_from(["UTC", "Asia/Shanghai", "+09:00"]))
def test_instants_are_the_day_that_they_are_in_shanghai(day, time, unit, zone) -> None:
    instant = datetime.datetime.combine(day, time, tzinfo=UTC)
    local = instant.astimezone(SHANGHAI)
    naive = instant.replace(tzinfo=None)
    read = read_dates(column([naive], pa.timestamp(unit)).cast(pa.timestamp(unit, zone)))
    stands = local.time() in ACCEPTED
    assert read.column.to_pylist() == [local.date() if stands else None]
    text = read_dates(column([f"{naive.isoformat(sep=' ')}+00:00"]))
    assert text.column.to_pylist() == read.column.to_pylist()
    if not stands:
        assert f"{local.replace(tzinfo=None):%Y-%m-%d %H:%M}" in str(read.explain(0))


@given(day=DAYS, zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Europe/London"]))
def test_midnight_in_shanghai_is_never_a_day_early(day, zone) -> None:
    midnight = datetime.datetime.combine(day, datetime.time(), tzinfo=SHANGHAI)
    written = midnight.astimezone(ZoneInfo(zone)).isoformat()
    assert read_date(written) == day
    assert read_dates(column([midnight], pa.timestamp("us", zone))).column.to_pylist() == [day]


@given(day=DAYS, type_=st.sampled_from([pa.int32(), pa.int64(), pa.uint32(), pa.float64()]))
def test_whole_numbers_are_dates(day, type_) -> None:
    number = day.year * 10_000 + day.month * 100 + day.day
    assert read_dates(column([number, None], type_)).column.to_pylist() == [day, None]


@given(st.integers(19_000_000, 22_000_000))
def test_whole_numbers_are_dates_where_the_calendar_has_them(number) -> None:
    try:
        expected = datetime.datetime.strptime(str(number), "%Y%m%d").date()
    except ValueError:
        expected = None
    read = read_dates(column([number]))
    assert read.column.to_pylist() == [expected]
    assert read.refused.tolist() == [expected is None]


@pytest.mark.parametrize("number", [45078, 1, 0, -5, 1685548800, 1685548800 * 10**9, 20231301, 2**62])
def test_other_numbers_are_refused(number) -> None:
    for kind in (int, float):
        read = read_dates(column([kind(20230601), kind(number)]))
        assert read.column.to_pylist() == [JUNE_1, None]
        assert read.explain(1).remedy


def test_fractions_and_infinity_are_refused_and_nan_is_missing() -> None:
    read = read_dates(column([20230601.0, float("nan"), 20230601.5, float("inf"), -float("inf"), 45078.25]))
    assert read.column.to_pylist() == [JUNE_1, None, None, None, None, None]
    assert read.refused.tolist() == [False, False, True, True, True, True]
    assert "Excel (2023-06-01)" in str(read.explain(5))


def test_times_beyond_the_calendar_are_refused() -> None:
    for zone in (None, "UTC"):
        read = read_dates(column([2**62, -(2**62), 0, 57_600], pa.timestamp("s", zone)))
        assert read.refused.tolist() == [True, True, zone is not None, zone is None]
        assert "out of range" in read.explain(0).found


def test_summer_time_of_1991_moves_midnight() -> None:
    """Shanghai was nine hours ahead of UTC from 1991-04-14 to 1991-09-15."""
    summer = np.datetime64("1991-06-30T15:00:00", "s")
    read = read_dates(pa.chunked_array([pa.array([summer]).cast(pa.timestamp("s", "UTC"))]))
    assert read.column.to_pylist() == [datetime.date(1991, 7, 1)]


def test_types_that_hold_dates() -> None:
    good = (pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.int32(), pa.float64())
    assert all(can_be_dates(type_) for type_ in (*good, pa.string(), pa.large_string(), pa.null()))
    for type_ in (pa.bool_(), pa.time64("us"), pa.duration("s"), pa.binary(), pa.list_(pa.int64())):
        assert not can_be_dates(type_)
    for type_ in (pa.string_view(), pa.large_string(), pa.float32(), pa.uint64(), pa.int8(), pa.float16()):
        assert read_dates(column(["2023-06-01"] if "string" in str(type_) else [None], type_)).refused.tolist() == [
            False
        ]
    day = column([JUNE_1], pa.date64())
    assert read_dates(day).column.to_pylist() == read_dates(day.cast(pa.date32())).column.to_pylist() == [JUNE_1]
    assert read_dates(column([None, None])).column.to_pylist() == [None, None]
