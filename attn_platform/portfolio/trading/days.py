"""Whole orders cut into about equal parts, one a session, which sum to them share by share.

An order is cut into as many parts as there are days, or fewer where a part would be no valid order (a lot of 100; 200
shares on STAR) or would pay the least commission. The shares below a lot of a holding that is sold off go with the last
part, on the last day. A buy of a stock that closed at its upper limit, and a sale of one that closed at its lower
limit, begin on the second day, since the first may not trade. Shares that may not be sold on the first day (T+1) are
sold from the second on. Parts go to the days with the least amount of their side, so that all days trade about as
much. Where the money of a day does not suffice for its buys, some wait for the next one: by the last day everything is
traded, and the whole orders are within the cash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.portfolio.problem import BoolArray, FloatArray, IntArray

LONGEST = 60  # sessions: about a quarter, in which a target of a week is long out of date
ROUNDING = 1e-9  # of a sum of amounts, as a share of it
NEGLIGIBLE = 0.5  # fen: cash is whole fen, and what is less than half of one below zero is rounding


@dataclass(frozen=True, eq=False)
class WholeOrders:
    """Whole orders of m stocks, the largest amount first, as far as they can be cut; money in fen.

    - shares: positive; `is_sale` says which are sold.
    - least: shares of the smallest part, which is a valid order and pays no more than its share of the commission.
    - increment: shares by which orders of the stock's board go up.
    - at_first: the most shares of it on the first of several days.
    - amount: shares at the close, unsigned; `flow` what an order does to the cash at the worst fill that the cash has
      to suffice for, negative for buys.
    - cash: before the orders.
    """

    shares: IntArray
    is_sale: BoolArray
    least: FloatArray
    increment: IntArray
    at_first: IntArray
    amount: FloatArray
    flow: FloatArray
    cash: float


def spread(whole: WholeOrders, days: int) -> IntArray:
    """Shares of each order on each day [days, m], which sum to `whole.shares`.

    Raises ConfigurationError for less than one day or more than `LONGEST`.
    """
    if not 1 <= days <= LONGEST:
        raise ConfigurationError(f"orders: they cannot be spread over {days} days; choose 1 to {LONGEST}")
    parts = np.zeros((days, len(whole.shares)), dtype=np.int64)
    for is_sale in (True, False):
        traded = np.zeros(days)
        for order in np.flatnonzero(whole.is_sale == is_sale):
            parts[:, order] = _cut(whole, int(order), traded)
            traded += parts[:, order] * (whole.amount[order] / whole.shares[order])
    return _postponed(whole, parts)


def largest_amount(whole: WholeOrders, parts: IntArray) -> float:
    """What is traded, buys and sales together, on the day of `parts` that trades most."""
    return float((parts * (whole.amount / whole.shares)).sum(axis=1).max(initial=0.0))


def days_within(whole: WholeOrders, amount: float, least: int = 1) -> int | None:
    """The fewest days, `least` or more, of which each trades at most `amount`; None where `LONGEST` are not enough."""
    most = amount * (1 + ROUNDING)
    for days in range(max(math.ceil(whole.amount.sum() / most), least), LONGEST + 1):
        if largest_amount(whole, spread(whole, days)) <= most:
            return days
    return None


def _cut(whole: WholeOrders, order: int, traded: FloatArray) -> IntArray:
    """Parts [days] of one order, equal as far as the first day can trade its part; see `_equal_parts`.

    Where it cannot, it trades what it can as valid orders, and the others the rest.
    """
    shares, most = int(whole.shares[order]), int(whole.at_first[order])
    parts = _equal_parts(whole, order, shares, traded)
    if len(traded) == 1 or parts[0] <= most:
        return parts
    step, least = int(whole.increment[order]), whole.least[order]
    begun = int(max(min(most, shares - least), 0.0)) // step * step
    if begun < least:
        begun = 0
    return np.concatenate([[begun], _equal_parts(whole, order, shares - begun, traded[1:])])


def _equal_parts(whole: WholeOrders, order: int, shares: int, traded: FloatArray) -> IntArray:
    """Parts [days] of `shares` of one order: the larger ones on the days on which least is `traded` [days] so far.

    Of days alike, sales take the first and buys the last, so that the money is there.
    """
    days, is_sale = len(traded), bool(whole.is_sale[order])
    count = max(min(days, int(shares // whole.least[order])), 1)
    steps, odd = divmod(shares, int(whole.increment[order]))
    sizes = steps // count + (np.arange(count) < steps % count)
    calendar = np.arange(days) if is_sale else np.arange(days)[::-1]
    chosen = calendar[np.argsort(traded[calendar], kind="stable")][:count]
    if odd and days - 1 not in chosen:
        chosen[-1] = days - 1
    parts = np.zeros(days, dtype=np.int64)
    parts[chosen] = sizes * whole.increment[order]
    parts[-1] += odd
    return parts


def _postponed(whole: WholeOrders, parts: IntArray) -> IntArray:
    """`parts` [days, m] with buys moved to the next day as far as the cash of a day does not suffice for them.

    The largest buy of the day is cut first.
    """
    parts = parts.copy()
    flow = whole.flow / whole.shares
    cash = whole.cash
    for day in range(len(parts) - 1):
        cash += float(parts[day] @ flow)
        while cash < -NEGLIGIBLE and (outlay := np.where(whole.is_sale, 0.0, -parts[day] * flow)).any():
            order = int(np.argmax(outlay))
            moved = _moved(whole, order, parts[day : day + 2, order], -cash / -flow[order])
            parts[day : day + 2, order] += (-moved, moved)
            cash -= moved * float(flow[order])
    return parts


def _moved(whole: WholeOrders, order: int, parts: IntArray, wanted: float) -> int:
    """Shares, at least `wanted` where there are so many, to move from the first of two parts to the second.

    What is left and what the second becomes are valid orders.
    """
    step, least, (here, there) = int(whole.increment[order]), whole.least[order], parts.tolist()
    moved = math.ceil(wanted / step) * step
    if there == 0 and moved < least:
        moved = int(min(least, here))
    return moved if here - moved >= least else here
