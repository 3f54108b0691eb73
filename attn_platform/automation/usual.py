"""Whether a new value lies within the band of its history: turnover, exposures, a model's RankIC. Our choice.

A band of figures by the week is the range between two quantiles of the history, widened by a share of its width: the
tails of a short history are not known. That of a model's RankIC says how often it is left by chance. A history that is
too short has no band, and nothing is unusual beside it.
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
    """Mean of the last `mean_sessions` values of a series [T], and the band of such a mean where nothing has changed.

    The series is cut from its end into means of as many sessions; Student's prediction interval for one more of them,
    between the quantiles of the configuration, is the band. It is as wide as the history is short, and neighbours in
    the series may depend on each other, as returns over several sessions do, as long as the means hardly do. Missing
    values do not count; a mean needs half of them. None where there are fewer than `least_means` before the last.
    """
    from scipy.special import stdtrit  # half a second, which definitions need not wait for

    length = config.mean_sessions
    count = len(series) // length
    if count == 0:
        return float("nan"), None
    pieces = series[len(series) - count * length :].reshape(count, length)
    known = np.isfinite(pieces).sum(axis=1)
    sums = np.where(np.isfinite(pieces), pieces, 0.0).sum(axis=1)
    means = np.divide(sums, known, out=np.full(count, np.nan), where=known * 2 >= length)
    history = means[:-1][np.isfinite(means[:-1])]
    if len(history) < config.least_means:
        return float(means[-1]), None
    spread = float(history.std(ddof=1)) * np.sqrt(1.0 + 1.0 / len(history))
    lower, upper = stdtrit(len(history) - 1, np.array([config.rank_ic_lower, config.rank_ic_upper])) * spread
    center = float(history.mean())
    return float(means[-1]), Band(
        center + min(float(lower), -config.rounding), center + max(float(upper), config.rounding)
    )
