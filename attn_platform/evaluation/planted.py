"""How well the signals planted in a simulated market foretell the returns that a forecast is measured on.

On the stocks and sessions of the forecast, and against the same realised returns: the correlations of the composite are
what a forecast would have that knew every planted signal and its strength, so no other can be expected to have more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import correlation_series, mean_of_known
from attn_platform.evaluation.store import Predictions, planted_table
from attn_platform.market.lake import Lake

FIGURES = ("rank_ic_mean", "weighted_rank_ic_mean")


def write_planted_correlations(
    lake: Lake,
    predictions: Predictions,
    model: str,
    horizons: Sequence[str],
    table: str,
    names: Sequence[str],
    evaluation_horizon: int,
    config: EvaluationConfig,
) -> None:
    """Write `planted_correlations` on the forecasts of each horizon: horizon, signal, `FIGURES`."""
    rows = [
        {"horizon": horizon, "signal": name, **figures}
        for horizon in horizons
        for name, figures in planted_correlations(
            predictions, horizon, table, names, evaluation_horizon, config
        ).items()
    ]
    lake.write(planted_table(model), pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False))


def read_planted_correlations(lake: Lake, model: str, horizon: str) -> pd.DataFrame:
    """[signal] × `FIGURES` of one horizon; empty where none were written."""
    if not lake.has(planted_table(model)):
        return pd.DataFrame(columns=list(FIGURES))
    rows = lake.read(planted_table(model)).to_pandas()
    return rows[rows["horizon"] == horizon].set_index("signal")[list(FIGURES)].astype(float)


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
        found[name] = {figure: mean_of_known(series[figure.removesuffix("_mean")]) for figure in FIGURES}
    return found
