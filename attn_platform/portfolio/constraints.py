"""The limits of one week as numbers: an interval for each stock's weight and for each row Σ a_i w_i.

Two rules about single stocks come before the stock limit b ± deviation:
- a stock that cannot trade keeps its weight, in or out of its interval;
- a stock without a forecast cannot be bought, so a benchmark member that is neither held nor in the universe stays at
  an active weight of −b, however large b is.
A held stock that has drifted out of its interval is traded back into it.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.problem import BoolArray, FloatArray, IntArray, PortfolioLimits, Relaxation, WeeklyProblem

RowKind = Literal["budget", "industry", "style", "turnover"]

# An excess below this is rounding of the solver (whose own tolerance is a tenth of it), no relaxation.
NEGLIGIBLE = 1e-8


@dataclass(frozen=True)
class Row:
    """A limited sum over the stocks: lower ≤ Σ a_i w_i ≤ upper.

    For turnover a_i w_i is |w_i − previous_i| / 2. `center` is the benchmark's own sum, so that the active weight or
    exposure is the sum less the center.
    """

    kind: RowKind
    name: str
    center: float
    allowed: float

    @property
    def key(self) -> str:
        """Identifies the row across weeks."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, eq=False)
class Constraints:
    """Feasible set of one week for n stocks, k industries and s styles.

    Rows are in the order budget, industries (by code), styles, turnover. `floor` and `cap` [n] can never give way;
    `lower` and `upper` [n] are the stock limit inside them.
    """

    held: FloatArray
    floor: FloatArray
    cap: FloatArray
    lower: FloatArray
    upper: FloatArray
    rows: tuple[Row, ...]  # [m], m = k + s + 2
    row_lower: FloatArray  # [m]
    row_upper: FloatArray  # [m]
    group: IntArray  # [n] position 0 … k−1 of the stock's industry
    industries: IntArray  # [k] codes
    styles: FloatArray  # [s, n]

    def sums(self, weights: FloatArray) -> FloatArray:
        """The m row sums at `weights`."""
        return np.concatenate(
            [
                [weights.sum()],
                np.bincount(self.group, weights, minlength=len(self.industries)),
                self.styles @ weights,
                [np.abs(weights - self.held).sum() / 2],
            ]
        )

    @property
    def row_room(self) -> tuple[FloatArray, FloatArray]:
        """What may be added to each row sum of the previous weights, least and most [m]."""
        now = self.sums(self.held)
        return self.row_lower - now, self.row_upper - now

    def widened(self, weights: FloatArray) -> "Constraints":
        """The same constraints, each limit widened so far that `weights` keeps it, to within rounding."""
        sums = self.sums(weights)
        low, high = _outside(sums, self.row_lower, self.row_upper)
        under, over = _outside(weights, self.lower, self.upper)
        return replace(
            self,
            lower=np.where(under, np.where(weights <= self.floor + NEGLIGIBLE, self.floor, weights), self.lower),
            upper=np.where(over, np.where(weights >= self.cap - NEGLIGIBLE, self.cap, weights), self.upper),
            row_lower=np.where(low, sums, self.row_lower),
            row_upper=np.where(high, sums, self.row_upper),
        )


def compile_constraints(problem: WeeklyProblem, limits: PortfolioLimits) -> Constraints:
    """State `limits` as intervals for this week's stocks and rows.

    Raises:
        PortfolioError: `limits` names a style that the problem lacks.
    """
    unknown = set(limits.style_deviations) - set(problem.styles)
    if unknown:
        raise PortfolioError(
            f"limits name styles {sorted(unknown)} that the problem lacks; it has {sorted(problem.styles)}"
        )
    held, benchmark = problem.held, problem.benchmark
    floor = np.where(problem.tradable, 0.0, held)
    cap = np.where(problem.can_be_bought, 1.0, held)
    lower = np.clip(benchmark - limits.stock_deviation, floor, cap)
    upper = np.clip(benchmark + limits.stock_deviation, floor, cap)

    industries, group = np.unique(problem.industry, return_inverse=True)
    styles = np.array(list(problem.styles.values())).reshape(len(problem.styles), len(held))
    in_benchmark = np.bincount(group, benchmark, minlength=len(industries))
    turnover = np.inf if problem.previous is None else limits.turnover
    rows = (
        Row("budget", "", 1.0, 0.0),
        *(
            Row("industry", str(code), center, limits.industry_deviation)
            for code, center in zip(industries, in_benchmark.tolist(), strict=True)
        ),
        *(Row("style", name, float(z @ benchmark), limits.style_limit(name)) for name, z in problem.styles.items()),
        Row("turnover", "", 0.0, turnover),
    )
    return Constraints(
        held=held,
        floor=floor,
        cap=cap,
        lower=lower,
        upper=upper,
        rows=rows,
        row_lower=np.array([row.center - row.allowed for row in rows[:-1]] + [-np.inf]),
        row_upper=np.array([row.center + row.allowed for row in rows]),
        group=group,
        industries=industries,
        styles=styles,
    )


def violations(problem: WeeklyProblem, limits: PortfolioLimits, weights: FloatArray) -> dict[str, float]:
    """Largest excess over each limit at `weights`, 0 where it holds; an asset check compares them with `TOLERANCE`.

    Keys: budget (Σ w − 1), long_only, untradable (a weight that should have stayed), no_forecast (bought without one),
    stock, industry, style, turnover. A deliberate relaxation shows up here under its limit.
    """
    constraints = compile_constraints(problem, limits)
    excess = {
        "budget": 0.0,
        "long_only": _largest(-weights),
        "untradable": _largest(np.abs(weights - problem.held)[~problem.tradable]),
        "no_forecast": _largest((weights - problem.held)[~problem.can_be_bought]),
        "stock": _largest(_excess(weights, constraints.lower, constraints.upper)[problem.tradable]),
        "industry": 0.0,
        "style": 0.0,
        "turnover": 0.0,
    }
    by_row = _excess(constraints.sums(weights), constraints.row_lower, constraints.row_upper)
    for row, value in zip(constraints.rows, by_row.tolist(), strict=True):
        excess[row.kind] = max(excess[row.kind], value)
    return excess


def exceeded(problem: WeeklyProblem, constraints: Constraints, weights: FloatArray) -> tuple[Relaxation, ...]:
    """The limits of `constraints` that `weights` exceeds by more than rounding."""
    sums = constraints.sums(weights)
    rows = np.logical_or(*_outside(sums, constraints.row_lower, constraints.row_upper))
    under, over = _outside(weights, constraints.lower, constraints.upper)
    active = weights - problem.benchmark
    stock_allowed = np.where(under, problem.benchmark - constraints.lower, constraints.upper - problem.benchmark)
    of_rows = [
        Relaxation(row.kind, row.name, row.allowed, float(value - row.center))
        for row, value, is_exceeded in zip(constraints.rows, sums, rows, strict=True)
        if is_exceeded and row.kind != "budget"
    ]
    of_stocks = [
        Relaxation("stock", str(problem.symbols[i]), float(stock_allowed[i]), float(active[i]))
        for i in np.flatnonzero(under | over)
    ]
    return (*of_rows, *of_stocks)


def _outside(values: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[BoolArray, BoolArray]:
    return values < lower - NEGLIGIBLE, values > upper + NEGLIGIBLE


def _excess(values: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    return np.maximum(0.0, np.maximum(lower - values, values - upper))


def _largest(values: FloatArray) -> float:
    return float(max(0.0, values.max(initial=0.0)))
