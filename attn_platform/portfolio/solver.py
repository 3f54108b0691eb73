"""Solve one week: the target portfolio of highest forecast within the limits or, failing that, of least violation.

The program is that of `split`, the week whose limits contradict each other that of `relaxation`; the answer is rebuilt
by `vertex` and checked here. A failed solve raises: no older portfolio ever stands in for it.
"""

import logging
import time
from collections import Counter

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.constraints import Constraints, compile_constraints, exceeded, violations
from attn_platform.portfolio.problem import (
    TOLERANCE,
    FloatArray,
    PortfolioLimits,
    PortfolioSolution,
    WeeklyProblem,
)
from attn_platform.portfolio.relaxation import least_violation
from attn_platform.portfolio.split import (
    is_feasible,
    iterations_of,
    new_solver,
    pass_program,
    solution_of,
    trades,
)
from attn_platform.portfolio.vertex import rebuild

logger = logging.getLogger(__name__)

DUAL_SIMPLEX = 1  # all columns are boxed, so that any basis can be made dual feasible

# What a place in the order of symbols is worth among equal forecasts, in standard deviations of the forecast: ten times
# the solver's tolerance, so that it decides, and far below any difference that a forecast means.
TIE_STEP = 1e-8


def solve(problem: WeeklyProblem, limits: PortfolioLimits) -> PortfolioSolution:
    """The target portfolio of the week.

    Args:
        problem: the week.
        limits: of the strategy.

    Raises:
        PortfolioError: the limits do not fit the problem, no portfolio exists even when they give way, or the solver
            returned what cannot be trusted.
    """
    started = time.perf_counter()
    constraints = compile_constraints(problem, limits)
    score = tie_broken(problem.expected_score)

    optimum = _within_limits(constraints, score)
    rendered, iterations = optimum or least_violation(constraints, score, limits.relaxation_order)
    weights = rebuild(constraints.widened(rendered), rendered)
    relaxations = exceeded(problem, constraints, weights)
    _check(problem, limits, weights, {relaxation.limit for relaxation in relaxations})
    if relaxations:
        gave_way = Counter(relaxation.limit for relaxation in relaxations)
        logger.warning("the limits of the week contradict each other; limits relaxed: %s", dict(gave_way))

    sums = constraints.sums(weights) - [row.center for row in constraints.rows]
    k = len(constraints.industries)
    return PortfolioSolution(
        weights=weights,
        objective=float(problem.expected_score @ weights),
        status="relaxed" if relaxations else "optimal",
        relaxations=relaxations,
        turnover=None if problem.previous is None else float(sums[-1]),
        active_industry=dict(zip(constraints.industries.tolist(), sums[1 : k + 1].tolist(), strict=True)),
        active_style=dict(zip(problem.styles, sums[k + 1 : -1].tolist(), strict=True)),
        iterations=iterations,
        seconds=time.perf_counter() - started,
    )


def tie_broken(score: FloatArray) -> FloatArray:
    """[n] standardised score in which, among equal scores, the earlier stock is preferred by `TIE_STEP`.

    Equal forecasts are common with trees. Without an order among them several portfolios are optimal, and which of them
    comes out would be up to the solver's version. The order among unequal forecasts stays as it is.
    """
    spread = score.std()
    standardised = (score - score.mean()) / (spread if spread > 0 else 1.0)
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    position = np.arange(len(score))
    first_of_equals = np.maximum.accumulate(np.where(np.diff(ordered, prepend=-np.inf) > 0, position, 0))
    standardised[order] -= TIE_STEP * (position - first_of_equals)
    return standardised


def _within_limits(constraints: Constraints, score: FloatArray) -> tuple[FloatArray, int] | None:
    """Optimal weights [n] under all limits and simplex iterations, or None when the limits contradict each other."""
    moves = trades(constraints)
    program = new_solver(DUAL_SIMPLEX)
    pass_program(program, [moves.columns(constraints)], moves.loss(score), *constraints.row_room)
    if not is_feasible(program):
        return None
    change = moves.weight_change(solution_of(program), len(score))
    return constraints.held + change, iterations_of(program)


def _check(problem: WeeklyProblem, limits: PortfolioLimits, weights: FloatArray, relaxed: set[str]) -> None:
    """Raise when the weights break a limit that was not relaxed."""
    broken = {
        name: excess
        for name, excess in violations(problem, limits, weights).items()
        if not excess <= TOLERANCE and name not in relaxed
    }
    if broken:
        raise PortfolioError(f"the solver's portfolio breaks limits by more than {TOLERANCE}: {broken}; none was made")
