"""The package's terms against plain sums."""

import cvxpy as cp
import numpy as np
import pytest

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.terms import quadratic_cost, tracking_risk, trading_cost

RNG = np.random.default_rng(3)
N, L = 6, 40
RETURNS = 0.02 * RNG.standard_normal((L, N)) + 0.01 * RNG.standard_normal((L, 1))
RETURNS[:5, 2] = np.nan


def week(returns: np.ndarray | None = RETURNS) -> WeeklyProblem:
    return WeeklyProblem(
        symbols=np.array([f"{600000 + i}.SH" for i in range(N)]),
        score=RNG.standard_normal(N),
        benchmark=np.full(N, 1 / N),
        previous=np.array([0.3, 0.1, 0.2, 0.2, 0.1, 0.1]),
        industry=np.zeros(N, dtype=int),
        styles={},
        tradable=np.ones(N, dtype=bool),
        returns=returns,
    )


def at(weights: np.ndarray) -> cp.Variable:
    w = cp.Variable(N)
    w.value = weights
    return w


WEIGHTS = np.array([0.4, 0.0, 0.1, 0.2, 0.2, 0.1])


def test_tracking_risk_is_the_annual_variance_of_the_active_return() -> None:
    filled = np.where(np.isnan(RETURNS), 0.0, RETURNS)
    covariance = np.cov(filled.T, bias=True) * 252
    active = WEIGHTS - 1 / N
    mixed = 0.7 * covariance + 0.3 * np.diag(np.diag(covariance))
    expected = -4.0 * active @ mixed @ active
    term = tracking_risk(at(WEIGHTS), week(), aversion=4.0, specific=0.3)
    assert float(term.value) == pytest.approx(expected, rel=1e-12)
    assert term.is_concave()


def test_costs() -> None:
    change = np.abs(WEIGHTS - np.array([0.3, 0.1, 0.2, 0.2, 0.1, 0.1]))
    assert float(trading_cost(at(WEIGHTS), week(), rate=0.5).value) == pytest.approx(-0.5 * change.sum())
    assert float(quadratic_cost(at(WEIGHTS), week(), rate=3.0).value) == pytest.approx(-3.0 * (change**2).sum())


@pytest.mark.parametrize("returns", [None, RETURNS[:1], np.vstack([np.full((9, N), np.nan), RETURNS[:1]])])
def test_risk_without_a_past_is_refused(returns: np.ndarray | None) -> None:
    with pytest.raises(PortfolioError, match="tracking_risk needs 252 sessions"):
        tracking_risk(at(WEIGHTS), week(returns))
