"""One rolling window from the lake: samples of train and validation, training, checkpoint, predictions.

Nothing after the window's last validation session is read to train it. Purge and labels: AI-55's worked example (the
last horizon + 1 sessions of train and of validation are dropped).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.models.networks.base import NetworkConfig
from attn_platform.training.checkpoints import (
    Checkpoint,
    CheckpointWindow,
    SessionRange,
    load_checkpoint,
    manifest_of,
    save_checkpoint,
)
from attn_platform.training.config import TrainingConfig
from attn_platform.training.labels import LabelConfig, label_prices, training_labels
from attn_platform.training.prediction import mean_of_tasks, predict
from attn_platform.training.samples import CrossSections
from attn_platform.training.trainer import train
from attn_platform.training.windows import Window, WindowConfig, window_holding

logger = logging.getLogger(__name__)

PRICE_FIELDS = ("close", "vwap", "adj_factor", "is_suspended")


def window_samples(
    lake: Lake, calendar: Calendar, panel: str, window: Window, features: Sequence[str], labels: LabelConfig
) -> tuple[CrossSections, CrossSections]:
    """Purged and labelled cross-sections of the window's training and validation sets.

    Reads the panel and the prices up to the last validation session, no further.
    """
    wanted = calendar.between(window.train_first, window.valid_last)
    _require_panel(lake, panel, wanted, f"window {window.key} trains")
    samples = panel_cross_sections(lake, panel, wanted[0], wanted[-1], features)
    market = load_dense(lake, calendar, wanted[0], wanted[-1], PRICE_FIELDS)
    targets = training_labels(label_prices(market, labels), _membership(samples, market), labels)
    names = [f"{horizon}d" for horizon in labels.horizons]
    labelled = samples.with_labels(names, market.sessions, market.symbols, targets)
    return tuple(
        labelled.between(first, calendar.shift(last, -labels.purge_length)).trainable()
        for first, last in ((window.train_first, window.train_last), (window.valid_first, window.valid_last))
    )  # type: ignore[return-value]


def panel_cross_sections(
    lake: Lake, panel: str, first: np.datetime64, last: np.datetime64, features: Sequence[str]
) -> CrossSections:
    """The panel's cross-sections from `first` to `last`, without labels."""
    frame = lake.read(panel, first, last, ["date", "symbol", *features]).to_pandas(
        split_blocks=True, self_destruct=True
    )
    return CrossSections.from_frame(frame.assign(date=pd.to_datetime(frame["date"])), features)


def train_window(
    lake: Lake,
    calendar: Calendar,
    panel: str,
    window: Window,
    model: str,
    network: NetworkConfig,
    labels: LabelConfig,
    training: TrainingConfig,
    seeds: Sequence[int],
    features: Sequence[str],
    preprocessing_fingerprint: str,
    directory: Path,
) -> Checkpoint:
    """Train all seeds on a window, write the checkpoint to `directory` and return it."""
    training_set, validation_set = window_samples(lake, calendar, panel, window, features, labels)
    logger.info(
        "window %s: %d sessions to train on, %d to validate on, %d stocks a session",
        window.key, len(training_set.sessions), len(validation_set.sessions),
        len(training_set.symbols) // len(training_set.sessions),
    )  # fmt: skip
    result = train(network, training_set, validation_set, training, seeds)
    manifest = manifest_of(
        result,
        model=model,
        window=CheckpointWindow(
            train=_range(window.train_first, window.train_last),
            valid=_range(window.valid_first, window.valid_last),
            test=_range(window.test_first, window.test_last),
            purge=labels.purge_length,
        ),
        preprocessing_fingerprint=preprocessing_fingerprint,
        data_fingerprint=samples_fingerprint(training_set, validation_set),
    )
    save_checkpoint(directory, result.weights, manifest)
    return Checkpoint(result.weights, manifest)


def samples_fingerprint(*sets: CrossSections) -> str:
    """Hash over sessions, symbols, features and labels: changes when any number that was trained on does."""
    digest = hashlib.blake2b(digest_size=16)
    for samples in sets:
        for array in (samples.sessions, samples.offsets, samples.symbols, samples.features, samples.labels):
            digest.update(str(array.dtype).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write_predictions(
    lake: Lake,
    calendar: Calendar,
    panel: str,
    sessions: np.ndarray,
    windows: WindowConfig,
    checkpoints: Path,
    features: Sequence[str],
    table: str,
) -> dict[str, str]:
    """Predict each session with the checkpoint of the window that tests it, and write them.

    Columns: date, symbol, one a task, and their equal mean where there are several ('10d+20d'). Returns the window of
    each session. `CheckpointError` names the window that has not been trained, `MissingDataError` the session without
    a panel; nothing is written then.
    """
    _require_panel(lake, panel, sessions, "predictions are asked for")
    used: dict[str, str] = {}
    keys = np.array([window_holding(calendar, windows, session).key for session in sessions])
    untrained = [key for key in np.unique(keys) if not (checkpoints / key).exists()]
    if untrained:
        raise CheckpointError(f"window {untrained[0]} has no checkpoint in {checkpoints}; train it before predicting")
    for key in np.unique(keys):
        chosen = sessions[keys == key]
        checkpoint = load_checkpoint(checkpoints / key)
        samples = panel_cross_sections(lake, panel, chosen[0], chosen[-1], features)
        predictions = predict(checkpoint, samples)
        columns = {name: predictions[:, task] for task, name in enumerate(checkpoint.manifest.labels)}
        if len(columns) > 1:
            columns["+".join(columns)] = mean_of_tasks(predictions)
        date = np.repeat(samples.sessions, np.diff(samples.offsets))
        lake.write_sessions(table, from_columns({"date": date, "symbol": samples.symbols, **columns}), chosen)
        used.update({str(session): str(key) for session in chosen})
    return used


def _require_panel(lake: Lake, panel: str, sessions: np.ndarray, purpose: str) -> None:
    absent = np.setdiff1d(sessions, lake.sessions(panel))
    if len(absent):
        raise MissingDataError(
            f"{purpose} on {sessions[0]} to {sessions[-1]}, but '{panel}' lacks {absent[0]} and {len(absent) - 1} more "
            "sessions; materialise the panel over that range first"
        )


def _membership(samples: CrossSections, market: DenseMarket) -> np.ndarray:
    """[T, N] bool over the market's sessions and stocks: who is in the samples' cross-section."""
    inside = np.zeros(market.shape, dtype=bool)
    row = np.repeat(np.searchsorted(market.sessions, samples.sessions), np.diff(samples.offsets))
    inside[row, np.searchsorted(market.symbols, samples.symbols)] = True
    return inside


def _range(first: np.datetime64, last: np.datetime64) -> SessionRange:
    return SessionRange(first=first.item(), last=last.item())
