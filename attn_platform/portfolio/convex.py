"""The weekly problem through cvxpy: as one reads it, and as Clarabel solves it with a strategy's own functions.

`cvxpy_problem` is the statement for a user with another objective, and what the fast solver is tested against; it has
no relaxation. `solve` is the road of weeks that are no linear programs; where their limits contradict each other they
give way as in `relaxation`, kind by kind with the least total excess. What is held stays where it meets all limits and
is as good as the optimum to the solver's accuracy: equal forecasts trade nothing. An interior-point method ends near a
vertex, not on it, so weights are put onto a bound, or onto what is held, that they reach to within its accuracy.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.compiled import NEGLIGIBLE, CompiledConstraints
from attn_platform.portfolio.extension import Extension
from attn_platform.portfolio.prices import Optimum
from attn_platform.portfolio.problem import TOLERANCE, FloatArray, LimitKind, PortfolioLimits, WeeklyProblem
from attn_platform.portfolio.statement import stated

logger = logging.getLogger(__name__)

CLARABEL = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
# An interior-point method's distance from a bound on which the optimum lies.
NEAR = 1e-7
# By how much the least total excess of a kind may be missed in the stages after it, and the best objective by what is
# held: ten times the solver's own tolerance.
SLACK = 1e-9
SOLVED = (cp.OPTIMAL, cp.OPTIMAL_INACCURATE)


def cvxpy_problem(
    week: WeeklyProblem,
    limits: PortfolioLimits,
    objective: Callable[[cp.Variable], cp.Minimize | cp.Maximize] | None = None,
) -> tuple[cp.Problem, cp.Variable]:
    """The problem, to be solved by the caller, and its variable: the weights [n].

    Args:
        week: the week.
        limits: of the strategy.
        objective: of the weights; the expected score of the portfolio if None.

    Example, a penalty on tracking error with a covariance matrix:
        cvxpy_problem(week, limits, lambda w: cp.Maximize(score @ w - 5 * cp.quad_form(w - benchmark, covariance)))
    """
    weights = cp.Variable(len(week.symbols), name="weights")
    maximised = cp.Maximize(week.expected_score @ weights) if objective is None else objective(weights)
    return cp.Problem(maximised, stated(limits).cvxpy(weights, week)), weights


def solve(
    week: WeeklyProblem, constraints: CompiledConstraints, extension: Extension, order: Sequence[LimitKind]
) -> Optimum:
    """The best portfolio within all limits or, where they contradict each other, of least violation.

    Raises:
        PortfolioError: no portfolio exists though all kinds in `order` give way, a constraint or term is not convex, or
            the solver failed.
    """
    program = _Program(week, constraints, extension)
    if program.maximise() not in SOLVED:
        program = _Program(week, constraints, extension, tuple(order))
        for kind in reversed(order):
            program.settle(kind)
        if program.maximise() not in SOLVED:
            raise _no_portfolio(extension, order)
    return program.answer()


@dataclass(eq=False)
class _Program:
    """The cvxpy program of one week; the kinds in `elastic` have an excess."""

    week: WeeklyProblem
    constraints: CompiledConstraints
    extension: Extension
    elastic: tuple[LimitKind, ...] = ()
    totals: dict[str, cp.Expression] = field(default_factory=dict, init=False)
    settled: list[cp.Constraint] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        limits, n, m = self.constraints, len(self.week.symbols), len(self.constraints.rows) - 1
        self.weights = cp.Variable(n, name="weights")
        self.sums = cp.Variable(m, name="sums")
        self.link = self.sums == limits.coefficients @ self.weights
        self.low, self.high = (
            self.weights >= limits.lower - self._excess("stock", n),
            self.weights <= limits.upper + self._excess("stock", n),
        )
        self.floor, self.cap = self.weights >= limits.floor, self.weights <= limits.cap
        self.stated = [self.link, self.low, self.high, self.floor, self.cap]
        kinds = np.array([row.kind for row in limits.rows[:-1]])
        for kind in dict.fromkeys(kinds.tolist()):
            rows = np.flatnonzero(kinds == kind)
            low = rows[np.isfinite(limits.row_lower[rows])]
            high = rows[np.isfinite(limits.row_upper[rows])]
            if len(low):
                self.stated.append(self.sums[low] >= limits.row_lower[low] - self._excess(kind, len(low)))
            if len(high):
                self.stated.append(self.sums[high] <= limits.row_upper[high] + self._excess(kind, len(high)))
        self.turnover: cp.Constraint | None = None
        if np.isfinite(limits.row_upper[-1]):
            traded = cp.norm1(self.weights - limits.held) / 2
            self.turnover = traded <= limits.row_upper[-1] + cp.sum(self._excess("turnover", 1))
            self.stated.append(self.turnover)
        self.stated += self.extension.constraints_on(self.weights, self.week)

    def _excess(self, kind: str, count: int) -> cp.Expression | float:
        """A new non-negative excess for `count` limits of a kind that may give way, counted in the kind's total."""
        if kind not in self.elastic:
            return 0.0
        excess = cp.Variable(count, nonneg=True)
        self.totals[kind] = self.totals.get(kind, 0.0) + cp.sum(excess)
        return excess

    def settle(self, kind: str) -> None:
        """Make the total excess of a kind as small as it can be, and hold it there."""
        if kind not in self.totals:
            return
        total = self.totals[kind]
        if self._solve(cp.Minimize(total)) not in SOLVED:
            raise _no_portfolio(self.extension, self.elastic)
        self.settled.append(total <= max(float(np.asarray(total.value).item()), 0.0) + SLACK)

    def maximise(self) -> str:
        """Status of the problem of the highest objective."""
        terms = self.extension.objective_of(self.weights, self.week)
        return self._solve(cp.Maximize(cp.sum([self.week.expected_score @ self.weights, *terms])))

    def _solve(self, objective: cp.Minimize | cp.Maximize) -> str:
        self.problem = cp.Problem(objective, [*self.stated, *self.settled])
        if not self.problem.is_dcp():
            names = [function.name for function in self.extension.constraints]
            names += [function.name for function, _ in self.extension.terms]
            raise PortfolioError(f"{', '.join(names)}: not convex as cvxpy sees it; a term must be concave")
        try:
            self.problem.solve(solver=cp.CLARABEL, **CLARABEL)
        except cp.SolverError as error:
            raise PortfolioError(f"Clarabel failed on the week ({error}); no portfolio was made") from None
        if self.problem.status == cp.OPTIMAL_INACCURATE:
            logger.warning("Clarabel ended short of its tolerance; every limit is checked all the same")
        return str(self.problem.status)

    def _is_held_as_good(self, objective: float) -> bool:
        """Whether what is held keeps every constraint and reaches the objective; leaves the variables there."""
        if self.week.previous is None or self.elastic:
            return False
        held = self.constraints.held
        self.weights.value, self.sums.value = held, self.constraints.coefficients @ held
        keeps = all(np.max(each.violation(), initial=0.0) <= NEGLIGIBLE for each in self.problem.constraints)
        missed = objective - float(self.problem.objective.expr.value)
        return keeps and missed <= SLACK * (1.0 + abs(objective))

    def answer(self) -> Optimum:
        """What the last solve found; of a stock that stays at a bound, a reduced score between a buy's and a sale's."""
        prices = np.append(-np.asarray(self.link.dual_value), 0.0)
        if self.turnover is not None:
            prices[-1] = float(np.asarray(self.turnover.dual_value).item())
        at_upper = np.asarray(self.high.dual_value) + np.asarray(self.cap.dual_value)
        at_lower = np.asarray(self.low.dual_value) + np.asarray(self.floor.dual_value)
        found, objective = np.asarray(self.weights.value), float(self.problem.value)
        weights = self.constraints.held if self._is_held_as_good(objective) else _cleaned(self.constraints, found)
        # An interior-point method leaves every limit a price, however small; one that is not reached has none.
        limits, sums = self.constraints, self.constraints.sums(weights)
        reached = (sums <= limits.row_lower + TOLERANCE) | (sums >= limits.row_upper - TOLERANCE)
        return Optimum(
            weights=weights,
            objective=objective,
            prices=np.where(reached, prices, 0.0),
            reduced=at_upper - at_lower,
            iterations=self.problem.solver_stats.num_iters or 0,
            negligible=TOLERANCE,
        )


def _cleaned(constraints: CompiledConstraints, weights: FloatArray) -> FloatArray:
    """The weights put onto bounds and onto what is held where they are near; the budget's rest goes to the others."""
    corners = np.stack([constraints.lower, constraints.upper, constraints.held])
    distance = np.abs(corners - weights)
    nearest = np.take_along_axis(corners, distance.argmin(axis=0)[None], axis=0)[0]
    between = distance.min(axis=0) > NEAR
    cleaned = np.clip(np.where(between, weights, nearest), constraints.floor, constraints.cap)
    if between.any():
        cleaned[between] += (constraints.row_lower[0] - cleaned.sum()) / between.sum()
    return cleaned


def _no_portfolio(extension: Extension, order: Sequence[str]) -> PortfolioError:
    own = ", ".join(function.name for function in extension.constraints)
    return PortfolioError(
        f"no portfolio exists although {', '.join(order) or 'no limit'} may give way"
        + (f"; the strategy's own constraints ({own}) never do: relax them" if own else ": add to relaxation_order")
    )
