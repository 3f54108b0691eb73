"""Solve one week: the target portfolio of highest forecast within the limits or, failing that, of least violation.

The limits become a `feasible_set`, and the week a `linear_program`; where limits contradict each other, `relaxation`
has its program. `ties` decides between portfolios of the same forecast, `basis` computes the answer again to the last
bit, `duals` has the prices of the limits, and the answer is checked here. With constraints or terms of a user's own
that are not linear, the week is that of `convex`. A failed solve raises: no older portfolio ever stands in for it.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.market.tolerance import is_constant
from attn_platform.portfolio.extension import Extension
from attn_platform.portfolio.limits.base import Stage, stage_of
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import TOLERANCE, FloatArray, WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.basis import basic_solution
from attn_platform.portfolio.solver.duals import Optimum, limit_states, reduced_scores
from attn_platform.portfolio.solver.feasible_set import NEGLIGIBLE, FeasibleSet, exceeded, excesses, feasible_set
from attn_platform.portfolio.solver.linear_program import (
    DUAL_SIMPLEX,
    OPTIMALITY_TOLERANCE,
    add_columns,
    is_feasible,
    iterations_of,
    new_solver,
    pass_program,
    trades_inside,
    values_and_prices,
)
from attn_platform.portfolio.solver.relaxation import least_violation, names_of
from attn_platform.portfolio.solver.ties import TIE, break_ties, tie_breakers

logger = logging.getLogger(__name__)

# Share of the stocks, those of the best forecasts, whose purchases a week's first program knows. With a tenth, a few
# pivots after it suffice, and the week takes half the time of a program of all moves.
FIRST_SIFTED = 0.1


def solve(problem: WeeklyProblem, limits: PortfolioLimits, extension: Extension | None = None) -> PortfolioSolution:
    """The target portfolio of the week.

    Args:
        problem: the week.
        limits: of the strategy.
        extension: the strategy's own constraints, and terms of its objective.

    Raises:
        PortfolioError: the limits do not fit the problem, no portfolio exists even when they are relaxed, or the
            solver returned what cannot be trusted.
    """
    started = time.perf_counter()
    own = () if extension is None else extension.limits
    feasible = feasible_set(problem, limits, own)
    order = limits.stages([limit.place for limit in own if limit.place is not None])
    if extension is None or extension.is_linear:
        optimum = _solve_linear(problem, feasible, order)
    else:
        from attn_platform.portfolio.solver.convex import solve_convex  # cvxpy takes a second to import

        optimum = solve_convex(problem, feasible, extension, order)

    weights = optimum.weights
    relaxations = exceeded(problem, feasible, weights, optimum.negligible)
    relaxed = {stage_of(relaxation.limit, relaxation.name) for relaxation in relaxations}
    broken = {
        names_of([stage]): excess
        for stage, excess in excesses(feasible, weights).items()
        if not excess <= TOLERANCE and stage not in relaxed
    }
    if broken:
        raise PortfolioError(f"the solver's portfolio breaks limits by more than {TOLERANCE}: {broken}; none was made")
    if relaxations:
        counts = Counter(relaxation.limit for relaxation in relaxations)
        logger.warning("the limits of the week contradict each other; limits relaxed: %s", dict(counts))
    status: Literal["optimal", "relaxed"] = "relaxed" if relaxations else "optimal"
    return PortfolioSolution(
        weights=weights,
        objective=optimum.objective,
        status=status,
        relaxations=relaxations,
        limits=limit_states(feasible, weights, optimum.prices),
        lower=feasible.lower,
        upper=feasible.upper,
        reduced_score=optimum.reduced,
        turnover=None if problem.previous is None else float(feasible.sums(weights)[-1]),
        iterations=optimum.iterations,
        seconds=time.perf_counter() - started,
    )


def standardised(score: FloatArray) -> tuple[FloatArray, float]:
    """[n] scores with mean 0 and standard deviation 1, and the deviation they had; 0 and 1 where all are equal."""
    if is_constant(score):
        return np.zeros(len(score)), 1.0
    spread = float(score.std())
    return (score - score.mean()) / spread, spread


def _solve_linear(problem: WeeklyProblem, feasible: FeasibleSet, order: Sequence[Stage]) -> Optimum:
    """The optimal vertex, exact and the same bits whatever the way to it."""
    expected = problem.expected_score
    score, spread = standardised(expected)
    rendered, prices, iterations = _within_limits(feasible, score) or least_violation(feasible, score, order)
    weights = basic_solution(feasible.widened(rendered), rendered)
    # The program's objective is the standardised score: its prices go back to the score's unit, and the budget's, which
    # every unit of weight pays, to the score's zero.
    prices = prices * spread
    prices[0] += expected.mean()
    return Optimum(
        weights=weights,
        objective=float(expected @ weights),
        prices=prices,
        reduced=reduced_scores(feasible, weights, expected, prices),
        iterations=iterations,
        negligible=NEGLIGIBLE,
    )


def _within_limits(feasible: FeasibleSet, score: FloatArray) -> tuple[FloatArray, FloatArray, int] | None:
    """Optimal weights [n] under all limits, prices [m] and simplex iterations; None where the limits contradict.

    By sifting: most stocks are never bought, so the program begins with the sales and the purchases of the best
    forecasts, and takes in those others that would pay at its prices, until none would. Then it is the optimum over
    all trades.
    """
    trades = trades_inside(feasible)
    bar = np.quantile(score, 1.0 - FIRST_SIFTED)
    known = (trades.sign < 0) | (trades.lower > 0) | (score[trades.stock] >= bar)
    known |= not known.any()  # HiGHS takes no program without columns
    order = np.flatnonzero(known)
    program, part, iterations = new_solver(DUAL_SIMPLEX), trades.only(order), 0
    pass_program(program, [part.columns(feasible)], part.loss(score), *feasible.row_room)
    while True:
        is_solved = is_feasible(program)
        iterations += iterations_of(program)
        wanted, pays = ~known, OPTIMALITY_TOLERANCE
        if is_solved:
            _, prices = values_and_prices(program)
            gain = trades.sign * (score - prices[:-1] @ feasible.coefficients)[trades.stock]
            gain -= prices[-1] * trades.turnover
            if not (wanted & (gain > pays)).any():
                pays = -TIE  # the optimum; what else may be as good
            wanted &= gain > pays
        if not wanted.any():
            break
        known |= wanted
        order = np.append(order, np.flatnonzero(wanted))
        part = trades.only(np.flatnonzero(wanted))
        add_columns(program, part.columns(feasible), part.loss(score))
    if not is_solved:
        return None
    part = trades.only(order)
    iterations += break_ties(program, *tie_breakers(part, len(score)))
    amounts, _ = values_and_prices(program)
    return feasible.held + part.weight_change(amounts, len(score)), prices, iterations
