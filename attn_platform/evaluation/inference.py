"""Whether the mean of a series over time differs from 0: plain t-values, and those of Newey and West."""

import numpy as np

from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.market.tolerance import is_constant


def t_value(series: FloatArray, overlap: int = 0) -> float:
    """t-value of the mean of a series [T]; NaN sessions do not count, and a series that is constant up to
    rounding has none.

    With `overlap` = L > 0 the variance is that of Newey and West (1987), γ_0 + 2 Σ (1 − l / (L + 1)) γ_l for l = 1 … L,
    where γ_l is the autocovariance at l sessions (pairs with a missing one give nothing). Returns over h sessions,
    measured every session, overlap in h − 1 of them. γ is scaled by n / (n − 1), so that without overlap the value is
    the plain one, mean / (s / √n).
    """
    known = np.isfinite(series)
    count = int(known.sum())
    if is_constant(series[known]):
        return float("nan")
    mean = series[known].mean()
    deviation = np.where(known, series - mean, 0.0)
    variance = deviation @ deviation
    for lag in range(1, min(overlap, len(series) - 1) + 1):
        variance += 2 * (1 - lag / (overlap + 1)) * (deviation[lag:] @ deviation[:-lag])
    variance /= count - 1
    return float(mean / np.sqrt(variance / count)) if variance > 0 else float("nan")
