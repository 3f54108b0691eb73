import math
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.reports import formatting


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("annual_return", 0.17, "17.00%"),
        ("annual_return", -0.00456, "−0.46%"),
        ("annual_return", -0.000001, "0.00%"),
        ("annual_return", 12.5, "1,250.00%"),
        ("annual_return", float("nan"), "–"),
        ("annual_return", float("inf"), "–"),
        ("rank_ic_mean", 0.1126, "11.3%"),
        ("sharpe", 0.715001, "0.72"),
        ("rank_icir", -1.0, "−1.00"),
        ("holdings", 1234.0, "1,234"),
        ("cost", 0.00058, "0.058%"),
        ("score", 1.23456, "1.235"),
        ("relaxed_style", 0.0144, "0.014"),
        ("some_other_figure", 3.14159, "3.14"),
    ],
)
def test_figures_have_the_format_of_their_column(name: str, value: float, text: str) -> None:
    assert formatting.figure(name, value) == text


def test_small_figures_can_have_more_digits() -> None:
    assert formatting.figure("rank_ic_mean", -0.00456, more_digits=1) == "−0.46%"
    assert formatting.figure("sharpe", 0.12345, more_digits=2) == "0.1235"


@pytest.mark.parametrize(
    ("value", "deviation", "text"),
    [
        (-0.311412, 0.1449, "−0.31"),
        (0.1, 0.1449, "0.10"),
        (12345.678, 98.7, "12,346"),
        (12345678.9, 1e6, "12,345,679"),
        (-1.23456e10, 2e9, "−1.23e+10"),
        (1.5e-9, 3e-9, "1.50e−09"),
        (0.7, 0.0, "0.7"),
        (float("nan"), 1.0, "–"),
        (3.0, float("nan"), "3.0"),
    ],
)
def test_numbers_of_unknown_size_have_the_digits_of_their_spread(value: float, deviation: float, text: str) -> None:
    assert formatting.in_unit_of(value, deviation) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("annual_return", 0.012, "+1.20 pp"),
        ("annual_return", -0.0361, "−3.61 pp"),
        ("annual_return", 0.0, "0.00 pp"),
        ("rank_ic_mean", -0.0049, "−0.5 pp"),
        ("sharpe", 0.05, "+0.05"),
        ("sharpe", 0.001, "0.00"),
        ("sharpe", float("nan"), "–"),
        ("tracking_error", float("nan"), "–"),
    ],
)
def test_differences_carry_their_sign_and_unit(name: str, value: float, text: str) -> None:
    assert formatting.difference(name, value) == text


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_number_is_the_rounded_value(value: float, digits: int) -> None:
    text = formatting.number(value, digits)
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    assert Decimal(text.replace(",", "").replace("−", "-")) == rounded
    assert "-" not in text
    assert not (rounded == 0 and "−" in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pd.Timestamp("2021-03-04 15:00"), "2021-03-04"),
        (np.datetime64("2021-03-04"), "2021-03-04"),
        ("2021-03-04", "2021-03-04"),
        (pd.NaT, "–"),
        (None, "–"),
    ],
)
def test_dates_are_iso(value: object, text: str) -> None:
    assert formatting.date(value) == text


def test_every_published_figure_has_a_label_and_a_format() -> None:
    from attn_platform.reports.contents import FACTOR_FIGURES, PERFORMANCE_FIGURES

    for name in (*PERFORMANCE_FIGURES, *FACTOR_FIGURES):
        assert name in formatting.LABELS
        assert formatting.figure(name, math.nan) == formatting.MISSING


def test_unknown_names_become_words() -> None:
    assert formatting.label("log_float_market_value") == "Log float market value"
    assert formatting.label("ROE_growth") == "ROE growth"
