"""From target weights to holdings that can be had: restrictions, costs and money in one equation.

Every stock is moved towards λ·w_i as far as its restriction lets it go, with one scale λ for all of them:

    x_i(λ) = λ·w_i                 can be bought and sold
             min(λ·w_i, h_i)       cannot be bought (one-price limit-up board)
             max(λ·w_i, h_i)       cannot be sold (one-price limit-down board)
             h_i                   neither (suspended, no row)

h_i is the value held before trading, w_i the target weight, and cash has the weight w_c = 1 − Σw. λ solves

    λ·w_c + Σ x_i(λ) + Σ cost(x_i(λ) − h_i) = equity before trading.

So the weight that cannot be bought, and the money that cannot be raised, are spread over the stocks that can trade in
proportion to their target weights. Nothing goes short and costs are paid in full. Without restrictions λ is
the equity after costs, and the weights after costs are exactly the targets. The left side is continuous, piecewise
linear with a kink at h_i / w_i, and never falls: the segment that holds the root is found among the sorted kinks, and
λ on it is exact.
"""

import numpy as np

from attn_platform.backtest.costs import CostRates


def allocate(
    held: np.ndarray,
    weights: np.ndarray,
    buyable: np.ndarray,
    sellable: np.ndarray,
    equity: float,
    rates: CostRates,
) -> tuple[np.ndarray, float]:
    """Values to hold after trading [n], and the scale λ.

    `held` [n] ≥ 0 are values before trading, `weights` [n] ≥ 0 with Σ ≤ 1 are targets, and `equity` is Σ held plus cash
    ≥ 0. Where nothing that has a target can be bought, no λ spends the money: λ is the last kink, and the rest stays in
    cash.
    """
    cash_weight = max(1.0 - float(weights.sum()), 0.0)
    # Value plus cost as a line in λ, below the kink (selling) and above it (buying).
    slope_below = np.where(sellable, weights * (1.0 - rates.sell), 0.0)
    level_below = np.where(sellable, rates.sell * held, held)
    slope_above = np.where(buyable, weights * (1.0 + rates.buy), 0.0)
    level_above = np.where(buyable, -rates.buy * held, held)
    kinks = np.divide(held, weights, out=np.full(len(held), np.inf), where=weights > 0)

    def line(scale_from: float) -> tuple[float, float]:
        passed = kinks <= scale_from
        slope = cash_weight + float(np.where(passed, slope_above, slope_below).sum())
        return slope, float(np.where(passed, level_above, level_below).sum())

    # Bisection over the sorted kinks for the last one at which the money is not yet spent.
    starts = np.unique(np.concatenate([[0.0], kinks[np.isfinite(kinks)]]))
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        slope, level = line(starts[middle])
        if slope * starts[middle] + level <= equity:
            low = middle
        else:
            high = middle - 1
    slope, level = line(starts[low])
    scale = (equity - level) / slope if slope > 0 else starts[low]
    scale = max(scale, starts[low])

    wanted = scale * weights
    values = np.where(wanted > held, np.where(buyable, wanted, held), np.where(sellable, wanted, held))
    return values, scale
