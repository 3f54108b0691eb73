"""Explanations of a model's newest predicted session, made and kept in the lake (`explanation_tables`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.evaluation.attribution import explain_session, explain_stock
from attn_platform.evaluation.config import ExplanationConfig
from attn_platform.evaluation.explanation import SessionExplanation, StockExplanation, group_attention
from attn_platform.evaluation.explanation_tables import (
    ATTENTION,
    FACTORS,
    PART_PREFIX,
    SECTORS,
    STEPS,
    STOCKS,
    TASKS,
    UNKNOWN_SECTOR,
    explanation_table,
)
from attn_platform.market.lake import Lake
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.samples import Samples
from attn_platform.training.task import ModelTraining
from attn_platform.training.window_training import checkpoint_of, panel_samples
from attn_platform.training.windows import window_holding
from attn_platform.universe.store import ADJACENCY, year_of


def explained_session(
    task: ModelTraining, session: np.datetime64, horizon: str, config: ExplanationConfig
) -> dict[str, pd.DataFrame]:
    """The tables' rows of one session and horizon, by part; the checkpoint is that of the window which tests it.

    Raises CheckpointError for an untrained window, for one of another model and for trees, MissingDataError for a
    session without a panel.
    """
    checkpoint, samples = _inputs(task, session)
    explanation = explain_session(checkpoint, samples, horizon, config)
    sectors = _sectors(task.lake, samples)
    frames = {
        STOCKS: _stocks(explanation, sectors),
        FACTORS: _factors(explanation),
        ATTENTION: pd.DataFrame(
            _attention(explanation, checkpoint.manifest.labels, sectors),
            columns=["kind", "attending", "attended", "weight"],
        ),
    }
    for part, frame in frames.items():
        frame.insert(0, "date", pd.Timestamp(session))
        if part != ATTENTION:  # the network's, whatever horizon is read from it
            frame.insert(1, "horizon", horizon)
    return frames


def explained_stock(
    task: ModelTraining, session: np.datetime64, symbol: str, horizon: str, config: ExplanationConfig
) -> StockExplanation:
    """What gives one stock's forecast on a session; errors as `explained_session`, and if it is not in the panel."""
    checkpoint, samples = _inputs(task, session)
    return explain_stock(checkpoint, samples, symbol, horizon, config)


def write_explanation(
    task: ModelTraining, session: np.datetime64, horizons: Sequence[str], config: ExplanationConfig
) -> dict[str, pd.DataFrame]:
    """Explain a session for each horizon and write the tables in place of older ones; returns them by part."""
    of_horizons = [explained_session(task, session, horizon, config) for horizon in horizons]
    frames = {part: pd.concat([frames[part] for frames in of_horizons]) for part in (STOCKS, FACTORS)}
    frames[ATTENTION] = of_horizons[0][ATTENTION]
    for part, frame in frames.items():
        table = pa.Table.from_pandas(frame.assign(date=frame["date"].dt.date), preserve_index=False)
        task.lake.write(explanation_table(task.model, part), table)
    return frames


def _inputs(task: ModelTraining, session: np.datetime64) -> tuple[Checkpoint, Samples]:
    window = window_holding(task.calendar, task.windows, session)
    if not (task.directory / window.key).exists():
        raise CheckpointError(f"window {window.key} has no checkpoint in {task.directory}; train it before explaining")
    if not len(task.lake.sessions(task.panel, session, session)):
        raise MissingDataError(f"'{task.panel}' lacks {session}; materialise the panel of that session first")
    return checkpoint_of(task, window.key), panel_samples(task, session, session)


def _sectors(lake: Lake, samples: Samples) -> np.ndarray:
    """Name of each stock's sector by the adjacency in force [M]."""
    year = year_of(samples.sessions[0])
    if not lake.path(ADJACENCY, year).exists():
        return np.full(len(samples), UNKNOWN_SECTOR)
    table = lake.read(ADJACENCY, year, year, ["symbol", "sector"]).to_pandas().set_index("symbol")
    return table["sector"].reindex(samples.symbols).fillna(UNKNOWN_SECTOR).to_numpy(dtype=np.str_)


def _stocks(explanation: SessionExplanation, sectors: np.ndarray) -> pd.DataFrame:
    parts = {f"{PART_PREFIX}{name}": values for name, values in explanation.parts.items()}
    return pd.DataFrame({"symbol": explanation.symbols, "sector": sectors, "forecast": explanation.forecast, **parts})


def _factors(explanation: SessionExplanation) -> pd.DataFrame:
    """Sums over the stocks [L, F], one row a step and factor."""
    share, absolute = explanation.attributions.sum(axis=0), np.abs(explanation.attributions).sum(axis=0)
    steps, factors = share.shape
    return pd.DataFrame(
        {
            "factor": np.tile(explanation.feature_names, steps),
            "step": np.repeat(np.arange(1 - steps, 1), factors),
            "share": share.ravel(),
            "absolute_share": absolute.ravel(),
        }
    )


def _attention(
    explanation: SessionExplanation, tasks: Sequence[str], sectors: np.ndarray
) -> Iterator[tuple[str, str, str, float]]:
    attention = explanation.attention
    if TASKS in attention:
        yield from _long(TASKS, tasks, tasks, attention[TASKS])
    if STEPS in attention:
        steps = len(attention[STEPS])
        yield from _long(STEPS, ["0"], [str(step) for step in range(1 - steps, 1)], attention[STEPS][np.newaxis])
    # Attention to neighbours stays within sectors, where its mean is that of equal weights whatever they are
    if STOCKS in attention:
        names, weights = group_attention(attention[STOCKS], sectors)
        yield from _long(SECTORS, names.tolist(), names.tolist(), weights)


def _long(
    kind: str, rows: Sequence[str], columns: Sequence[str], weights: np.ndarray
) -> Iterator[tuple[str, str, str, float]]:
    for row, of_row in zip(rows, weights, strict=True):
        for column, weight in zip(columns, of_row, strict=True):
            yield kind, str(row), str(column), float(weight)
