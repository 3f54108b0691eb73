"""What a weekly problem and its limits refuse."""

from dataclasses import fields

import numpy as np
import pytest
from pydantic import ValidationError

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform_tests.portfolio.small_weeks import small

GOOD = small([1, np.nan, 3], [0.4, 0.3, 0.3], previous=[0.2, 0.3, 0.5], size=[1, np.nan, -1])


def changed(**columns: object) -> WeeklyProblem:
    return WeeklyProblem(**{f.name: getattr(GOOD, f.name) for f in fields(GOOD)} | columns)


def test_derived_columns() -> None:
    problem = changed(tradable=np.array([True, True, False]))
    np.testing.assert_array_equal(problem.expected_score, [1, 2, 3])
    np.testing.assert_array_equal(problem.closing, [False, False, False])
    np.testing.assert_array_equal(problem.styles["size"], [1, 0, -1])
    np.testing.assert_array_equal(changed(previous=None).held, [0, 0, 0])


def test_what_rounding_left_below_nothing_is_nothing() -> None:
    problem = changed(previous=np.array([0.2, -1e-12, 0.8]), benchmark=np.array([0.5 + 1e-15, 0.5, -1e-15]))
    assert problem.held.tolist() == [0.2, 0.0, 0.8]
    assert problem.benchmark.tolist() == [0.5 + 1e-15, 0.5, 0.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"symbols": np.array(["b", "a", "c"])}, "sorted"),
        ({"symbols": np.array(["a", "a", "c"])}, "each once"),
        ({"score": np.array([np.nan] * 3)}, "no stock has a forecast"),
        ({"score": np.array([1.0, np.inf, 0.0])}, "score is infinite for 1 stocks, first 600001.SH"),
        ({"score": np.array([1.0, 2.0])}, r"score has shape \(2,\), but there are 3 symbols"),
        ({"score": np.array(["1", "2", "3"])}, "score has type"),
        ({"benchmark": np.array([0.4, 0.3, 0.2])}, "benchmark weights sum to 0.9"),
        ({"benchmark": np.array([0.8, -0.1, 0.3])}, "benchmark is negative or missing for 1 stocks, first 600001.SH"),
        ({"previous": np.array([0.5, 0.5, 0.1])}, "previous weights sum to 1.1"),
        ({"previous": np.array([0.5, np.nan, 0.1])}, "previous is negative or missing"),
        ({"industry": np.array([1.0, np.nan, 2.0])}, "industry has type float64"),
        ({"tradable": np.array([1, 0, 1])}, "tradable has type int64"),
        ({"styles": {"size": np.array([0.0, np.inf, 0.0])}}, "style size is infinite"),
        ({"styles": {"size": np.zeros(4)}}, "style size has shape"),
    ],
)
def test_impossible_weeks_are_refused(columns: dict, message: str) -> None:
    with pytest.raises(PortfolioError, match=message):
        changed(**columns)


@pytest.mark.parametrize(
    "values",
    [
        {"turnover": 0},
        {"stock_deviation": -0.01},
        {"style_deviations": {"size": -1}},
        {"style_deviations": {"size": float("nan")}},
        {"relaxation_order": ("turnover", "turnover")},
        {"relaxation_order": ("turnover", "beta")},
        {"tracking_error": 0.05},
    ],
)
def test_impossible_limits_are_refused(values: dict) -> None:
    with pytest.raises(ValidationError):
        PortfolioLimits(**values)


def test_limits_from_plain_values() -> None:
    """As they come from a YAML file; the three columns of the specification."""
    haitong = PortfolioLimits.model_validate(
        {"industry_deviation": 0, "style_deviation": 0.8, "style_deviations": {"valuation": 0}, "turnover": 0.3}
    )
    assert haitong.of(StyleLimit).of_style("valuation") == 0
    assert haitong.of(StyleLimit).of_style("momentum") == 0.8
    original = PortfolioLimits()
    deviations = (original.stock_deviation, original.industry_deviation, original.style_deviation)
    assert (*deviations, original.turnover) == (0.01, 0.01, 0.01, 0.15)
    assert original.relaxation_order == ("turnover", "style", "industry", "members", "stock")
