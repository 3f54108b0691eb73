"""The weekly problem as users of cvxpy write it, each solving a week to an objective and weights.

Both state the industries as one sparse matrix and the stock limit as an interval for each weight, which cvxpy compiles
fastest. A week whose limits contradict each other has no answer here.
"""

from typing import Protocol

import cvxpy as cp
import numpy as np
from scipy import sparse

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.problem import FloatArray, WeeklyProblem


class CvxpyUser(Protocol):
    """One way to use cvxpy."""

    def weights(self, problem: WeeklyProblem) -> FloatArray | None:
        """[n] optimal weights; None where the solver finds none."""

    def solver_name(self) -> str:
        """The solver that cvxpy used."""


class Rebuilt:
    """The problem written anew every week, and left to cvxpy's default solver."""

    def __init__(self, limits: PortfolioLimits) -> None:
        self._limits = limits
        self._solver = ""

    def weights(self, problem: WeeklyProblem) -> FloatArray | None:
        """[n] optimal weights; None where the solver finds none."""
        limits, benchmark = self._limits, problem.benchmark
        w = cp.Variable(len(benchmark))
        active = w - benchmark
        lower, upper = intervals(problem, limits)
        constraints = [
            cp.sum(w) == 1,
            w >= lower,
            w <= upper,
            cp.abs(membership(problem.industry) @ active) <= limits.industry_deviation,
            *(cp.abs(z @ active) <= limits.of(StyleLimit).of_style(name) for name, z in problem.styles.items()),
        ]
        if problem.previous is not None:
            constraints.append(cp.norm1(w - problem.previous) / 2 <= limits.turnover)
        program = cp.Problem(cp.Maximize(problem.score @ w), constraints)
        program.solve()
        self._solver = program.solver_stats.solver_name
        return None if w.value is None else np.asarray(w.value)

    def solver_name(self) -> str:
        """The solver that cvxpy used."""
        return self._solver


class WithParameters:
    """The problem compiled once, in buys and sells; every week sets its parameters. HiGHS without a warm start.

    Stocks and industries are the same in all weeks, which real universes are not: then it must be compiled again.
    """

    def __init__(self, limits: PortfolioLimits, first: WeeklyProblem) -> None:
        n, styles = len(first.symbols), len(first.styles)
        self._limits = limits
        self._industries = membership(first.industry)
        k = self._industries.shape[0]
        self._score, self._held = cp.Parameter(n), cp.Parameter(n)
        self._lower, self._upper = cp.Parameter(n), cp.Parameter(n)
        self._z, self._exposure, self._sums = cp.Parameter((styles, n)), cp.Parameter(styles), cp.Parameter(k)
        room = np.array([limits.of(StyleLimit).of_style(name) for name in first.styles])
        buy, sell = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
        self._w = cp.Variable(n)
        w = self._w
        constraints = [
            cp.sum(w) == 1,
            w >= self._lower,
            w <= self._upper,
            w == self._held + buy - sell,
            cp.sum(buy) + cp.sum(sell) <= 2 * limits.turnover,
            self._industries @ w <= self._sums + limits.industry_deviation,
            self._industries @ w >= self._sums - limits.industry_deviation,
            self._z @ w <= self._exposure + room,
            self._z @ w >= self._exposure - room,
        ]
        self._program = cp.Problem(cp.Maximize(self._score @ w), constraints)

    def weights(self, problem: WeeklyProblem) -> FloatArray | None:
        """[n] optimal weights; None where the solver finds none."""
        self._lower.value, self._upper.value = intervals(problem, self._limits)
        z = np.array(list(problem.styles.values()))
        self._score.value, self._held.value, self._z.value = problem.score, problem.held, z
        self._exposure.value, self._sums.value = z @ problem.benchmark, self._industries @ problem.benchmark
        self._program.solve(solver=cp.HIGHS, warm_start=False)
        return None if self._w.value is None else np.asarray(self._w.value)

    def solver_name(self) -> str:
        """The solver that cvxpy used."""
        return str(self._program.solver_stats.solver_name)


def intervals(problem: WeeklyProblem, limits: PortfolioLimits) -> tuple[FloatArray, FloatArray]:
    """[n] least and most weight of each stock, all of which have a forecast; one that cannot trade keeps its weight."""
    lower = np.maximum(problem.benchmark - limits.stock_deviation, 0)
    upper = problem.benchmark + limits.stock_deviation
    return np.where(problem.tradable, lower, problem.held), np.where(problem.tradable, upper, problem.held)


def membership(industry: np.ndarray) -> sparse.csr_array:
    """[k, n] one where the stock is of the industry."""
    codes, group = np.unique(industry, return_inverse=True)
    return sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(len(codes), len(group)))
