"""The weekly problem through cvxpy: as one reads it, and as Clarabel solves it with a strategy's own functions.

`cvxpy_problem` is the problem for a user with another objective, and what the fast solver is tested against; it has no
relaxation. `solve_convex` is for weeks that are no linear programs; limits that contradict each other are
relaxed as in `relaxation`, stage by stage with the least total excess. What is held stays where it meets all limits and
is as good as the optimum to the solver's accuracy: equal forecasts trade nothing. An interior-point method ends near a
vertex, not on it, so weights are put onto a bound, or onto what is held, that they reach to within its accuracy.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.extension import Extension
from attn_platform.portfolio.limits.base import Stage, SumLimit
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import TOLERANCE, FloatArray, WeeklyProblem
from attn_platform.portfolio.solver.duals import Optimum
from attn_platform.portfolio.solver.feasible_set import NEGLIGIBLE, STOCK, TURNOVER, FeasibleSet
from attn_platform.portfolio.solver.relaxation import names_of

logger = logging.getLogger(__name__)

CLARABEL = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
# An interior-point method's distance from a bound on which the optimum lies.
NEAR = 1e-7
# By how much the least total excess of a kind may be missed in the stages after it, and the best objective by what is
# held: ten times the solver's own tolerance.
SLACK = 1e-9
SOLVED = (cp.OPTIMAL, cp.OPTIMAL_INACCURATE)


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
    weights = cp.Variable(len(problem.symbols), name="weights")
    maximised = cp.Maximize(problem.expected_score @ weights) if objective is None else objective(weights)
    constraints: list[cp.Constraint] = []
    for lower, upper in limits.bounds(problem):
        constraints += [weights >= lower, weights <= upper]
    for limit in limits.each():
        constraints += limit.cvxpy(weights, problem) if isinstance(limit, SumLimit) else []
    return cp.Problem(maximised, constraints), weights


def solve_convex(
    problem: WeeklyProblem, feasible: FeasibleSet, extension: Extension, order: Sequence[Stage]
) -> Optimum:
    """The best portfolio within all limits or, where they contradict each other, of least violation.

    Raises:
        PortfolioError: no portfolio exists though all stages in `order` are relaxed, a constraint or term is not
            convex, or the solver failed.
    """
    program = _Program(problem, feasible, extension)
    if program.maximise() not in SOLVED:
        program = _Program(problem, feasible, extension, tuple(order))
        for stage in reversed(order):
            program.settle(stage)
        if program.maximise() not in SOLVED:
            raise _no_portfolio(extension, order)
    return program.answer()


@dataclass(eq=False)
class _Program:
    """The cvxpy program of one week; the stages in `elastic` have an excess."""

    problem: WeeklyProblem
    feasible: FeasibleSet
    extension: Extension
    elastic: tuple[Stage, ...] = ()
    totals: dict[Stage, cp.Expression] = field(default_factory=dict, init=False)
    settled: list[cp.Constraint] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        feasible, n, m = self.feasible, len(self.problem.symbols), len(self.feasible.rows) - 1
        self.weights = cp.Variable(n, name="weights")
        self.sums = cp.Variable(m, name="sums")
        self.link = self.sums == feasible.coefficients @ self.weights
        self.low, self.high = (
            self.weights >= feasible.lower - self._excess(STOCK, n),
            self.weights <= feasible.upper + self._excess(STOCK, n),
        )
        self.floor, self.cap = self.weights >= feasible.floor, self.weights <= feasible.cap
        self.constraints = [self.link, self.low, self.high, self.floor, self.cap]
        by_stage: dict[Stage, list[int]] = {}
        for at, row in enumerate(feasible.rows[:-1]):
            by_stage.setdefault(row.stage if row.stage in self.elastic else (row.kind, ""), []).append(at)
        for stage, places in by_stage.items():
            rows = np.array(places)
            low = rows[np.isfinite(feasible.row_lower[rows])]
            high = rows[np.isfinite(feasible.row_upper[rows])]
            if len(low):
                self.constraints.append(self.sums[low] >= feasible.row_lower[low] - self._excess(stage, len(low)))
            if len(high):
                self.constraints.append(self.sums[high] <= feasible.row_upper[high] + self._excess(stage, len(high)))
        self.turnover: cp.Constraint | None = None
        if np.isfinite(feasible.row_upper[-1]):
            traded = cp.norm1(self.weights - feasible.held) / 2
            self.turnover = traded <= feasible.row_upper[-1] + cp.sum(self._excess(TURNOVER, 1))
            self.constraints.append(self.turnover)
        self.constraints += self.extension.constraints_on(self.weights, self.problem)

    def _excess(self, stage: Stage, count: int) -> cp.Expression | float:
        """A new non-negative excess for `count` limits of a stage, counted in its total; 0 unless it is elastic."""
        if stage not in self.elastic:
            return 0.0
        excess = cp.Variable(count, nonneg=True)
        self.totals[stage] = self.totals.get(stage, 0.0) + cp.sum(excess)
        return excess

    def settle(self, stage: Stage) -> None:
        """Make the total excess of a stage as small as it can be, and hold it there."""
        if stage not in self.totals:
            return
        total = self.totals[stage]
        if self._solve(cp.Minimize(total)) not in SOLVED:
            raise _no_portfolio(self.extension, self.elastic)
        self.settled.append(total <= max(float(np.asarray(total.value).item()), 0.0) + SLACK)

    def maximise(self) -> str:
        """Status of the problem of the highest objective."""
        terms = self.extension.objective_of(self.weights, self.problem)
        return self._solve(cp.Maximize(cp.sum([self.problem.expected_score @ self.weights, *terms])))

    def _solve(self, objective: cp.Minimize | cp.Maximize) -> str:
        self.program = cp.Problem(objective, [*self.constraints, *self.settled])
        if not self.program.is_dcp():
            names = [function.name for function in self.extension.constraints]
            names += [function.name for function, _ in self.extension.terms]
            raise PortfolioError(f"{', '.join(names)}: not convex as cvxpy sees it; a term must be concave")
        try:
            self.program.solve(solver=cp.CLARABEL, **CLARABEL)
        except cp.SolverError as error:
            raise PortfolioError(f"Clarabel failed on the week ({error}); no portfolio was made") from None
        if self.program.status == cp.OPTIMAL_INACCURATE:
            logger.warning("Clarabel ended short of its tolerance; every limit is checked all the same")
        return str(self.program.status)

    def _is_held_as_good(self, objective: float) -> bool:
        """Whether what is held keeps every constraint and reaches the objective; leaves the variables there."""
        if self.problem.previous is None or self.elastic:
            return False
        held = self.feasible.held
        self.weights.value, self.sums.value = held, self.feasible.coefficients @ held
        keeps = all(np.max(each.violation(), initial=0.0) <= NEGLIGIBLE for each in self.program.constraints)
        missed = objective - float(self.program.objective.expr.value)
        return keeps and missed <= SLACK * (1.0 + abs(objective))

    def answer(self) -> Optimum:
        """What the last solve found; of a stock that stays at a bound, a reduced score between a buy's and a sale's."""
        prices = np.append(-np.asarray(self.link.dual_value), 0.0)
        if self.turnover is not None:
            prices[-1] = float(np.asarray(self.turnover.dual_value).item())
        at_upper = np.asarray(self.high.dual_value) + np.asarray(self.cap.dual_value)
        at_lower = np.asarray(self.low.dual_value) + np.asarray(self.floor.dual_value)
        found, objective = np.asarray(self.weights.value), float(self.program.value)
        weights = self.feasible.held if self._is_held_as_good(objective) else _cleaned(self.feasible, found)
        # An interior-point method leaves every limit a price, however small; one that is not reached has none.
        feasible, sums = self.feasible, self.feasible.sums(weights)
        reached = (sums <= feasible.row_lower + TOLERANCE) | (sums >= feasible.row_upper - TOLERANCE)
        return Optimum(
            weights=weights,
            objective=objective,
            prices=np.where(reached, prices, 0.0),
            reduced=at_upper - at_lower,
            iterations=self.program.solver_stats.num_iters or 0,
            negligible=TOLERANCE,
        )


def _cleaned(feasible: FeasibleSet, weights: FloatArray) -> FloatArray:
    """The weights put onto bounds and onto what is held where they are near; the budget's rest goes to the others."""
    corners = np.stack([feasible.lower, feasible.upper, feasible.held])
    distance = np.abs(corners - weights)
    nearest = np.take_along_axis(corners, distance.argmin(axis=0)[None], axis=0)[0]
    between = distance.min(axis=0) > NEAR
    cleaned = np.clip(np.where(between, weights, nearest), feasible.floor, feasible.cap)
    if between.any():
        cleaned[between] += (feasible.row_lower[0] - cleaned.sum()) / between.sum()
    return cleaned


def _no_portfolio(extension: Extension, order: Sequence[Stage]) -> PortfolioError:
    own = ", ".join(function.name for function in extension.constraints)
    return PortfolioError(
        f"no portfolio exists although {names_of(order)} may be relaxed"
        + (f"; the strategy's own constraints ({own}) never are: widen them" if own else ": add to relaxation_order")
    )
