"""The exchange's calendar against known facts, its arithmetic against plain loops, and users' own calendars."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from attn_platform.errors import CalendarError
from attn_platform.market.calendar import Calendar, IsoDate, as_day, calendar_from_file, exchange_calendar

CALENDAR = exchange_calendar()

# Trading days of the Shanghai exchange, as it publishes them.
SESSIONS_A_YEAR = {
    2011: 244, 2012: 243, 2013: 238, 2014: 245, 2015: 244, 2016: 244,
    2017: 244, 2018: 243, 2019: 244, 2020: 243, 2021: 243, 2022: 242,
}  # fmt: skip
FIRST_AND_LAST = {
    2002: "2002-01-04 2002-12-31",
    2011: "2011-01-04 2011-12-30",
    2015: "2015-01-05 2015-12-31",
    2018: "2018-01-02 2018-12-28",
    2020: "2020-01-02 2020-12-31",
    2022: "2022-01-04 2022-12-30",
}
SMALL = Calendar(
    np.array(["2021-01-04", "2021-01-05", "2021-01-08", "2021-02-01"], "datetime64[D]"), CALENDAR.last_known
)

days = st.dates(datetime.date(2002, 1, 1), datetime.date(2023, 12, 31)).map(lambda day: np.datetime64(day, "D"))
sessions = st.sampled_from(list(CALENDAR.between("2002-01-01", "2023-12-31")))


@pytest.mark.parametrize(("year", "count"), SESSIONS_A_YEAR.items())
def test_counts_of_the_years(year: int, count: int) -> None:
    assert len(CALENDAR.between(f"{year}-01-01", f"{year}-12-31")) == count


@pytest.mark.parametrize(("year", "expected"), FIRST_AND_LAST.items())
def test_first_and_last_sessions_of_the_years(year: int, expected: str) -> None:
    found = CALENDAR.between(f"{year}-01-01", f"{year}-12-31")
    assert f"{found[0]} {found[-1]}" == expected


def test_the_calendar_reaches_from_the_exchanges_opening_to_the_end_of_the_published_year() -> None:
    assert CALENDAR.sessions[0] == np.datetime64("1990-12-19")
    assert CALENDAR.last_known == CALENDAR.sessions[-1] >= np.datetime64("2026-12-31")
    assert str(CALENDAR.last_known)[5:7] == "12"


@pytest.mark.parametrize("holiday", ["2015-09-03", "2020-01-31", "2021-10-07", "2022-05-04"])
def test_extraordinary_holidays_are_no_sessions(holiday: str) -> None:
    with pytest.raises(CalendarError, match=f"{holiday} is no session"):
        CALENDAR.position(holiday)


def test_a_date_that_is_no_session_is_answered_with_its_neighbours() -> None:
    with pytest.raises(CalendarError, match=r"the one before: 2020-12-31, the one after: 2021-01-04"):
        CALENDAR.position("2021-01-02")
    with pytest.raises(CalendarError, match=r"the one before: none, the one after: 2021-01-04"):
        SMALL.position("2020-01-01")
    with pytest.raises(CalendarError, match=r"the one before: 2021-02-01, the one after: none"):
        SMALL.position("2022-01-01")


@given(session=sessions, count=st.integers(-300, 300))
def test_shift_walks_session_by_session(session: np.datetime64, count: int) -> None:
    known = {str(day) for day in CALENDAR.sessions}
    day, left = session, abs(count)
    while left:
        day += np.timedelta64(1 if count > 0 else -1, "D")
        left -= str(day) in known
    assert CALENDAR.shift(session, count) == day


def test_shift_stays_inside_the_calendar() -> None:
    assert SMALL.shift("2021-01-04", 3) == np.datetime64("2021-02-01")
    for session, count in (("2021-01-04", -1), ("2021-01-05", 3)):
        with pytest.raises(CalendarError, match="outside the calendar"):
            SMALL.shift(session, count)


@given(first=days, last=days)
def test_between_holds_what_lies_in_the_range(first: np.datetime64, last: np.datetime64) -> None:
    assert CALENDAR.between(first, last).tolist() == [d for d in CALENDAR.sessions.tolist() if first <= d <= last]


@given(day=days)
def test_on_or_before_is_the_newest_session_so_far(day: np.datetime64) -> None:
    assert CALENDAR.on_or_before(day) == max(d for d in CALENDAR.sessions.tolist() if d <= day)


def test_nothing_lies_before_the_first_session() -> None:
    with pytest.raises(CalendarError, match="starts on 2021-01-04"):
        SMALL.on_or_before("2021-01-03")


@given(since=st.lists(st.one_of(days, st.just(np.datetime64("NaT"))), min_size=1, max_size=5), session=sessions)
def test_age_counts_both_ends(since: list[np.datetime64], session: np.datetime64) -> None:
    expected = [0 if np.isnat(day) else len(CALENDAR.between(day, session)) for day in since]
    assert CALENDAR.age(np.array(since, dtype="datetime64[D]"), session).tolist() == expected


def test_age_of_a_first_session_is_one() -> None:
    listed = np.array(["2021-01-04", "2021-01-05", "2021-01-06", "1980-01-01"], dtype="datetime64[D]")
    assert SMALL.age(listed, "2021-01-05").tolist() == [2, 1, 0, 2]


@given(anchor=sessions, step=st.integers(1, 400))
def test_the_grid_reaches_both_ways_from_its_anchor(anchor: np.datetime64, step: int) -> None:
    expected, at = [], CALENDAR.position(anchor)
    for position, day in enumerate(CALENDAR.sessions):
        if (position - at) % step == 0:
            expected.append(day)
    assert CALENDAR.grid(anchor, step).tolist() == [day.item() for day in expected]


@pytest.mark.parametrize("text", ["2020", "2020-01", "today", "2020-02-30", "", "NaT", "yesterday"])
def test_what_is_no_whole_date_is_refused(text: str) -> None:
    with pytest.raises(CalendarError, match="is no date; write YYYY-MM-DD"):
        as_day(text)


def test_dates_come_as_text_or_as_numpy_dates() -> None:
    assert as_day("2020-01-02") == as_day(np.datetime64("2020-01-02T15:00")) == np.datetime64("2020-01-02")
    assert as_day("2020-01-02").dtype == np.dtype("datetime64[D]")


def test_a_date_in_configuration_may_be_quoted_or_not() -> None:
    class Config(BaseModel):
        first: IsoDate

    assert Config(first="2020-01-02").first == "2020-01-02"
    assert Config.model_validate({"first": datetime.date(2020, 1, 2)}).first == "2020-01-02"
    for wrong in ("2020-13-01", 20200101, datetime.datetime(2020, 1, 2)):
        with pytest.raises(ValidationError):
            Config.model_validate({"first": wrong})


@pytest.mark.parametrize("listed", [[], ["2021-01-05", "2021-01-04"], ["2021-01-04", "2021-01-04"]])
def test_sessions_ascend_without_repetition(listed: list[str]) -> None:
    with pytest.raises(CalendarError):
        Calendar(np.array(listed, dtype="datetime64[D]"), CALENDAR.last_known)


def test_a_users_calendar_overrides_the_exchanges(tmp_path: Path) -> None:
    file = tmp_path / "sessions.txt"
    file.write_bytes(b"\xef\xbb\xbf2021-01-04\r\n\r\n 2021-01-09 \r\n2021-01-11\r\n")
    calendar = calendar_from_file(file)
    assert calendar.sessions.astype(str).tolist() == ["2021-01-04", "2021-01-09", "2021-01-11"]
    assert calendar.last_known == np.datetime64("2021-01-11")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no sessions; give at least one date a line"),
        (b"\n\n", "has no sessions; give at least one date a line"),
        (b"2021-01-04\n2021\n", "line 2: '2021' is no date; write YYYY-MM-DD"),
        (b"2021-01-04\n\n2021-02-30\n", "line 3: '2021-02-30' is no date"),
        (b"2021-01-05\n2021-01-04\n", "line 2: 2021-01-04 does not come after 2021-01-05; sort it"),
        (b"2021-01-05\n2021-01-05\n", "line 2: 2021-01-05 does not come after 2021-01-05"),
        (b"\xff\xfe2\x000\x00", "cannot be read"),
    ],
)
def test_a_bad_calendar_file_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "sessions.txt"
    file.write_bytes(content)
    with pytest.raises(CalendarError) as raised:
        calendar_from_file(file)
    assert str(raised.value).startswith(f"calendar file {file}")
    assert message in str(raised.value)


def test_a_calendar_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(CalendarError, match=f"calendar file {path} cannot be read"):
            calendar_from_file(path)
