"""Snapshots of the order book that agree with the trades of a stock's session. The model is ours.

The last trade's price is the best ask where a buyer made it and the best bid where a seller did; the other side begins
a tick away, or further where two basis points of the price are more, and both go on fen by fen to the price limits. At
the upper limit nobody asks, at the lower one nobody bids. Volumes move about the stock's average trade. Before the
opening auction has traded the book is empty.
"""

from __future__ import annotations

import numpy as np

from attn_platform.jit import njit

LEVELS = 5
SPREAD = 0.0002
"""Of the price, at least one fen."""

DEPTH, DEPTH_SPREAD, DEPTH_PERSISTENCE = 2.0, 0.6, 0.9
"""Median volume of a level in average trades; spread of its log, and its autocorrelation from one to the next."""

QUEUE_AT_LIMIT = 30.0
"""Volume of the best price while the stock stands at its limit, in others."""

LOT = 100
FEN_A_CNY = 100.0


@njit(nogil=True, cache=True)
def fill_book(out, begin, times, trade_time, price, volume, side, up_limit, down_limit, noise):  # type: ignore[no-untyped-def]
    """Write a stock's snapshots into the columns `out` [4 · 5, R] from row `begin` on.

    Columns are bid prices, bid volumes, ask prices, ask volumes, the best level first. `noise` is [snapshot, 2 · 5].
    """
    usual = DEPTH * volume.sum() / len(volume)
    keeps, changes = DEPTH_PERSISTENCE, np.sqrt(1 - DEPTH_PERSISTENCE**2)
    state = np.zeros(2 * LEVELS)
    trade = -1
    for k in range(len(times)):
        for level in range(2 * LEVELS):
            state[level] = noise[k, level] if k == 0 else keeps * state[level] + changes * noise[k, level]
        while trade + 1 < len(trade_time) and trade_time[trade + 1] <= times[k]:
            trade += 1
        if trade < 0:
            continue
        last = price[trade]
        spread = max(int(SPREAD * last), 1)
        bid = last - spread if side[trade] >= 0 else last
        ask = last if side[trade] >= 0 else last + spread
        lowest = max(down_limit, 1)
        at_up = last == up_limit
        at_down = last == lowest and not at_up
        if at_up:
            bid = last
        elif at_down:
            ask = last
        bid = max(bid, lowest)
        if up_limit > 0:
            ask = min(ask, up_limit)
        for level in range(LEVELS):
            if bid - level >= lowest and not at_down:
                queue = QUEUE_AT_LIMIT if at_up and level == 0 else 1.0
                out[level, begin + k] = (bid - level) / FEN_A_CNY
                out[LEVELS + level, begin + k] = _depth(usual * queue, state[level])
            if (up_limit <= 0 or ask + level <= up_limit) and not at_up:
                queue = QUEUE_AT_LIMIT if at_down and level == 0 else 1.0
                out[2 * LEVELS + level, begin + k] = (ask + level) / FEN_A_CNY
                out[3 * LEVELS + level, begin + k] = _depth(usual * queue, state[LEVELS + level])


@njit(nogil=True, cache=True)
def _depth(usual, state):  # type: ignore[no-untyped-def]
    """Shares of a level, whole lots and at least one."""
    return max(np.rint(usual * np.exp(DEPTH_SPREAD * state) / LOT), 1.0) * LOT
