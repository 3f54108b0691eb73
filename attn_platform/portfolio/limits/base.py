"""What a limit of the weekly problem is: one class that holds all that is known of one kind of limit.

Its fields are its settings, as they stand under `limits` of a strategy. Beside them it says its `kind`, its `rank` in
the order of relaxation, the study's `relaxed` values, how an excess is called in reports, its form in the problem, and
its check, which recomputes it from the stored rows. Python makes no object of a class that leaves out form or check.

There are two forms, an interval for each weight (`WeightLimit`) and sums over the stocks (`SumLimit`). Of the sums
those that are linear in the weights (`LinearLimit`) say their numbers, from which come both the rows of the linear
program that HiGHS solves and the cvxpy form, which is the definition that any convex solver can take.

A new linear limit is a file beside this one and an entry in `configuration.LIMITS`. The solvers know one interval that
is relaxed, the stock limit, and one sum that is not linear in the weights, the turnover.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from attn_platform.portfolio.problem import TOLERANCE, FloatArray, WeeklyProblem

if TYPE_CHECKING:  # imported where it is used: it takes a second
    import cvxpy as cp

OWN = "limit"
"""Kind of the limits that are a user's own functions; each of them has a name."""
Stage = tuple[str, str]
"""What is relaxed together: all limits of a kind (kind, ""), or one of a user's own (`OWN`, name)."""
Bounds = tuple[FloatArray, FloatArray]
"""Lower and upper bounds [n] of the weights."""
Relaxed = Collection[tuple[object, str, str]]
"""Date, kind and name of the limits that are on record as relaxed."""


def stage_of(kind: str, name: str) -> Stage:
    """The stage of relaxation that a limit belongs to."""
    return (kind, name if kind == OWN else "")


class Limit(BaseModel, ABC):
    """One kind of limit of the weekly problem.

    Class attributes:
        kind: its name in the tables, in `relaxation_order` and in reports.
        rank: its place in the default order of relaxation, 1 the first; None if it is never relaxed.
        relaxed: its settings in the relaxed column of AI-69, exhibit 24.
        excess_label: what reports call the amount by which it is relaxed.
        is_weight: whether it is in units of weight, which reports write in percent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]
    rank: ClassVar[int | None] = None
    relaxed: ClassVar[Mapping[str, float]] = {}
    excess_label: ClassVar[str] = ""
    is_weight: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def failures(cls, portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed) -> Iterator[str]:
        """A text for each limit of this kind that the stored weeks break without being on record as relaxed.

        `portfolio` has the rows of a table of target portfolios, `limits` those of this kind of its table of limits.
        """

    def without_styles(self, missing: Collection[str]) -> Self:
        """The limit where these styles cannot be computed."""
        return self


class WeightLimit(Limit):
    """An interval for each stock's weight."""

    @abstractmethod
    def bounds(self, problem: WeeklyProblem, lower: FloatArray, upper: FloatArray) -> Bounds:
        """Lower and upper bounds [n], inside those of the limits that come first."""


@dataclass(frozen=True, eq=False)
class Rows:
    """k limited sums of one kind: lower ≤ Σ a_i w_i − center ≤ upper.

    Attributes:
        kind: of the limit.
        names: [k] industries, styles; empty for a limit that stands alone.
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

    @classmethod
    def none(cls, kind: str, count: int) -> Self:
        """No row for `count` stocks: a limit that is not set."""
        return cls(kind, (), np.zeros((0, count)), np.zeros(0), np.zeros(0), np.zeros(0))


class SumLimit(Limit):
    """Limits on sums over the stocks, each with a row in the table of limits."""

    @abstractmethod
    def cvxpy(self, weights: cp.Variable, problem: WeeklyProblem) -> list[cp.Constraint]:
        """The limit as constraints on `weights` [n]."""

    @classmethod
    @abstractmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """By name of the limit what each stored row adds to the sum: the check's own definition of it."""

    @classmethod
    def found(cls, portfolio: pd.DataFrame, limits: pd.DataFrame) -> FloatArray:
        """The sum of each row of `limits`, computed from the stored portfolios alone; of nothing held it is 0."""
        sums = {
            (date, name): found
            for name, part in cls.parts(portfolio).items()
            for date, found in part.groupby(portfolio["date"]).sum().items()
        }
        return np.array([sums.get(each, 0.0) for each in zip(limits["date"], limits["name"], strict=True)])

    @classmethod
    def failures(cls, portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed) -> Iterator[str]:
        """Sums that are not what was recorded, or outside of their limits."""
        for row, found in zip(limits.to_dict("records"), cls.found(portfolio, limits), strict=True):
            misreported = abs(found - row["value"]) > TOLERANCE
            outside = found < row["lower"] - TOLERANCE or found > row["upper"] + TOLERANCE
            if misreported or (outside and (row["date"], cls.kind, row["name"]) not in relaxed):
                span = f"{row['lower']:.8f} to {row['upper']:.8f}"
                yield (
                    f"{row['date']}: {cls.kind} {row['name']} is {found:.8f}, recorded as {row['value']:.8f}, "
                    f"limits {span}"
                )


class LinearLimit(SumLimit):
    """Limits on sums that are linear in the weights."""

    @abstractmethod
    def rows(self, problem: WeeklyProblem) -> Rows:
        """The sums and their limits in this week; none where there is no limit."""

    def cvxpy(self, weights: cp.Variable, problem: WeeklyProblem) -> list[cp.Constraint]:
        """One cvxpy constraint for the sums with equal limits, one for each finite side of the others."""
        rows = self.rows(problem)
        if not rows.names:
            return []
        sums, lower, upper = rows.coefficients @ weights, rows.center + rows.lower, rows.center + rows.upper
        fixed = lower == upper
        constraints: list[cp.Constraint] = []
        if fixed.any():
            constraints.append(sums[np.flatnonzero(fixed)] == lower[fixed])
        if (low := np.isfinite(lower) & ~fixed).any():
            constraints.append(sums[np.flatnonzero(low)] >= lower[low])
        if (high := np.isfinite(upper) & ~fixed).any():
            constraints.append(sums[np.flatnonzero(high)] <= upper[high])
        return constraints
