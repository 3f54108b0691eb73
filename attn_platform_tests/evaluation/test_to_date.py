"""Week, month and year to date, periods won: against plain Python's calendar, and the counts of Haitong's weekly."""

import datetime
import math

import numpy as np
import pytest

from attn_platform.evaluation.to_date import relative_strength, to_date, won
from attn_platform.market.calendar import exchange_calendar

CALENDAR = exchange_calendar()


def returns_to(last: str, first: str = "2022-11-01", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    sessions = CALENDAR.between(first, last)
    return np.random.default_rng(seed).normal(0, 0.01, len(sessions)), sessions


def key_of(day: datetime.date, span: str) -> object:
    """The calendar period of a day, by Python's own calendar."""
    return {"week": day.isocalendar()[:2], "month": (day.year, day.month), "year": day.year}[span]


def product(returns: list[float]) -> float:
    total = 1.0
    for value in returns:
        total *= 1 + value
    return total - 1


@pytest.mark.parametrize("last", ["2024-08-30", "2024-08-28", "2024-01-02", "2024-12-31", "2023-01-03", "2024-09-02"])
def test_spans_to_date_are_those_of_the_calendar(last: str) -> None:
    returns, sessions = returns_to(last)
    days = [day.item() for day in sessions]
    for span, value in to_date(returns, sessions).items():
        own = [r for day, r in zip(days, returns, strict=True) if key_of(day, span) == key_of(days[-1], span)]
        assert value == pytest.approx(product(own), abs=1e-15)


@pytest.mark.parametrize("last", ["2024-08-30", "2024-08-28", "2024-01-02", "2023-01-06"])
@pytest.mark.parametrize("period", ["week", "month"])
def test_periods_won_are_those_that_end_in_the_year(last: str, period: str) -> None:
    returns, sessions = returns_to(last, seed=1)
    days = [day.item() for day in sessions]
    parts: dict[object, list[float]] = {}
    ends: dict[object, datetime.date] = {}
    for day, value in zip(days, returns, strict=True):
        parts.setdefault(key_of(day, period), []).append(value)
        ends[key_of(day, period)] = day
    of_year = [parts[key] for key, end in ends.items() if end.year == days[-1].year]
    expected = sum(product(part) > 0 for part in of_year), len(of_year)
    assert won(returns, sessions, period) == expected


def test_2024_has_34_weeks_and_8_months_up_to_30_august() -> None:
    """The published weekly: 23/34 weeks of the CSI 500 portfolio, 7/8 months of factors."""
    returns, sessions = returns_to("2024-08-30")
    assert won(returns, sessions, "week")[1] == 34
    assert won(returns, sessions, "month")[1] == 8
    assert won(np.zeros(len(sessions)), sessions, "month") == (0, 8)
    assert won(np.full(len(sessions), 0.001), sessions, "week") == (34, 34)


def test_what_is_missing_does_not_count() -> None:
    """The portfolio begins on 1 August: one month, and a year to date that is that of the month."""
    returns, sessions = returns_to("2024-08-30")
    returns[sessions < np.datetime64("2024-08-01")] = np.nan
    found = to_date(returns, sessions)
    assert found["year"] == found["month"]
    assert won(returns, sessions, "month")[1] == 1
    nothing = to_date(np.full(len(sessions), np.nan), sessions)
    assert all(math.isnan(value) for value in nothing.values())
    assert won(np.full(len(sessions), np.nan), sessions, "week") == (0, 0)


def test_relative_strength_compounds_the_differences() -> None:
    np.testing.assert_allclose(relative_strength(np.array([np.nan, 0.1, -0.5, np.nan])), [1.0, 1.1, 0.55, 0.55])
