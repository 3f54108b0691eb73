"""The weekly problem as one reads it, in cvxpy.

This is the definition that the fast solver is tested against, and the place to start from for another objective: a
risk term, say. It has no relaxation; where the limits contradict each other its status is infeasible.
"""

from collections.abc import Callable

import cvxpy as cp
import numpy as np

from attn_platform.portfolio.problem import PortfolioLimits, WeeklyProblem


def cvxpy_problem(
    problem: WeeklyProblem,
    limits: PortfolioLimits,
    objective: Callable[[cp.Variable], cp.Minimize | cp.Maximize] | None = None,
) -> tuple[cp.Problem, cp.Variable]:
    """The problem, to be solved by the caller, and its variable: the weights [n].

    Args:
        problem: the week.
        limits: of the strategy.
        objective: of the weights; the expected score of the portfolio if None.

    Example, a penalty on tracking error with a covariance matrix:
        cvxpy_problem(problem, limits, lambda w: cp.Maximize(score @ w - 5 * cp.quad_form(w - benchmark, covariance)))
    """
    w = cp.Variable(len(problem.symbols), name="weights")
    active = w - problem.benchmark
    held, bought = problem.held, problem.can_be_bought
    frozen, sold_only = ~problem.tradable, problem.tradable & ~bought
    stock_floor = problem.benchmark - limits.stock_deviation

    constraints = [
        cp.sum(w) == 1,
        w >= 0,
        w[frozen] == held[frozen],
        w[sold_only] <= held[sold_only],
        active[~frozen] <= limits.stock_deviation,
        w[bought] >= stock_floor[bought],
        w[sold_only] >= np.minimum(stock_floor, held)[sold_only],
    ]
    for code in np.unique(problem.industry):
        constraints.append(cp.abs(cp.sum(active[problem.industry == code])) <= limits.industry_deviation)
    for name, z in problem.styles.items():
        constraints.append(cp.abs(z @ active) <= limits.style_limit(name))
    if problem.previous is not None:
        constraints.append(cp.norm1(w - problem.previous) / 2 <= limits.turnover)

    maximised = cp.Maximize(problem.expected_score @ w) if objective is None else objective(w)
    return cp.Problem(maximised, constraints), w
