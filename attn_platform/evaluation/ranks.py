"""Ranks within a session as whole numbers, and rank correlations from them by counting.

Sorting is what a rank correlation costs. Here each array is sorted once (`rank_codes`); its correlation with any other
one then takes time proportional to the stocks, over exactly those that both have, with ties at their mean rank. All
sums are whole numbers, so a result depends neither on the order of the columns nor on stocks that do not count. The
loops release the interpreter lock.

Which values are equal is said here, once for all figures of the evaluation (docs/evaluation.md): what has one code is a
tie, a session whose stocks have one code is constant, and a value without a code is missing.
"""

import numpy as np
from numpy.typing import NDArray

from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.jit import njit
from attn_platform.market.tolerance import CONSTANT_RELATIVE, RETURN_ROUNDING

RankCodes = NDArray[np.int32]
NO_RANK = -1


def rank_codes(values: NDArray[np.floating], rounding: float = 0.0) -> RankCodes:
    """Place of each value among the different ones of its session [T, N], from 0 for the least; −1 without a value.

    Equal values share a place. Neighbours in order are equal where they differ by no more than `CONSTANT_RELATIVE` of
    the larger in size, or than `rounding`; what is not finite counts as missing.
    """
    codes = np.empty(values.shape, dtype=np.int32)
    _codes(values, rounding, CONSTANT_RELATIVE, codes)
    return codes


def return_codes(returns: NDArray[np.floating]) -> RankCodes:
    """`rank_codes` of returns [T, N]: equal is what the rounding of a ratio of prices sets apart, around 0 as well."""
    return rank_codes(returns, RETURN_ROUNDING)


def average_ranks(codes: RankCodes) -> FloatArray:
    """Ranks 1 … n within each session [T, N], ascending, ties at their mean rank; NaN without a value."""
    ranks = np.empty(codes.shape)
    _average_ranks(codes, ranks)
    return ranks


def rank_correlation(x: RankCodes, y: RankCodes) -> FloatArray:
    """Spearman's correlation [T] of each session over the stocks that have both; NaN where either is constant there."""
    correlations = np.empty(len(x))
    _rank_correlation(x, y, correlations)
    return correlations


@njit(nogil=True, cache=True)
def _codes(values, rounding, relative, out):  # type: ignore[no-untyped-def]
    sessions, stocks = values.shape
    column = np.empty(stocks, np.int64)
    known = np.empty(stocks)
    keys, orders = np.empty((2, stocks), np.uint64), np.empty((2, stocks), np.int32)
    for t in range(sessions):
        count = 0
        for i in range(stocks):
            out[t, i] = NO_RANK
            if np.isfinite(values[t, i]):
                column[count] = i
                known[count] = values[t, i]
                count += 1
        order = _ascending(known[:count], keys, orders)
        code = 0
        for k in range(count):
            if k > 0:
                value, before = known[order[k]], known[order[k - 1]]
                if value - before > max(rounding, relative * max(abs(value), abs(before))):
                    code += 1
            out[t, column[order[k]]] = code


@njit(nogil=True, cache=True)
def _ascending(known, keys, orders):  # type: ignore[no-untyped-def]
    """Positions of the finite float64 values [n] in ascending order; `keys` and `orders` [2, n or more] are scratch.

    A radix sort by the bytes of the numbers, four times as fast as numpy's argsort. The bits of a positive number, read
    as a whole one, ascend with it; those of a negative one descend.
    """
    count = len(known)
    starts = np.zeros((8, 256), np.int32)
    for k in range(count):
        bits = known.view(np.uint64)[k]
        key = ~bits if bits >> np.uint64(63) else bits | np.uint64(1 << 63)
        keys[0, k], orders[0, k] = key, k
        for byte in range(8):
            starts[byte, (key >> np.uint64(8 * byte)) & np.uint64(255)] += 1
    now = 0
    for byte in range(8):
        if count == 0 or starts[byte].max() == count:
            continue
        shift = np.uint64(8 * byte)
        below = 0
        for digit in range(256):
            here = starts[byte, digit]
            starts[byte, digit] = below
            below += here
        for k in range(count):
            digit = (keys[now, k] >> shift) & np.uint64(255)
            at = starts[byte, digit]
            starts[byte, digit] += 1
            keys[1 - now, at], orders[1 - now, at] = keys[now, k], orders[now, k]
        now = 1 - now
    return orders[now]


@njit(nogil=True, cache=True)
def _twice_centred(counts, last, total):  # type: ignore[no-untyped-def]
    """Turn the counts of codes 0 … last into 2 · (rank − mean rank), a whole number; returns Σ of its squares."""
    below = 0
    squares = 0
    for code in range(last + 1):
        count = counts[code]
        counts[code] = 2 * below + count - total
        squares += count * counts[code] * counts[code]
        below += count
    return squares


@njit(nogil=True, cache=True)
def _average_ranks(codes, out):  # type: ignore[no-untyped-def]
    sessions, stocks = codes.shape
    counts = np.zeros(stocks, np.int64)
    for t in range(sessions):
        last, total = NO_RANK, 0
        for i in range(stocks):
            if codes[t, i] != NO_RANK:
                counts[codes[t, i]] += 1
                last = max(last, codes[t, i])
                total += 1
        _twice_centred(counts, last, total)
        for i in range(stocks):
            out[t, i] = (counts[codes[t, i]] + total + 1) / 2 if codes[t, i] != NO_RANK else np.nan
        counts[: last + 1] = 0


@njit(nogil=True, cache=True)
def _rank_correlation(x, y, out):  # type: ignore[no-untyped-def]
    sessions, stocks = x.shape
    of_x = np.zeros(stocks, np.int64)
    of_y = np.zeros(stocks, np.int64)
    for t in range(sessions):
        last_x, last_y, total = NO_RANK, NO_RANK, 0
        for i in range(stocks):
            a, b = x[t, i], y[t, i]
            if a != NO_RANK and b != NO_RANK:
                of_x[a] += 1
                of_y[b] += 1
                last_x = max(last_x, a)
                last_y = max(last_y, b)
                total += 1
        squares_x = _twice_centred(of_x, last_x, total)
        squares_y = _twice_centred(of_y, last_y, total)
        products = 0
        for i in range(stocks):
            a, b = x[t, i], y[t, i]
            if a != NO_RANK and b != NO_RANK:
                products += of_x[a] * of_y[b]
        of_x[: last_x + 1] = 0
        of_y[: last_y + 1] = 0
        varies = squares_x > 0 and squares_y > 0
        out[t] = products / np.sqrt(float(squares_x) * float(squares_y)) if varies else np.nan
