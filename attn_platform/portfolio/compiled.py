"""The constraints of one week as numbers: an interval for each stock's weight and for each sum Σ a_i w_i.

Compiled from the constraint objects of `statement`; what the solvers, the relaxation and the checks compute on.
"""

from dataclasses import dataclass, replace

import numpy as np

from attn_platform.portfolio.constraints.base import Rows
from attn_platform.portfolio.constraints.budget import BUDGET
from attn_platform.portfolio.constraints.turnover import TURNOVER
from attn_platform.portfolio.problem import BoolArray, FloatArray, Relaxation, WeeklyProblem
from attn_platform.portfolio.statement import Statement

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


@dataclass(frozen=True, eq=False)
class CompiledConstraints:
    """Feasible set of one week for n stocks.

    The m rows are the budget, industries (by code), styles, what else there is, and last the turnover, which has no
    coefficients. `floor` and `cap` [n] can never give way; `lower` and `upper` [n] are the stock limit inside them.
    """

    held: FloatArray
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

    def widened(self, weights: FloatArray) -> "CompiledConstraints":
        """The same constraints, each limit widened so far that `weights` keeps it, to within rounding."""
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


def compile_constraints(week: WeeklyProblem, statement: Statement) -> CompiledConstraints:
    """Say the constraints in numbers for this week's stocks.

    Raises:
        PortfolioError: a limit names a style that the week lacks.
    """
    floor, cap = statement.holdings.bounds(week)
    lower, upper = statement.stock.bounds(week)
    blocks = [constraint.rows(week) for constraint in statement.sums]
    turnover = np.inf if week.previous is None else statement.turnover.limit
    rows = (
        *(row for block in blocks for row in _rows_of(block)),
        Row(TURNOVER, "", 0.0, -np.inf, turnover),
    )
    return CompiledConstraints(
        held=week.held,
        floor=floor,
        cap=cap,
        lower=lower,
        upper=upper,
        rows=rows,
        row_lower=np.array([row.center + row.lower for row in rows]),
        row_upper=np.array([row.center + row.upper for row in rows]),
        coefficients=np.concatenate([block.coefficients for block in blocks]),
    )


def excesses(
    week: WeeklyProblem, statement: Statement, constraints: CompiledConstraints, weights: FloatArray
) -> dict[str, float]:
    """Largest excess over each limit at `weights`, 0 where it holds.

    Keys: long_only, untradable (a weight that should have stayed), no_forecast (bought what cannot be bought), stock,
    and the kinds of the rows: budget, industry, style, members, turnover. A deliberate relaxation shows up here under
    its limit.
    """
    can_trade, can_buy = statement.holdings.can_trade(week), statement.holdings.can_buy(week)
    excess = {
        "long_only": _largest(-weights),
        "untradable": _largest(np.abs(weights - week.held)[~can_trade]),
        "no_forecast": _largest((weights - week.held)[~can_buy]),
        "stock": _largest(_excess(weights, constraints.lower, constraints.upper)[can_trade]),
    }
    by_row = _excess(constraints.sums(weights), constraints.row_lower, constraints.row_upper)
    for row, value in zip(constraints.rows, by_row.tolist(), strict=True):
        excess[row.kind] = max(excess.get(row.kind, 0.0), value)
    return excess


def exceeded(
    week: WeeklyProblem, constraints: CompiledConstraints, weights: FloatArray, negligible: float = NEGLIGIBLE
) -> tuple[Relaxation, ...]:
    """The limits of `constraints` that `weights` exceeds by more than rounding."""
    sums = constraints.sums(weights)
    low, high = outside(sums, constraints.row_lower, constraints.row_upper, negligible)
    under, over = outside(weights, constraints.lower, constraints.upper, negligible)
    active = weights - week.benchmark
    stock_allowed = np.where(under, week.benchmark - constraints.lower, constraints.upper - week.benchmark)
    of_rows = [
        Relaxation(row.kind, row.name, abs(row.lower) if is_low else row.upper, float(value - row.center))
        for row, value, is_low, is_high in zip(constraints.rows, sums, low, high, strict=True)
        if (is_low or is_high) and row.kind != BUDGET
    ]
    of_stocks = [
        Relaxation("stock", str(week.symbols[i]), float(stock_allowed[i]), float(active[i]))
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
