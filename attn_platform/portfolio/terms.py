"""Terms of the objective that come with the package: a risk and two costs, all in units of the score.

None is part of the studies, which maximise the forecast alone within limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.market.calendar import SESSIONS_A_YEAR
from attn_platform.portfolio.extension import term
from attn_platform.portfolio.problem import WeeklyProblem

if TYPE_CHECKING:
    import cvxpy as cp


@term(history="sessions")
def tracking_risk(
    weights: cp.Variable, problem: WeeklyProblem, aversion: float = 10.0, sessions: float = 252, specific: float = 0.5
) -> cp.Expression:
    """− aversion · annual variance of the active return.

    The covariance is that of the last `sessions` daily returns, about their means, mixed with its own diagonal:
    (1 − specific) · R'R / L + specific · diag(R'R / L), × 252. In this form it needs no [n, n] matrix. A return that is
    missing (suspended, not yet listed) counts as 0. `PortfolioError` where there are fewer than two past sessions.
    """
    import cvxpy as cp

    past = np.empty((0, len(problem.symbols))) if problem.returns is None else problem.returns
    past = past[~np.isnan(past).all(axis=1)]  # sessions before the first that the lake has
    if len(past) < 2:
        raise PortfolioError(f"tracking_risk needs {sessions:.0f} sessions of returns before the week; import them")
    returns = np.where(np.isnan(past), 0.0, past)
    centred = (returns - returns.mean(axis=0)) * np.sqrt(SESSIONS_A_YEAR / len(returns))
    deviation = np.sqrt((centred**2).sum(axis=0))
    active = weights - problem.benchmark
    common = cp.sum_squares(centred @ active)
    own = cp.sum_squares(cp.multiply(deviation, active))
    return -aversion * ((1.0 - specific) * common + specific * own)


@term()
def trading_cost(weights: cp.Variable, problem: WeeklyProblem, rate: float = 1.0) -> cp.Expression:
    """− rate · Σ |w − w_prev|: what a unit of weight, bought or sold, must gain in score."""
    import cvxpy as cp

    return -rate * cp.norm1(weights - problem.held)


@term()
def quadratic_cost(weights: cp.Variable, problem: WeeklyProblem, rate: float = 10.0) -> cp.Expression:
    """− rate · Σ (w − w_prev)²: large trades cost more than in proportion."""
    import cvxpy as cp

    return -rate * cp.sum_squares(weights - problem.held)
