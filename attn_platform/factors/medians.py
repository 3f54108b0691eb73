"""The median of a cross-section, by counting.

Sorting or partitioning moves numbers about, one branch at a time; counting how many lie up to a limit is a single pass
of vector instructions. About ten counts, at limits that interpolate between the last two, corner the median exactly,
several times faster than numpy's partition does.
"""

import numpy as np

from attn_platform.jit import njit

# Interpolation may creep along a long tail or among ties; every so many steps a pivot is tried as the limit.
PIVOT_EVERY = 4
# While so large a part of the numbers is left, one of them is soon found, and halves it on average; later their mean.
LARGE_PART = 1 / 16
LANES = 32  # of the search for a least number, which the compiler does not turn into vector instructions by itself


@njit(nogil=True, cache=True, error_model="numpy")
def observations(x):  # type: ignore[no-untyped-def]
    """How many of x [n] are not NaN."""
    count = np.int32(0)
    for i in range(len(x)):
        count += np.int32(x[i] == x[i])
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def median(x, n):  # type: ignore[no-untyped-def]
    """Median, float64, of the n numbers in x that are not NaN: the mean of the middle two if n is even, NaN if n = 0.

    x is a session's values of a factor, float32 or float64, without infinities.
    """
    if n == 0:
        return np.nan
    low = ranked(x, n, (n - 1) // 2)
    if n % 2 == 1 or _up_to(x, low) > n // 2:
        return np.float64(low)
    return (np.float64(low) + np.float64(_least_above(x, low))) / 2.0


@njit(nogil=True, cache=True, error_model="numpy")
def ranked(x, n, rank):  # type: ignore[no-untyped-def]
    """The number of that rank (0 is the smallest) among the n in x that are not NaN; ties have neighbouring ranks."""
    # It lies in (low, high]; `below` and `upto` numbers are up to the two.
    number = x.dtype.type
    low, high = number(-np.inf), number(np.inf)
    below, upto = 0, n
    step, place = 0, 0
    while upto - below > 1:
        step += 1
        limit = low + (high - low) * number((rank + 0.5 - below) / (upto - below))
        # Without both ends the interpolation is not finite, and between neighbouring numbers there is none.
        is_pivot = step % PIVOT_EVERY == 0 or not (low < limit < high)
        if is_pivot:
            limit = low if upto - below > LARGE_PART * n else _total(x, low, high) / number(upto - below)
            if not (low < limit < high):
                place = _between(x, low, high, place)
                if place < 0:
                    return high
                limit = x[place]
        count = _up_to(x, limit)
        if count <= rank:
            low, below = limit, count
        elif is_pivot and _less_than(x, limit) <= rank:
            return limit
        else:
            high, upto = limit, count
    return _total(x, low, high)


@njit(nogil=True, cache=True, error_model="numpy")
def _up_to(x, limit):  # type: ignore[no-untyped-def]
    count = np.int32(0)
    for i in range(len(x)):
        count += np.int32(x[i] <= limit)
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _less_than(x, limit):  # type: ignore[no-untyped-def]
    count = np.int32(0)
    for i in range(len(x)):
        count += np.int32(x[i] < limit)
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _between(x, low, high, start):  # type: ignore[no-untyped-def]
    """Place of an observation strictly between the two, looked for from `start` on and round; −1 if there is none."""
    for i in range(len(x)):
        place = start + i if start + i < len(x) else start + i - len(x)
        if (x[place] > low) & (x[place] < high):
            return place
    return -1


# "reassoc" lets the compiler sum in vector lanes. A limit may be rounded; a single number's sum is that number.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _total(x, low, high):  # type: ignore[no-untyped-def]
    """Sum of the numbers in (low, high]."""
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] if (x[i] > low) & (x[i] <= high) else x.dtype.type(0)
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _least_above(x, limit):  # type: ignore[no-untyped-def]
    number = x.dtype.type
    least = np.full(LANES, number(np.inf))
    whole = len(x) - len(x) % LANES
    for start in range(0, whole, LANES):
        part = x[start : start + LANES]
        for i in range(LANES):
            value = part[i] if part[i] > limit else number(np.inf)
            least[i] = value if value < least[i] else least[i]
    for i in range(whole, len(x)):
        if limit < x[i] < least[0]:
            least[0] = x[i]
    return least.min()
