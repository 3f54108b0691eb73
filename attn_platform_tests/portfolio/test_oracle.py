"""The readable statement with other objectives."""

import cvxpy as cp
import numpy as np

from attn_platform.portfolio.oracle import cvxpy_problem
from attn_platform.portfolio.problem import PortfolioLimits
from attn_platform_tests.portfolio.small_weeks import small


def test_other_objectives_see_the_same_limits() -> None:
    """Closest to the benchmark: the untradable stock's missing 0.1 is spread evenly over the other two."""
    problem = small([1, 2, 3], [0.4, 0.3, 0.3], previous=[0.3, 0.5, 0.2], tradable=[False, True, True])
    statement, weights = cvxpy_problem(
        problem,
        PortfolioLimits(stock_deviation=0.06, turnover=0.5),
        objective=lambda w: cp.Minimize(cp.sum_squares(w - problem.benchmark)),
    )
    statement.solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(weights.value, [0.3, 0.35, 0.35], atol=1e-6)


def test_infeasible_week_is_infeasible() -> None:
    problem = small([1, np.nan], [0.5, 0.5])
    statement, _ = cvxpy_problem(problem, PortfolioLimits())
    statement.solve(solver=cp.CLARABEL)
    assert statement.status == cp.INFEASIBLE
