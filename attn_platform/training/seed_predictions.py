"""Forecasts of each seed of a model, of which `prediction_<model>` keeps the mean only.

Table `seeds_<model>`, a file a session: date, symbol, and a column `<horizon>_seed_<seed>` a seed and task. They take
as long as the forecasts themselves, so they are made for the sessions that are asked for, and once: those whose
mean is no longer the model's forecast are made again.
"""

from __future__ import annotations

import numpy as np

from attn_platform.market.lake import from_columns
from attn_platform.training.task import ModelTraining
from attn_platform.training.windows import window_holding

# Float32 means of the same numbers, taken by other code.
ROUNDING = 1e-5


def seeds_table(model: str) -> str:
    """Table and asset of the forecasts of each seed of a model."""
    return f"seeds_{model}"


def seed_column(horizon: str, seed: int) -> str:
    """Column of one seed's forecasts of one task."""
    return f"{horizon}_seed_{seed}"


def write_seed_predictions(task: ModelTraining, sessions: np.ndarray, predictions: str) -> np.ndarray:
    """Forecast those of ascending `sessions` that table `seeds_<model>` lacks or has of another model; returns them.

    `predictions` is the table of the model's forecasts. `CheckpointError` where a window's checkpoint is missing or
    another model's.
    """
    # Definitions of a home ask for the table's name, and load no torch.
    from attn_platform.training.prediction import predict_by_seed
    from attn_platform.training.window_training import checkpoint_of, panel_samples

    table = seeds_table(task.model)
    lacking = sessions[[not _is_current(task, table, predictions, session) for session in sessions]]
    keys = np.array([window_holding(task.calendar, task.windows, session).key for session in lacking], dtype=str)
    for key in np.unique(keys).tolist():
        checkpoint, chosen = checkpoint_of(task, key), lacking[keys == key]
        for session in chosen:
            samples = panel_samples(task, session, session)
            forecasts = predict_by_seed(checkpoint, samples)
            columns = {
                seed_column(horizon, seed): forecasts[place, :, number]
                for place, seed in enumerate(checkpoint.manifest.seeds)
                for number, horizon in enumerate(checkpoint.manifest.labels)
            }
            rows = from_columns({"date": samples.sample_sessions(), "symbol": samples.symbols, **columns})
            task.lake.write_sessions(table, rows, [session])
    return lacking


def _is_current(task: ModelTraining, table: str, predictions: str, session: np.datetime64) -> bool:
    """Whether the seeds' mean of a session is the model's forecast."""
    if not task.lake.path(table, session).exists():
        return False
    held = task.lake.read(table, session, session).to_pandas()
    stored = task.lake.read(predictions, session, session).to_pandas()
    horizon = f"{task.labels.horizons[0]}d"
    columns = [seed_column(horizon, seed) for seed in task.seeds]
    if not set(columns) <= set(held.columns) or not held["symbol"].equals(stored["symbol"]):
        return False
    return bool(np.allclose(held[columns].mean(axis=1), stored[horizon], rtol=ROUNDING, atol=ROUNDING))
