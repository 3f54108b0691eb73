"""Loops over trades and snapshots that no array operation does in one pass, compiled.

Each stock is done by itself, so a value does not depend on which other stocks are loaded.
"""

from __future__ import annotations

import numpy as np

from attn_platform.jit import njit


@njit(nogil=True, cache=True)
def tick_rule(price, offsets):  # type: ignore[no-untyped-def]
    """[R] int8: sign of the last change of price within the stock, 0 until there is one."""
    out = np.zeros(len(price), dtype=np.int8)
    for s in range(len(offsets) - 1):
        sign = 0
        for i in range(offsets[s] + 1, offsets[s + 1]):
            if price[i] > price[i - 1]:
                sign = 1
            elif price[i] < price[i - 1]:
                sign = -1
            out[i] = sign
    return out


@njit(nogil=True, cache=True)
def order_totals(order, amount, offsets):  # type: ignore[no-untyped-def]
    """Amounts summed by order: of each row its order's total [R], and whether the row is its order's first [R].

    Order numbers are compared within a stock only; 0 stands for a missing one, whose total is 0. A hash table with
    open addressing, as wide as twice the stock's rows.
    """
    total = np.zeros(len(order))
    is_first = np.zeros(len(order), dtype=np.bool_)
    widest = 0
    for s in range(len(offsets) - 1):
        widest = max(widest, offsets[s + 1] - offsets[s])
    size = 2
    while size < 2 * widest:
        size *= 2
    keys = np.zeros(size, dtype=np.int64)
    sums = np.zeros(size)
    place = np.zeros(widest, dtype=np.int64)
    for s in range(len(offsets) - 1):
        begin, end = offsets[s], offsets[s + 1]
        width = 2
        while width < 2 * (end - begin):
            width *= 2
        keys[:width] = 0
        sums[:width] = 0.0
        for i in range(begin, end):
            key = order[i]
            if key <= 0:
                place[i - begin] = -1
                continue
            at = (key * 0x9E3779B1) & (width - 1)
            while keys[at] != 0 and keys[at] != key:
                at = (at + 1) & (width - 1)
            if keys[at] == 0:
                keys[at] = key
                is_first[i] = True
            sums[at] += amount[i]
            place[i - begin] = at
        for i in range(begin, end):
            if place[i - begin] >= 0:
                total[i] = sums[place[i - begin]]
    return total, is_first


@njit(nogil=True, cache=True)
def log_moments(buy_total, is_first_buy, sell_total, is_first_sell, offsets):  # type: ignore[no-untyped-def]
    """Number, mean and variance of the log amounts of a stock's orders [S] each; NaN where it has none.

    Of both sides' `order_totals`: each order counts once, at its first trade. The variance is divided by the number.
    """
    stocks = len(offsets) - 1
    count, mean, variance = np.full(stocks, np.nan), np.full(stocks, np.nan), np.full(stocks, np.nan)
    for s in range(stocks):
        orders, centre, squares = 0, 0.0, 0.0  # Welford's recurrence: one logarithm an order
        for i in range(offsets[s], offsets[s + 1]):
            for is_first, total in ((is_first_buy[i], buy_total[i]), (is_first_sell[i], sell_total[i])):
                if is_first:
                    orders += 1
                    log = np.log(total)
                    step = log - centre
                    centre += step / orders
                    squares += step * (log - centre)
        if orders > 0:
            count[s], mean[s], variance[s] = orders, centre, squares / orders
    return count, mean, variance


@njit(nogil=True, cache=True)
def minute_sums(values, minute, offsets, first, count):  # type: ignore[no-untyped-def]
    """Values summed by stock and minute [S, count], from minute `first` on; 0 where there are none."""
    out = np.zeros((len(offsets) - 1, count))
    for s in range(len(offsets) - 1):
        for i in range(offsets[s], offsets[s + 1]):
            at = minute[i] - first
            if 0 <= at < count:
                out[s, at] += values[i]
    return out


@njit(nogil=True, cache=True)
def last_rows(minute, offsets, first, count):  # type: ignore[no-untyped-def]
    """The last row of each stock before minute `first`, then up to the end of each of `count` minutes [S, 1 + count].

    −1 where there is none yet: a minute without rows has that of the minute before.
    """
    out = np.full((len(offsets) - 1, 1 + count), -1, dtype=np.int64)
    for s in range(len(offsets) - 1):
        for i in range(offsets[s], offsets[s + 1]):
            at = max(minute[i] - first + 1, 0)
            if at <= count:
                out[s, at] = i
        for at in range(1, 1 + count):
            if out[s, at] < 0:
                out[s, at] = out[s, at - 1]
    return out


@njit(nogil=True, cache=True)
def order_flow_imbalance(bid_price, bid_volume, ask_price, ask_volume, minute, offsets, first, count):  # type: ignore[no-untyped-def]
    """Cont, Kukanov and Stoikov's imbalance of order flow at the best prices, in money, by stock and minute [S, count].

    Of two snapshots that follow each other: what the best bid gained (all of it where its price rose, its loss where it
    fell) less what the best ask did. Snapshots with an empty side count as nothing offered there.
    """
    out = np.zeros((len(offsets) - 1, count))
    for s in range(len(offsets) - 1):
        for i in range(offsets[s] + 1, offsets[s + 1]):
            at = minute[i] - first
            if not 0 <= at < count:
                continue
            flow = 0.0
            if bid_price[i] >= bid_price[i - 1]:
                flow += bid_price[i] * bid_volume[i]
            if bid_price[i] <= bid_price[i - 1]:
                flow -= bid_price[i - 1] * bid_volume[i - 1]
            if ask_price[i] <= ask_price[i - 1]:
                flow -= ask_price[i] * ask_volume[i]
            if ask_price[i] >= ask_price[i - 1]:
                flow += ask_price[i - 1] * ask_volume[i - 1]
            out[s, at] += flow
    return out


@njit(nogil=True, cache=True)
def largest(values, offsets, kept):  # type: ignore[no-untyped-def]
    """Whether a row is among the `kept[s]` largest of its stock [R]; of equal ones the earlier come first."""
    out = np.zeros(len(values), dtype=np.bool_)
    for s in range(len(offsets) - 1):
        order = np.argsort(-values[offsets[s] : offsets[s + 1]], kind="mergesort")
        for i in order[: kept[s]]:
            out[offsets[s] + i] = True
    return out
