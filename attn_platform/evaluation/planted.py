"""How well the signals planted in a simulated market foretell the returns that a forecast is measured on.

On the stocks and sessions of the forecast, and against the same realised returns: the correlations of the composite are
what a forecast would have that knew every planted signal and its strength, so no other can be expected to have more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import correlation_series, mean_of_known
from attn_platform.evaluation.store import Predictions


def planted_correlations(
    predictions: Predictions,
    horizon: str,
    table: str,
    names: Sequence[str],
    evaluation_horizon: int,
    config: EvaluationConfig,
) -> dict[str, dict[str, float]]:
    """For each name rank_ic_mean and weighted_rank_ic_mean over the sessions; NaN where no session has any.

    `names` are the columns of the lake's `table` (date, symbol, signals); realised returns are those over
    `evaluation_horizon` sessions.
    """
    forecast = np.isfinite(predictions.dense(horizon))
    realised = predictions.returns(evaluation_horizon)
    found = {}
    for name in names:
        signal = np.where(forecast, predictions.aligned(table, name), np.nan)
        series = correlation_series(signal, realised, config)
        found[name] = {f"{figure}_mean": mean_of_known(series[figure]) for figure in ("rank_ic", "weighted_rank_ic")}
    return found
