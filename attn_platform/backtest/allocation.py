"""From target weights to holdings that can be had: restrictions, costs and money in one equation.

Every stock is moved towards λ·w_i as far as it can go, with one scale λ for all of them:

    x_i(λ) = min(max(λ·w_i, l_i), u_i)

w_i is the target weight, and cash has the weight w_c = 1 − Σw. With the value h_i held before trading, the interval
[l_i, u_i] is

    l_i = h_i    cannot be sold (suspended, one-price limit-down board); else 0
    u_i = h_i    cannot be bought (suspended, one-price limit-up board); else ∞
    u_i = l_i    has to be sold if it can be (delisting-consolidation period)

λ solves

    λ·w_c + Σ x_i(λ) + Σ cost(x_i(λ) − h_i) = equity before trading.

So the weight that cannot be bought, and the money that cannot be raised, are spread over the stocks that can trade in
proportion to their target weights. Nothing goes short and costs are paid in full. Without restrictions λ is
the equity after costs, and the weights after costs are exactly the targets. The left side is continuous, piecewise
linear with kinks where λ·w_i passes l_i, h_i and u_i, and never falls: the segment that holds the root is found among
the sorted kinks, and λ on it is exact.
"""

import numpy as np

from attn_platform.backtest.costs import CostRates

# Purchases may exceed the money by rounding alone, as a share of the equity.
ROUNDING = 1e-12


def allocate(
    held: np.ndarray, weights: np.ndarray, lower: np.ndarray, upper: np.ndarray, equity: float, rates: CostRates
) -> tuple[np.ndarray, float]:
    """Values to hold after trading [n], and the scale λ.

    `held` [n] ≥ 0 are values before trading, `weights` [n] ≥ 0 with Σ ≤ 1 are targets, 0 ≤ `lower` ≤ `upper` [n] is
    the interval of each value, and `equity` is Σ held plus cash ≥ 0. Costs are the proportional ones: what minimum
    commissions add is paid by `affordable`. Where nothing that has a target can be bought, no
    λ spends the money: λ is the last kink, and the rest stays in cash.
    """
    cash_weight = max(1.0 - float(weights.sum()), 0.0)
    # Value plus cost as a line in λ: at the lower end, selling, buying, at the upper end.
    with np.errstate(invalid="ignore"):  # an upper end at infinity is never reached, whatever it would cost
        level_lower, level_upper = (end + rates.flat_costs(end - held) for end in (lower, upper))
    slope_selling, level_selling = weights * (1.0 - rates.sell), rates.sell * held
    slope_buying, level_buying = weights * (1.0 + rates.buy), -rates.buy * held
    leaves_lower, turns, reaches_upper = (
        np.divide(at, weights, out=np.full(len(held), np.inf), where=weights > 0)
        for at in (lower, np.clip(held, lower, upper), upper)
    )

    def line(scale_from: float) -> tuple[float, float]:
        is_lower, is_selling, is_upper = leaves_lower > scale_from, turns > scale_from, reaches_upper <= scale_from
        slope = np.where(is_lower | is_upper, 0.0, np.where(is_selling, slope_selling, slope_buying))
        between = np.where(is_selling, level_selling, level_buying)
        level = np.where(is_lower, level_lower, np.where(is_upper, level_upper, between))
        return cash_weight + float(slope.sum()), float(level.sum())

    # Bisection over the sorted kinks for the last one at which the money is not yet spent.
    kinks = np.concatenate([[0.0], leaves_lower, turns, reaches_upper])
    starts = np.unique(kinks[np.isfinite(kinks)])
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
    return np.clip(scale * weights, lower, upper), scale


def affordable(held: np.ndarray, values: np.ndarray, cash: float, rates: CostRates) -> np.ndarray:
    """`values` [n] with all purchases cut by one factor so that cash and the proceeds of the sales pay for them.

    Minimum commissions do not shrink with the purchases: where the money does not suffice for them, nothing is bought.
    """
    change = values - held
    sold, bought = np.minimum(change, 0.0), np.maximum(change, 0.0)
    money = cash - float((sold * (1.0 - rates.sell)).sum()) - float(rates.missing_commission(sold).sum())
    needed = float(bought.sum()) * (1.0 + rates.buy) + float(rates.missing_commission(bought).sum())
    if needed <= money + ROUNDING * (cash + float(held.sum())):
        return values
    return np.where(change > 0, held + change * _payable_share(bought, money, rates), values)


def _payable_share(bought: np.ndarray, money: float, rates: CostRates) -> float:
    """The share of all purchases [n] that costs `money`, less than all of them do; 0 where there is none.

    The cost of a share is convex and piecewise linear in it, with a kink where a purchase falls below the minimum
    commission: Newton's steps from above end on the piece that holds the root.
    """
    share, least = 1.0, np.zeros(len(bought), dtype=bool)
    commission = rates.buy - rates.buy_charges
    while True:
        pays_minimum = (bought > 0) & (commission * share * bought < rates.minimum)
        if share < 1.0 and (pays_minimum == least).all():
            return share
        least = pays_minimum
        proportional = float(bought.sum()) * (1.0 + rates.buy) - commission * float(bought[least].sum())
        share = (money - rates.minimum * int(least.sum())) / proportional
        if share <= 0.0:
            return 0.0
