"""Daily returns common to all stocks: the whole market, size and BP, the regressors of the idiosyncratic volatility.

AI-69 and AI-55 name the three and do not say how they are built. Our choice: portfolios of all listed, non-suspended
stocks, weighted or sorted by the market value and book-to-price of the day before, so that none knows its own return.
"""

import numpy as np

from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.medians import observations, ranked
from attn_platform.jit import njit

GROUPS = 3  # thirds
FIELDS = ("is_suspended", "close", "adj_factor", "total_mv", "float_mv", "pb_lf")


def common_returns(x: FactorInputs, index_return: FloatArray | None = None) -> FloatArray:
    """Daily returns of the whole market, the size factor and the BP factor [T, 3], of all stocks in `x`.

    The market's return is that of the index, `index_return` [T]; where that is not given or missing, the
    float-value-weighted return of all stocks. The first row, without a day before, is missing but for the index.
    """
    if "float_mv" in x.market.fields:
        market = market_return_by_float_value(x.r, lag(x.field("float_mv"), 1))
    else:
        market = np.full(len(x.r), np.nan)
    if index_return is not None:
        market = np.where(np.isnan(index_return), market, index_return)
    size = -third_spread(x.r, lag(x.field("total_mv"), 1))
    bp = third_spread(x.r, lag(ratio(1.0, x.field("pb_lf")), 1))
    return np.column_stack([market, size, bp])


@njit(nogil=True, cache=True, error_model="numpy")
def market_return_by_float_value(r, float_mv_before):  # type: ignore[no-untyped-def]
    """Mean of r [T, N] weighted by the day before's float market value [T]; missing without any.

    Summed column by column, so that a stock that is not there does not change the last bit.
    """
    out = np.empty(len(r))
    for t in range(len(r)):
        weighted, weights = 0.0, 0.0
        for j in range(r.shape[1]):
            if abs(r[t, j]) < np.inf and 0 < float_mv_before[t, j] < np.inf:
                weighted += r[t, j] * float_mv_before[t, j]
                weights += float_mv_before[t, j]
        out[t] = weighted / weights
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def third_spread(r, key_before):  # type: ignore[no-untyped-def]
    """Mean r of the third with the highest key less that of the third with the lowest [T]; equally weighted.

    A third is ⌊n / 3⌋ of the n stocks with r and a key; equal keys are ordered as the panel's columns are. Missing with
    fewer than three stocks.
    """
    out = np.full(len(r), np.nan)
    keys = np.empty(r.shape[1])
    for t in range(len(r)):
        for j in range(len(keys)):
            keys[j] = key_before[t, j] if abs(r[t, j]) + abs(key_before[t, j]) < np.inf else np.nan
        n = observations(keys)
        third = n // GROUPS
        if third > 0:
            # Two keys are the borders of the thirds: to select them is several times faster than to sort all.
            low, high = ranked(keys, n, third - 1), ranked(keys, n, n - third)
            lowest = _sum_of_lowest(r[t], keys, low, third)
            highest = _sum_of_lowest(r[t][::-1], -keys[::-1], -high, third)
            out[t] = (highest - lowest) / third
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_lowest(r, keys, border, wanted):  # type: ignore[no-untyped-def]
    """Sum of r over the `wanted` stocks with the lowest keys; of those on the border the first columns count."""
    on_border = wanted
    for j in range(len(keys)):
        on_border -= 1 if keys[j] < border else 0
    total = 0.0
    for j in range(len(keys)):
        if keys[j] < border or (keys[j] == border and on_border > 0):
            total += r[j]
            on_border -= 1 if keys[j] == border else 0
    return total
