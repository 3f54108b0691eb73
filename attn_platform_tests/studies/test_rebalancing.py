"""When portfolios are rebalanced: calendar weeks and months against pandas' own, and counts of Haitong's weekly."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.market.calendar import Calendar, exchange_calendar
from attn_platform.studies.rebalancing import (
    frequency_named,
    frequency_text,
    rebalances_back,
    rebalances_between,
    rebalances_of,
)

CALENDAR = exchange_calendar()
PERIODS = {"week": "W-SUN", "month": "M"}


def last_by_pandas(first: str, last: str, period: str) -> list[str]:
    """Last sessions of the calendar weeks (Monday to Sunday) or months, all of them over by `last`."""
    sessions = pd.Series(pd.DatetimeIndex(CALENDAR.between(first, last)))
    return [str(day.date()) for day in sessions.groupby(sessions.dt.to_period(PERIODS[period])).max()]


@pytest.mark.parametrize("period", ["week", "month"])
def test_the_last_sessions_of_weeks_and_months_are_pandas(period):
    """From a Monday that begins a month to a Sunday that ends one."""
    found = rebalances_between(CALENDAR, "2010-02-01", "2024-06-30", period)
    assert found.astype(str).tolist() == last_by_pandas("2010-02-01", "2024-06-30", period)


def test_2024_has_34_weeks_and_8_months_up_to_30_august():
    """Haitong: the week of the Spring Festival has no session."""
    weeks = rebalances_between(CALENDAR, "2024-01-01", "2024-08-30", "week")
    assert (len(weeks), len(rebalances_between(CALENDAR, "2024-01-01", "2024-08-30", "month"))) == (34, 8)
    assert weeks[[4, 5, 6]].astype(str).tolist() == ["2024-02-02", "2024-02-08", "2024-02-23"]


@pytest.mark.parametrize(
    ("period", "last", "expected"),
    [
        ("week", "2020-12-30", ["2020-12-18", "2020-12-25"]),
        ("week", "2020-12-31", ["2020-12-18", "2020-12-25", "2020-12-31"]),  # a Thursday: Friday is a holiday
        ("month", "2020-12-30", []),
        ("month", "2020-12-31", ["2020-12-31"]),
    ],
)
def test_what_data_there_is_does_not_move_a_rebalance(period, last, expected):
    found = rebalances_between(CALENDAR, "2020-12-14", last, period)
    assert found.astype(str).tolist() == expected


@pytest.mark.parametrize(
    ("end", "week", "month"),
    [
        ("2021-04-29", False, False),  # a Thursday; Friday is not known to be a holiday
        ("2021-04-30", True, True),  # a Friday, and the month ends with it
        ("2021-05-28", True, False),  # a Friday, and Monday is in May
        ("2021-07-30", True, True),  # only a Saturday is left of July
    ],
)
def test_the_end_of_a_calendar_ends_a_period_where_no_weekday_is_left(end, week, month):
    sessions = CALENDAR.between("2021-01-04", end)
    calendar = Calendar(sessions, sessions[-1])
    assert [calendar.last_of_each(period)[-1] == sessions[-1] for period in ("week", "month")] == [week, month]


def test_of_predicted_sessions_those_are_taken_that_end_a_week():
    predicted = np.array(["2024-02-05", "2024-02-08", "2024-02-20", "2024-02-23"], dtype="datetime64[D]")
    assert rebalances_of(predicted, CALENDAR, "week").astype(str).tolist() == ["2024-02-08", "2024-02-23"]
    assert rebalances_of(predicted, CALENDAR, "month").astype(str).tolist() == []


@pytest.mark.parametrize("every", ["week", "month", 5, 7])
@pytest.mark.parametrize("sessions", [0, 1, 20, 60])
def test_so_many_rebalances_back_always_reach_so_many_sessions(every, sessions):
    """And one fewer does not everywhere."""
    days = rebalances_between(CALENDAR, "1991-01-02", "2024-06-28", every)
    at = np.searchsorted(CALENDAR.sessions, days)
    back = rebalances_back(CALENDAR, every, sessions)
    assert (at[back:] - at[: len(at) - back] >= sessions).all()
    if back:
        fewer = back - 1
        assert (at[fewer:] - at[: len(at) - fewer] < sessions).any()


def test_a_frequency_in_words():
    assert [frequency_text(every) for every in (1, 5, "week")] == ["session", "5 sessions", "week"]


def test_words_of_the_command_line():
    assert [frequency_named(text) for text in ("5", "week", "month")] == [5, "week", "month"]
    for text in ("0", "-1", "2.5", "year", ""):
        with pytest.raises(ConfigurationError, match=f"'{text}' is no frequency of rebalances; give a number"):
            frequency_named(text)
