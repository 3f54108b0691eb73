"""The feasible set of one week in numbers: an interval for each stock's weight and for each sum Σ a_i w_i.

Made from the limits of a strategy; what the solvers, the relaxation and the check of an answer compute on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attn_platform.portfolio.limits.base import LinearLimit, Rows, Stage, stage_of
from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.stock import StockLimit
from attn_platform.portfolio.limits.tradability import Tradability
from attn_platform.portfolio.limits.turnover import TurnoverLimit
from attn_platform.portfolio.problem import BoolArray, FloatArray, WeeklyProblem
from attn_platform.portfolio.solution import Relaxation

STOCK: Stage = (StockLimit.kind, "")
TURNOVER: Stage = (TurnoverLimit.kind, "")

# An excess below this is rounding of the solver (whose own tolerance is a tenth of it), no relaxation.
NEGLIGIBLE = 1e-8


@dataclass(frozen=True)
class Row:
    """A limited sum over the stocks: lower ≤ Σ a_i w_i − center ≤ upper.

    For turnover the sum is Σ |w_i − previous_i| / 2. `center` is the benchmark's own sum where the limit is on the
    active weight or exposure, else 0.
    """

    kind: str
    name: str
    center: float
    lower: float
    upper: float

    @property
    def stage(self) -> Stage:
        """What it is relaxed together with."""
        return stage_of(self.kind, self.name)


@dataclass(frozen=True, eq=False)
class FeasibleSet:
    """All portfolios of n stocks that keep the limits of one week.

    The m rows are the budget, industries (by code), styles, what else there is, and last the turnover, which has no
    coefficients. `floor` and `cap` [n] are never relaxed; `lower` and `upper` [n] are the stock limit inside them.
    `can_trade` and `can_buy` [n] are the stocks whose weight may change, and rise.
    """

    held: FloatArray
    can_trade: BoolArray
    can_buy: BoolArray
    floor: FloatArray
    cap: FloatArray
    lower: FloatArray
    upper: FloatArray
    rows: tuple[Row, ...]  # [m]
    row_lower: FloatArray  # [m]
    row_upper: FloatArray  # [m]
    coefficients: FloatArray  # [m − 1, n]

    def sums(self, weights: FloatArray) -> FloatArray:
        """The m row sums at `weights`."""
        return np.append(self.coefficients @ weights, np.abs(weights - self.held).sum() / 2)

    @property
    def row_room(self) -> tuple[FloatArray, FloatArray]:
        """What may be added to each row sum of the previous weights, least and most [m]."""
        now = self.sums(self.held)
        return self.row_lower - now, self.row_upper - now

    def widened(self, weights: FloatArray) -> "FeasibleSet":
        """The same set, each limit widened so far that `weights` keeps it, to within rounding."""
        sums = self.sums(weights)
        low, high = outside(sums, self.row_lower, self.row_upper)
        under, over = outside(weights, self.lower, self.upper)
        return replace(
            self,
            lower=np.where(under, np.where(weights <= self.floor + NEGLIGIBLE, self.floor, weights), self.lower),
            upper=np.where(over, np.where(weights >= self.cap - NEGLIGIBLE, self.cap, weights), self.upper),
            row_lower=np.where(low, sums, self.row_lower),
            row_upper=np.where(high, sums, self.row_upper),
        )


def feasible_set(problem: WeeklyProblem, limits: PortfolioLimits, own: Sequence[LinearLimit] = ()) -> FeasibleSet:
    """The limits of a strategy, and linear ones of its `own`, in numbers for this week's stocks.

    Raises:
        PortfolioError: a limit names a style that is missing from the problem.
    """
    tradability = limits.of(Tradability)
    (floor, cap), (lower, upper) = limits.bounds(problem)
    blocks = [limit.rows(problem) for limit in (*limits.linear(), *own)]
    rows = (
        *(row for block in blocks for row in _rows_of(block)),
        Row(TurnoverLimit.kind, "", 0.0, -np.inf, limits.of(TurnoverLimit).upper(problem)),
    )
    return FeasibleSet(
        held=problem.held,
        can_trade=tradability.can_trade(problem),
        can_buy=tradability.can_buy(problem),
        floor=floor,
        cap=cap,
        lower=lower,
        upper=upper,
        rows=rows,
        row_lower=np.array([row.center + row.lower for row in rows]),
        row_upper=np.array([row.center + row.upper for row in rows]),
        coefficients=np.concatenate([block.coefficients for block in blocks]),
    )


def excesses(feasible: FeasibleSet, weights: FloatArray) -> dict[Stage, float]:
    """Largest excess over each limit at `weights`, 0 where it holds.

    Keys are the kinds of the limits, and the names of a strategy's own; of the rules about single stocks they are
    long_only, untradable (a weight that should have stayed) and no_forecast (bought what cannot be bought). A
    deliberate relaxation shows up here under its limit.
    """
    change = weights - feasible.held
    of_stocks = _excess(weights, feasible.lower, feasible.upper)
    excess: dict[Stage, float] = {
        ("long_only", ""): _largest(-weights),
        ("untradable", ""): _largest(np.abs(change)[~feasible.can_trade]),
        ("no_forecast", ""): _largest(change[~feasible.can_buy]),
        STOCK: _largest(of_stocks[feasible.can_trade]),
    }
    by_row = _excess(feasible.sums(weights), feasible.row_lower, feasible.row_upper)
    for row, value in zip(feasible.rows, by_row.tolist(), strict=True):
        excess[row.stage] = max(excess.get(row.stage, 0.0), value)
    return excess


def exceeded(
    problem: WeeklyProblem, feasible: FeasibleSet, weights: FloatArray, negligible: float = NEGLIGIBLE
) -> tuple[Relaxation, ...]:
    """The limits that `weights` exceeds by more than rounding."""
    sums = feasible.sums(weights)
    low, high = outside(sums, feasible.row_lower, feasible.row_upper, negligible)
    under, over = outside(weights, feasible.lower, feasible.upper, negligible)
    active = weights - problem.benchmark
    stock_allowed = np.where(under, problem.benchmark - feasible.lower, feasible.upper - problem.benchmark)
    of_rows = [
        Relaxation(row.kind, row.name, abs(row.lower) if is_low else row.upper, float(value - row.center))
        for row, value, is_low, is_high in zip(feasible.rows, sums, low, high, strict=True)
        if (is_low or is_high) and row.kind != Budget.kind
    ]
    of_stocks = [
        Relaxation(StockLimit.kind, str(problem.symbols[i]), float(stock_allowed[i]), float(active[i]))
        for i in np.flatnonzero(under | over)
    ]
    return (*of_rows, *of_stocks)


def outside(
    values: FloatArray, lower: FloatArray, upper: FloatArray, negligible: float = NEGLIGIBLE
) -> tuple[BoolArray, BoolArray]:
    """Which values lie below `lower`, and which above `upper`, by more than rounding."""
    return values < lower - negligible, values > upper + negligible


def _rows_of(block: Rows) -> list[Row]:
    numbers = zip(block.names, block.center.tolist(), block.lower.tolist(), block.upper.tolist(), strict=True)
    return [Row(block.kind, name, center, lower, upper) for name, center, lower, upper in numbers]


def _excess(values: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    return np.maximum(0.0, np.maximum(lower - values, values - upper))


def _largest(values: FloatArray) -> float:
    return float(max(0.0, values.max(initial=0.0)))
