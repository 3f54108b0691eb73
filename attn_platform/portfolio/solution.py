"""The shape of a week's answer: the target portfolio, its limits with their prices, and what was relaxed."""

from dataclasses import dataclass
from typing import Literal

from attn_platform.portfolio.problem import FloatArray


@dataclass(frozen=True)
class Relaxation:
    """One limit that was relaxed.

    `limit` is the kind, `name` the industry, style or symbol (empty for turnover and members). `reached` is the signed
    active weight, exposure, turnover or share, in the unit of `allowed`.
    """

    limit: str
    name: str
    allowed: float
    reached: float


@dataclass(frozen=True)
class LimitState:
    """One limit on a sum over the stocks, as the solution leaves it.

    `lower` ≤ `value` ≤ `upper` are active weights, exposures, shares or the turnover. `price` is what the objective
    would gain if the limit that binds were one unit higher: positive at the upper limit, negative at the lower one,
    and 0 where none binds. The kind "budget" is Σ w itself.
    """

    kind: str
    name: str
    lower: float
    upper: float
    value: float
    price: float


@dataclass(frozen=True, eq=False)
class PortfolioSolution:
    """Target portfolio of one week, rows as in the problem.

    Attributes:
        weights: [n] sum to 1 − cash, none negative.
        objective: expected_score · weights, and the terms of the objective where there are any.
        status: `optimal` within all limits, or `relaxed`: the best portfolio of least violation.
        relaxations: the limits that were relaxed, none when optimal.
        limits: every limit on a sum: the budget, industries, styles, members, a strategy's own, turnover.
        lower, upper: [n] the interval of each weight after all rules about single stocks.
        reduced_score: [n] what one more unit of weight would add to the objective once it pays the prices of `limits`:
            positive for a stock at its upper bound, negative at its lower one, 0 between them and for one that stays
            because a trade does not pay for its turnover.
        turnover: one-way, Σ |w − w_prev| / 2; None for the first portfolio.
        iterations: of the solver.
        seconds: wall time of the solve.
    """

    weights: FloatArray
    objective: float
    status: Literal["optimal", "relaxed"]
    relaxations: tuple[Relaxation, ...]
    limits: tuple[LimitState, ...]
    lower: FloatArray
    upper: FloatArray
    reduced_score: FloatArray
    turnover: float | None
    iterations: int
    seconds: float

    def active(self, kind: str) -> dict[str, float]:
        """Name → active weight or exposure of all limits of a kind: "industry", "style"."""
        return {limit.name: limit.value for limit in self.limits if limit.kind == kind}
