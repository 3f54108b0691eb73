"""Daily returns common to all stocks: the whole market, size and BP, the regressors of the idiosyncratic volatility.

AI-69 and AI-55 name the three and do not say how they are built. Our choice: portfolios of all listed, non-suspended
stocks, weighted or sorted by the market value and book-to-price of the day before, so that none knows its own return.
"""

import numpy as np

from attn_platform.factors.kernels import FloatArray

GROUPS = 3  # thirds


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
        third = np.count_nonzero(known) // GROUPS
        if third:
            ordered = returns[known][np.argsort(keys[known], kind="stable")]
            out[t] = np.mean(ordered[-third:]) - np.mean(ordered[:third])
    return out
