"""Daily returns common to all stocks: the whole market, size and BP, the regressors of the idiosyncratic volatility.

AI-69 and AI-55 name the three and do not say how they are built. Our choice: portfolios of all listed, non-suspended
stocks, weighted or sorted by the market value and book-to-price of the day before, so that none knows its own return.
"""

import numpy as np
from numba import njit

from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.medians import ranked

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


def market_return_by_float_value(r: FloatArray, float_mv_before: FloatArray) -> FloatArray:
    """Mean of r [T, N] weighted by the day before's float market value [T]; missing without any."""
    out = np.full(len(r), np.nan)
    for t, (returns, weights) in enumerate(zip(r, float_mv_before, strict=True)):
        known = np.isfinite(returns) & (weights > 0)
        if known.any():
            # Dropping the absent stocks before summing keeps the sum's order, and so its last bit, free of how many
            # columns the panel has.
            out[t] = np.sum(returns[known] * weights[known]) / np.sum(weights[known])
    return out


def third_spread(r: FloatArray, key_before: FloatArray) -> FloatArray:
    """Mean r of the third with the highest key less that of the third with the lowest [T]; equally weighted.

    A third is ⌊n / 3⌋ of the n stocks with r and a key; equal keys are ordered as the panel's columns are. Missing with
    fewer than three stocks.
    """
    out = np.full(len(r), np.nan)
    for t, (returns, keys) in enumerate(zip(r, key_before, strict=True)):
        known = np.isfinite(returns) & np.isfinite(keys)
        out[t] = _third_spread(returns[known], keys[known])
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _third_spread(returns, keys):  # type: ignore[no-untyped-def]
    third = len(keys) // GROUPS
    if third == 0:
        return np.nan
    # Two keys are the borders of the thirds: to select them is several times faster than to sort all.
    low, high = ranked(keys, len(keys), third - 1), ranked(keys, len(keys), len(keys) - third)
    below, above = 0, 0
    for i in range(len(keys)):
        below += 1 if keys[i] < low else 0
        above += 1 if keys[i] > high else 0
    # Of the stocks on a border the first columns belong to the lowest third, the last ones to the highest.
    lowest, missing = 0.0, third - below
    for i in range(len(keys)):
        if keys[i] < low or (keys[i] == low and missing > 0):
            lowest += returns[i]
            missing -= 1 if keys[i] == low else 0
    highest, missing = 0.0, third - above
    for i in range(len(keys) - 1, -1, -1):
        if keys[i] > high or (keys[i] == high and missing > 0):
            highest += returns[i]
            missing -= 1 if keys[i] == high else 0
    return (highest - lowest) / third
