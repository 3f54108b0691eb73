"""Dual values as shadow prices: what each limit costs, and what each stock is worth once it has paid for them.

At an optimum  score_i − Σ_r price_r a_ri ∓ price_turnover / 2  is zero for a stock between its bounds, positive for one
at its upper bound and negative for one at its lower bound; a buy pays half the price of turnover, a sale too. That sum
is the answer to "why do we hold this?" (linear programming duality).
"""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.problem import FloatArray
from attn_platform.portfolio.solution import LimitState
from attn_platform.portfolio.solver.feasible_set import NEGLIGIBLE, FeasibleSet

TURNOVER_A_UNIT = 0.5  # one-way turnover of one unit of weight bought or sold


@dataclass(frozen=True, eq=False)
class Optimum:
    """What a solver found.

    Attributes:
        weights: [n].
        objective: in units of the score.
        prices: [m] of the rows, in units of the objective.
        reduced: [n] the reduced scores.
        iterations: of the solver.
        negligible: how far its weights may be off a limit that they keep.
    """

    weights: FloatArray
    objective: float
    prices: FloatArray
    reduced: FloatArray
    iterations: int
    negligible: float


def limit_states(feasible: FeasibleSet, weights: FloatArray, prices: FloatArray) -> tuple[LimitState, ...]:
    """Every limit on a sum at `weights`, with its price [m]; the turnover only where it is limited."""
    sums = feasible.sums(weights)
    return tuple(
        LimitState(row.kind, row.name, row.lower, row.upper, float(value - row.center), float(price))
        for row, value, price in zip(feasible.rows, sums, prices, strict=True)
        if np.isfinite(row.lower) or np.isfinite(row.upper)
    )


def reduced_scores(feasible: FeasibleSet, weights: FloatArray, marginal: FloatArray, prices: FloatArray) -> FloatArray:
    """[n] `marginal` gain of the objective by each weight, less the prices [m] of the limits it uses.

    A stock that keeps its weight could be bought or sold: it has the value of the better of the two, 0 where neither
    pays.
    """
    gain = marginal - prices[:-1] @ feasible.coefficients
    toll = prices[-1] * TURNOVER_A_UNIT
    bought, sold = gain - toll, gain + toll
    change = weights - feasible.held
    kept = np.where(bought > 0, bought, np.where(sold < 0, sold, 0.0))
    reduced = np.where(change > NEGLIGIBLE, bought, np.where(change < -NEGLIGIBLE, sold, kept))
    at_bound = (weights <= feasible.lower + NEGLIGIBLE) | (weights >= feasible.upper - NEGLIGIBLE)
    return np.where(at_bound, reduced, 0.0)
