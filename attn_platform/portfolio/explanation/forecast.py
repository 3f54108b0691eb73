"""Where a stock's forecast comes from: checkpoint and window, each seed's own forecast, and the factors it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform import training
from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.factors.catalogue import Catalogue
from attn_platform.factors.panel import families_of
from attn_platform.factors.store import family_table
from attn_platform.market.lake import Lake
from attn_platform.training.task import ModelTraining
from attn_platform.training.windows import window_holding


@dataclass(frozen=True)
class ForecastOrigin:
    """What made one model's forecast of one stock.

    `by_seed` are the forecasts of the seeds, whose mean is `forecast`. `factors` has a row a factor, the largest panel
    value first: factor, panel (pre-processed, as the model read it; the day's where it reads several) and raw.
    """

    model: str
    horizon: str
    checkpoint: Path
    window: str
    trained: str
    test: str
    fingerprint: str
    by_seed: Mapping[int, float]
    forecast: float
    panel: str
    factors: pd.DataFrame


def forecast_origin(
    task: ModelTraining, catalogue: Catalogue, session: np.datetime64, symbol: str, horizon: str
) -> ForecastOrigin:
    """Predict the session once more, seed by seed, with the checkpoint of the window that tests it.

    Raises CheckpointError where the window is not trained, or as another model, MissingDataError where the stock is not
    in the panel.
    """
    window = window_holding(task.calendar, task.windows, session)
    folder = task.directory / window.key
    if not folder.exists():
        raise CheckpointError(f"window {window.key} has no checkpoint in {task.directory}; train it again")
    if not len(task.lake.sessions(task.panel, session, session)):
        raise MissingDataError(f"'{task.panel}': {session} is missing; materialise the panel of that session first")
    checkpoint, samples = training.checkpoint_of(task, window.key), training.panel_samples(task, session, session)
    at = np.flatnonzero(samples.symbols == symbol)
    if not len(at):
        raise MissingDataError(f"{symbol} is not in '{task.panel}' on {session}; there is no forecast to trace")
    manifest = checkpoint.manifest
    of_tasks = training.predict_by_seed(checkpoint, samples)[:, at[0]]
    forecasts = (
        of_tasks[:, manifest.labels.index(horizon)] if horizon in manifest.labels else training.mean_of_tasks(of_tasks)
    )
    return ForecastOrigin(
        model=manifest.model,
        horizon=horizon,
        checkpoint=folder,
        window=window.key,
        trained=f"{manifest.window.train.first} to {manifest.window.valid.last}",
        test=f"{manifest.window.test.first} to {manifest.window.test.last}",
        fingerprint=manifest.fingerprint,
        by_seed={seed: float(value) for seed, value in zip(manifest.seeds, forecasts, strict=True)},
        forecast=float(forecasts.mean()),
        panel=task.panel,
        factors=_factors(task, catalogue, session, symbol),
    )


def _factors(task: ModelTraining, catalogue: Catalogue, session: np.datetime64, symbol: str) -> pd.DataFrame:
    features = list(task.features)
    raw: dict[str, float] = {}
    for family in families_of(features, catalogue):
        names = [definition.name for definition in catalogue.family(family) if definition.name in features]
        raw |= _row(task.lake, family_table(family), session, symbol, names)
    panel = _row(task.lake, task.panel, session, symbol, features)
    frame = pd.DataFrame(
        {
            "factor": features,
            "panel": [panel.get(name, np.nan) for name in features],
            "raw": [raw.get(name, np.nan) for name in features],
        }
    )
    return frame.sort_values("panel", key=abs, ascending=False, kind="stable", ignore_index=True)


def _row(lake: Lake, table: str, session: np.datetime64, symbol: str, names: list[str]) -> dict[str, float]:
    """Values of a stock in a table of the lake; none where it is not there."""
    try:
        rows = lake.read(table, session, session, ["symbol", *names]).to_pandas()
    except MissingDataError:
        return {}
    found = rows.loc[rows["symbol"] == symbol, names]
    return {str(name): float(value) for name, value in found.iloc[0].items()} if len(found) else {}
