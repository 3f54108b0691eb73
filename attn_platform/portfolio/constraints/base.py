"""What a constraint of the weekly problem is, and its two linear forms.

A constraint is stated once, over the weights w of one week. A linear one says its numbers: sums Σ a_i w_i between a
lower and an upper limit (`LinearConstraint`), or an interval for each stock's weight (`StockConstraint`). From them
come both the cvxpy form, which is the definition that any convex solver can take, and the program that HiGHS solves.
Whatever else is convex says its cvxpy form alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from attn_platform.portfolio.problem import FloatArray, WeeklyProblem


class Constraint(ABC):
    """One kind of limit of the weekly problem."""

    @abstractmethod
    def cvxpy(self, weights: cp.Variable, week: WeeklyProblem) -> list[cp.Constraint]:
        """The constraint on `weights` [n] in `week`."""


@dataclass(frozen=True, eq=False)
class Rows:
    """k limited sums of one kind: lower ≤ Σ a_i w_i − center ≤ upper.

    Attributes:
        kind: of the limit, as `PortfolioLimits.relaxation_order` names it.
        names: [k] industry codes, styles; empty for a limit that stands alone.
        coefficients: [k, n] the a_i.
        center: [k] the benchmark's own sum where the limit is on the active weight, else 0.
        lower, upper: [k] infinite where a side is open.
    """

    kind: str
    names: tuple[str, ...]
    coefficients: FloatArray
    center: FloatArray
    lower: FloatArray
    upper: FloatArray


class LinearConstraint(Constraint):
    """Limits on sums over the stocks."""

    @abstractmethod
    def rows(self, week: WeeklyProblem) -> Rows:
        """The sums and their limits in `week`."""

    def cvxpy(self, weights: cp.Variable, week: WeeklyProblem) -> list[cp.Constraint]:
        """One cvxpy constraint for the sums with equal limits, one for each finite side of the others."""
        rows = self.rows(week)
        sums, lower, upper = rows.coefficients @ weights, rows.center + rows.lower, rows.center + rows.upper
        fixed = lower == upper
        stated: list[cp.Constraint] = []
        if fixed.any():
            stated.append(sums[np.flatnonzero(fixed)] == lower[fixed])
        if (low := np.isfinite(lower) & ~fixed).any():
            stated.append(sums[np.flatnonzero(low)] >= lower[low])
        if (high := np.isfinite(upper) & ~fixed).any():
            stated.append(sums[np.flatnonzero(high)] <= upper[high])
        return stated


class StockConstraint(Constraint):
    """An interval for each stock's weight."""

    @abstractmethod
    def bounds(self, week: WeeklyProblem) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds [n] in `week`."""

    def cvxpy(self, weights: cp.Variable, week: WeeklyProblem) -> list[cp.Constraint]:
        """Both bounds of every weight."""
        lower, upper = self.bounds(week)
        return [weights >= lower, weights <= upper]
