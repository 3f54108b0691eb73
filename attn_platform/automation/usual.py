"""Whether a new value lies within the band of its history: turnover, exposures, a model's RankIC. Our choice.

A band is the range between two quantiles of the history, widened by a share of its width: the tails of a short history
are not known. A history that is too short has no band, and nothing is unusual beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attn_platform.automation.configuration import UsualConfig

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """The range of what is usual."""

    lower: float
    upper: float

    def holds(self, value: float) -> bool:
        """Whether a value is usual; a missing one is."""
        return bool(np.isnan(value) or self.lower <= value <= self.upper)


def band(history: FloatArray, config: UsualConfig) -> Band | None:
    """The band of a history [T], of its known values; None where there are fewer than `least_history`."""
    known = history[np.isfinite(history)]
    if len(known) < config.least_history:
        return None
    lower, upper = np.quantile(known, [config.tail, 1.0 - config.tail])
    margin = max(config.widened_by * (upper - lower), config.rounding)
    return Band(float(lower - margin), float(upper + margin))


def newest_mean(series: FloatArray, config: UsualConfig) -> tuple[float, Band | None]:
    """Mean of the last `mean_sessions` values of a series [T], and the band of such means before them.

    The means of the history share no value with the last one. Missing values do not count; a mean needs half of them.
    """
    length = config.mean_sessions
    if len(series) < length:
        return float("nan"), None
    windows = np.lib.stride_tricks.sliding_window_view(series, length)
    counts = np.isfinite(windows).sum(axis=1)
    means = np.divide(np.nansum(windows, axis=1), counts, out=np.full(len(windows), np.nan), where=counts * 2 >= length)
    return float(means[-1]), band(means[:-length], config)
