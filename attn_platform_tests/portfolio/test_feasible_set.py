"""The feasible set: intervals, rows and violations, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.tradability import Tradability
from attn_platform.portfolio.solver.feasible_set import feasible_set
from attn_platform_tests.portfolio.reference import violations
from attn_platform_tests.portfolio.small_weeks import small

PROBLEM = small(
    score=[1, 2, np.nan, np.nan, 5],
    benchmark=[0.5, 0.005, 0.3, 0.195, 0],
    previous=[0.6, 0.0, 0.1, 0.2, 0.1],
    industry=[4, 4, -1, 8, 8],
    tradable=[True, True, True, True, False],
    size=[1.0, np.nan, -1.0, 2.0, 0.0],
)
LIMITS = PortfolioLimits()


def test_stock_intervals() -> None:
    feasible = feasible_set(PROBLEM, LIMITS)
    np.testing.assert_allclose(feasible.lower, [0.49, 0, 0.1, 0.185, 0.1])
    np.testing.assert_allclose(feasible.upper, [0.51, 0.015, 0.1, 0.2, 0.1])


def test_what_can_be_traded_and_bought() -> None:
    """Not a suspended stock, one about to be delisted, one without a forecast, or one that the user names."""
    week = replace(
        small([1, 2, np.nan, 4, 5, 6], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1], tradable=[True, False, True, True, True, True]),
        closing=np.array([False, False, False, True, False, False]),
    )
    rules = PortfolioLimits(no_trade=("600004.SH",), no_buy=("600005.SH",)).of(Tradability)
    assert rules.can_trade(week).tolist() == [True, False, True, True, False, True]
    assert rules.can_buy(week).tolist() == [True, False, False, False, False, False]


def test_symbols_that_the_user_names_are_of_any_style_and_never_void() -> None:
    limits = PortfolioLimits(no_trade=("SH600004",), no_buy=("600005.XSHG", "sz.000001"))
    assert (limits.no_trade, limits.no_buy) == (("600004.SH",), ("600005.SH", "000001.SZ"))
    for code, says in (
        ("600005", "write it as 600005.SH"),
        ("600005.SZ", "write it that way"),
        ("510300.SH", "a fund"),
    ):
        with pytest.raises(ValidationError, match=says):
            PortfolioLimits(no_buy=(code,))


def test_rows() -> None:
    feasible = feasible_set(PROBLEM, LIMITS)
    assert [(row.kind, row.name) for row in feasible.rows] == [
        ("budget", ""),
        ("industry", "-1"),
        ("industry", "4"),
        ("industry", "8"),
        ("style", "size"),
        ("turnover", ""),
    ]
    np.testing.assert_allclose(feasible.row_lower, [1, 0.29, 0.495, 0.185, 0.58, -np.inf])
    np.testing.assert_allclose(feasible.row_upper, [1, 0.31, 0.515, 0.205, 0.60, 0.15])
    np.testing.assert_allclose(feasible.sums(np.array([0.4, 0.1, 0.2, 0.2, 0.1])), [1, 0.2, 0.5, 0.3, 0.6, 0.2])


def test_violations() -> None:
    found = violations(PROBLEM, LIMITS, np.array([0.4, 0.1, 0.2, 0.25, -0.05]))
    assert found == pytest.approx(
        {
            "budget": 0.1,
            "long_only": 0.05,
            "untradable": 0.15,
            "no_forecast": 0.1,
            "stock": 0.1,  # of the third stock, bought from 0.1 although it may only be sold
            "industry": 0.09,  # of the unknown one: 0.2 against 0.29
            "style": 0.1,  # 0.4 − 0.2 + 0.5 against 0.60
            "turnover": 0.15,  # (0.2 + 0.1 + 0.1 + 0.05 + 0.15) / 2 against 0.15
        }
    )


def test_first_portfolio_has_no_turnover_violation() -> None:
    problem = small(score=[1, 2], benchmark=[0.5, 0.5])
    found = violations(problem, LIMITS, np.array([0.5, 0.5]))
    assert found == dict.fromkeys(found, 0.0)
