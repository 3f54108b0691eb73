"""Solve one week: the target portfolio of highest forecast within the limits or, failing that, of least violation.

The program is that of `split`, the week whose limits contradict each other that of `relaxation`; `ties` decides between
portfolios of the same forecast; the answer is rebuilt by `vertex` and checked here. With constraints or terms of a
user's own that are not linear, the week is that of `convex`. A failed solve raises: no older portfolio ever stands in
for it.
"""

import logging
import time
from collections import Counter
from typing import Literal

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.market.tolerance import is_constant
from attn_platform.portfolio import convex
from attn_platform.portfolio.compiled import (
    NEGLIGIBLE,
    CompiledConstraints,
    compile_constraints,
    exceeded,
    excesses,
)
from attn_platform.portfolio.extension import Extension
from attn_platform.portfolio.prices import Optimum, limit_states, reduced_scores
from attn_platform.portfolio.problem import (
    TOLERANCE,
    FloatArray,
    PortfolioLimits,
    PortfolioSolution,
    WeeklyProblem,
)
from attn_platform.portfolio.relaxation import least_violation
from attn_platform.portfolio.split import (
    DUAL_SIMPLEX,
    OPTIMALITY_TOLERANCE,
    add_columns,
    is_feasible,
    iterations_of,
    new_solver,
    pass_program,
    solution_of,
    trades,
)
from attn_platform.portfolio.statement import stated
from attn_platform.portfolio.ties import TIE, break_ties, stages
from attn_platform.portfolio.vertex import rebuild

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
        PortfolioError: the limits do not fit the problem, no portfolio exists even when they give way, or the solver
            returned what cannot be trusted.
    """
    started = time.perf_counter()
    statement = stated(limits, () if extension is None else extension.limits)
    constraints = compile_constraints(problem, statement)
    if extension is None or extension.is_linear:
        optimum = _linear(problem, constraints, limits)
    else:
        optimum = convex.solve(problem, constraints, extension, limits.relaxation_order)

    weights = optimum.weights
    relaxations = exceeded(problem, constraints, weights, optimum.negligible)
    gave_way = Counter(relaxation.limit for relaxation in relaxations)
    broken = {
        name: excess
        for name, excess in excesses(problem, statement, constraints, weights).items()
        if not excess <= TOLERANCE and name not in gave_way
    }
    if broken:
        raise PortfolioError(f"the solver's portfolio breaks limits by more than {TOLERANCE}: {broken}; none was made")
    if relaxations:
        logger.warning("the limits of the week contradict each other; limits relaxed: %s", dict(gave_way))
    status: Literal["optimal", "relaxed"] = "relaxed" if relaxations else "optimal"
    return PortfolioSolution(
        weights=weights,
        objective=optimum.objective,
        status=status,
        relaxations=relaxations,
        limits=limit_states(constraints, weights, optimum.prices),
        lower=constraints.lower,
        upper=constraints.upper,
        reduced_score=optimum.reduced,
        turnover=None if problem.previous is None else float(constraints.sums(weights)[-1]),
        iterations=optimum.iterations,
        seconds=time.perf_counter() - started,
    )


def standardised(score: FloatArray) -> tuple[FloatArray, float]:
    """[n] scores with mean 0 and standard deviation 1, and the deviation they had; 0 and 1 where all are equal."""
    if is_constant(score):
        return np.zeros(len(score)), 1.0
    spread = float(score.std())
    return (score - score.mean()) / spread, spread


def _linear(problem: WeeklyProblem, constraints: CompiledConstraints, limits: PortfolioLimits) -> Optimum:
    """The optimal vertex, exact and the same bits whatever the road to it."""
    expected = problem.expected_score
    score, spread = standardised(expected)
    rendered, prices, iterations = _within_limits(constraints, score) or least_violation(
        constraints, score, limits.relaxation_order
    )
    weights = rebuild(constraints.widened(rendered), rendered)
    # The program's objective is the standardised score: its prices go back to the score's unit, and the budget's, which
    # every unit of weight pays, to the score's zero.
    prices = prices * spread
    prices[0] += expected.mean()
    return Optimum(
        weights=weights,
        objective=float(expected @ weights),
        prices=prices,
        reduced=reduced_scores(constraints, weights, expected, prices),
        iterations=iterations,
        negligible=NEGLIGIBLE,
    )


def _within_limits(constraints: CompiledConstraints, score: FloatArray) -> tuple[FloatArray, FloatArray, int] | None:
    """Optimal weights [n] under all limits, prices [m] and simplex iterations; None where the limits contradict.

    By sifting: most stocks are never bought, so the program begins with the sales and the purchases of the best
    forecasts, and takes in those others that would pay at its prices, until none would. Then it is the optimum over
    all moves.
    """
    moves = trades(constraints)
    bar = np.quantile(score, 1.0 - FIRST_SIFTED)
    known = (moves.sign < 0) | (moves.lower > 0) | (score[moves.stock] >= bar)
    known |= not known.any()  # HiGHS takes no program without columns
    order = np.flatnonzero(known)
    program, part, iterations = new_solver(DUAL_SIMPLEX), moves.only(order), 0
    pass_program(program, [part.columns(constraints)], part.loss(score), *constraints.row_room)
    while True:
        is_solved = is_feasible(program)
        iterations += iterations_of(program)
        wanted, pays = ~known, OPTIMALITY_TOLERANCE
        if is_solved:
            _, prices = solution_of(program)
            gain = moves.sign * (score - prices[:-1] @ constraints.coefficients)[moves.stock]
            gain -= prices[-1] * moves.turnover
            if not (wanted & (gain > pays)).any():
                pays = -TIE  # the optimum; what else may be as good
            wanted &= gain > pays
        if not wanted.any():
            break
        known |= wanted
        order = np.append(order, np.flatnonzero(wanted))
        part = moves.only(np.flatnonzero(wanted))
        add_columns(program, part.columns(constraints), part.loss(score))
    if not is_solved:
        return None
    part = moves.only(order)
    iterations += break_ties(program, *stages(part, len(score)))
    amounts, _ = solution_of(program)
    return constraints.held + part.weight_change(amounts, len(score)), prices, iterations
