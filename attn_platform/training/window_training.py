"""Rolling windows from the lake: samples of train and validation, training, checkpoints, predictions.

Nothing after a window's last validation session is read to train it, and nothing before its first training session:
samples of L steps begin L − 1 sessions later. Purge and labels: AI-55's worked example (the last horizon + 1 sessions
of train and of validation are dropped).
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from attn_platform.errors import CheckpointError, MissingDataError, PlatformError
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import from_columns
from attn_platform.market.origins import require_origins
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.models.history import SeedHistory
from attn_platform.models.losses import row_weights
from attn_platform.models.trees import TreeSamples, fit_trees
from attn_platform.training.checkpoints import (
    Checkpoint,
    load_checkpoint,
    manifest_of,
    save_checkpoint,
)
from attn_platform.training.device import peak_memory_bytes, resolve_device
from attn_platform.training.fingerprints import content_fingerprint, samples_fingerprint
from attn_platform.training.labels import label_prices, training_labels
from attn_platform.training.manifest import CheckpointWindow, SessionRange
from attn_platform.training.neighbours import with_neighbours
from attn_platform.training.panel_array import panel_array
from attn_platform.training.prediction import mean_of_tasks, predict
from attn_platform.training.samples import Samples
from attn_platform.training.setting import StartingWeights, WindowSamples
from attn_platform.training.task import PRICE_FIELDS, ModelTraining
from attn_platform.training.trainer import TrainingResult, train_together
from attn_platform.training.windows import Window, window_holding

logger = logging.getLogger(__name__)


def window_samples(task: ModelTraining, window: Window) -> tuple[Samples, Samples]:
    """Purged and labelled samples of the window's training and validation sets.

    Reads panel and prices from the first training to the last validation session, no further.
    """
    lake, calendar, labels = task.lake, task.calendar, task.labels
    wanted = calendar.between(window.train_first, window.valid_last)
    _require_panel(task, wanted, f"window {window.key} trains")
    steps = task.network.sample_steps
    array = panel_array(task.arrays, lake, task.panel, wanted, task.features, steps)
    samples = Samples.from_array(array, wanted[steps - 1], wanted[-1], task.features, steps)
    market = load_dense(lake, calendar, wanted[0], wanted[-1], PRICE_FIELDS)
    targets = training_labels(label_prices(market, labels), _membership(samples, market), labels)
    names = [f"{horizon}d" for horizon in labels.horizons]
    labelled = samples.with_labels(names, market.sessions, market.symbols, targets)
    if task.network.neighbours is not None:
        labelled = with_neighbours(labelled, lake, task.network.neighbours)
    train, valid = (
        labelled.between(first, calendar.shift(last, -labels.purge_length)).trainable()
        for first, last in ((window.train_first, window.train_last), (window.valid_first, window.valid_last))
    )
    return train, valid


def train_windows(
    task: ModelTraining, windows: Sequence[Window], progress: bool = True
) -> dict[str, Checkpoint | PlatformError]:
    """Train all seeds on each window and write the checkpoints; by window key, the checkpoint or what was in its way.

    Windows are trained together, on one axis with the seeds, or one by one where each starts from the one before it.
    A window that cannot be trained leaves the others as they are.
    """
    if isinstance(task.network, XGBoostConfig) or task.training.warm_start:
        parts = [[window] for window in windows]
    else:
        parts = [list(windows)]
    return {key: outcome for part in parts for key, outcome in _train_part(task, part, progress).items()}


def _train_part(
    task: ModelTraining, windows: Sequence[Window], progress: bool
) -> dict[str, Checkpoint | PlatformError]:
    outcomes: dict[str, Checkpoint | PlatformError] = {}
    samples: dict[Window, WindowSamples] = {}
    origins: dict[Window, str | None] = {}
    for window in windows:
        try:
            train, valid = window_samples(task, window)
            start, origins[window] = _earlier_weights(task, window)
        except PlatformError as error:
            outcomes[window.key] = error
            continue
        logger.info(
            "window %s: %d sessions to train on, %d to validate on, %d stocks a session",
            window.key, len(train.sessions), len(valid.sessions), len(train) // len(train.sessions),
        )  # fmt: skip
        samples[window] = WindowSamples(train, valid, start, task.curves and task.curves / window.key)
    if not samples:
        return outcomes
    state = task.directory / f".training-{content_fingerprint([window.key for window in samples])[:16]}"
    try:
        results = _fit(task, list(samples.values()), progress, state)
    except PlatformError as error:
        return outcomes | dict.fromkeys((window.key for window in samples), error)
    for (window, of_window), result in zip(samples.items(), results, strict=True):
        if isinstance(result, PlatformError):
            outcomes[window.key] = result
            continue
        manifest = manifest_of(
            result,
            model=task.model,
            window=CheckpointWindow(
                train=_range(window.train_first, window.train_last),
                valid=_range(window.valid_first, window.valid_last),
                test=_range(window.test_first, window.test_last),
                purge=task.labels.purge_length,
            ),
            preprocessing_fingerprint=task.preprocessing_fingerprint,
            data_fingerprint=samples_fingerprint(of_window.train, of_window.valid),
            identity=task.identity,
            warm_started_from=origins[window],
        )
        save_checkpoint(task.directory / window.key, result.weights, manifest)
        outcomes[window.key] = Checkpoint(result.weights, manifest)
    shutil.rmtree(state, ignore_errors=True)
    return outcomes


def _fit(
    task: ModelTraining, windows: Sequence[WindowSamples], progress: bool, state: Path
) -> Sequence[TrainingResult | PlatformError]:
    """Networks by gradient descent, trees by boosting."""
    if isinstance(task.network, XGBoostConfig):
        return [_fit_trees(task, task.network, window, progress) for window in windows]
    return train_together(task.network, windows, task.training, task.seeds, progress, state)


def _fit_trees(task: ModelTraining, config: XGBoostConfig, window: WindowSamples, progress: bool) -> TrainingResult:
    started = time.perf_counter()
    every = task.training.sessions_every
    boosters: dict[str, Tensor] = {}
    histories: list[SeedHistory] = []
    valid = _tree_samples(task, window.valid)
    # Seeds that train on the same sessions share them
    for group in dict.fromkeys(seed % every for seed in task.seeds):
        seeds = [seed for seed in task.seeds if seed % every == group]
        train = _tree_samples(task, window.train.of_seed(group, every))
        fitted, of_group = fit_trees(config, train, valid, seeds, task.training.threads, progress)
        boosters |= fitted
        histories += of_group
    return TrainingResult(
        network_config=config,
        training_config=task.training,
        feature_names=window.train.feature_names,
        label_names=window.train.label_names,
        seeds=task.seeds,
        weights=boosters,
        histories=tuple(sorted(histories, key=lambda history: task.seeds.index(history.seed))),
        device="cpu",
        precision="float32",
        seconds=time.perf_counter() - started,
        peak_memory_bytes=peak_memory_bytes(resolve_device("cpu")),
    )


def _tree_samples(task: ModelTraining, samples: Samples) -> TreeSamples:
    return TreeSamples(
        samples.features(),
        samples.labels[:, 0],
        row_weights(samples.labels, samples.offsets, task.training.loss)[:, 0],
        samples.offsets,
    )


def _earlier_weights(task: ModelTraining, window: Window) -> tuple[StartingWeights | None, str | None]:
    """Weights of the window before, where the model starts warm and that one is trained; and that window's key.

    `CheckpointError` where that one is not of the model that is trained now.
    """
    if not task.training.warm_start or isinstance(task.network, XGBoostConfig):
        return None, None
    position = task.calendar.position(window.test_first) - task.windows.test
    key = str(task.calendar.sessions[position]) if position >= 0 else ""
    if not key or not (task.directory / key).exists():
        return None, None
    earlier = checkpoint_of(task, key)
    return StartingWeights(earlier.manifest.seeds, earlier.weights), key


def checkpoint_of(task: ModelTraining, key: str) -> Checkpoint:
    """The checkpoint of a window; `CheckpointError` where it is missing, damaged, or not what `task` describes."""
    checkpoint = load_checkpoint(task.directory / key)
    checkpoint.manifest.require_identity(task.identity, task.preprocessing_fingerprint)
    return checkpoint


def write_predictions(task: ModelTraining, sessions: np.ndarray, table: str) -> dict[str, str]:
    """Predict each session with the checkpoint of the window that tests it, and write them.

    Columns: date, symbol, one a task, and their equal mean where there are several ('10d+20d'). Returns the window of
    each session. `CheckpointError` names the window that has not been trained, or was trained as another model,
    `MissingDataError` the session without a panel, `StaleDataError` one with a panel of other factors; nothing is
    written then.
    """
    lake, calendar, checkpoints = task.lake, task.calendar, task.directory
    steps = task.network.sample_steps
    used: dict[str, str] = {}
    keys = np.array([window_holding(calendar, task.windows, session).key for session in sessions])
    untrained = [key for key in np.unique(keys) if not (checkpoints / key).exists()]
    if untrained:
        raise CheckpointError(f"window {untrained[0]} has no checkpoint in {checkpoints}; train it before predicting")
    trained = {key: checkpoint_of(task, key) for key in np.unique(keys).tolist()}
    reading = calendar.between(calendar.shift(sessions[0], 1 - steps), sessions[-1])
    _require_panel(task, reading if steps > 1 else sessions, "predictions are asked for")
    for key, checkpoint in trained.items():
        chosen = sessions[keys == key]
        samples = panel_samples(task, chosen[0], chosen[-1])
        predictions = predict(checkpoint, samples)
        columns = {name: predictions[:, number] for number, name in enumerate(checkpoint.manifest.labels)}
        if len(columns) > 1:
            columns["+".join(columns)] = mean_of_tasks(predictions)
        frame = {"date": samples.sample_sessions(), "symbol": samples.symbols, **columns}
        lake.write_sessions(table, from_columns(frame), chosen)
        used.update({str(session): str(key) for session in chosen})
    return used


def panel_samples(task: ModelTraining, first: np.datetime64, last: np.datetime64) -> Samples:
    """Samples of the sessions from `first` to `last`, without labels, straight from the lake."""
    steps = task.network.sample_steps
    sessions = task.calendar.between(task.calendar.shift(first, 1 - steps), last)
    rows = task.lake.read(task.panel, sessions[0], last, ["date", "symbol", *task.features])
    frame = rows.to_pandas(split_blocks=True, self_destruct=True)
    frame["date"] = pd.to_datetime(frame["date"])
    samples = Samples.from_frame(frame, task.features, sessions, steps).between(first, last)
    return samples if task.network.neighbours is None else with_neighbours(samples, task.lake, task.network.neighbours)


def _require_panel(task: ModelTraining, sessions: np.ndarray, purpose: str) -> None:
    """Errors where the model's panel lacks a session, or has one that was made by other factors or rules."""
    absent = np.setdiff1d(sessions, task.lake.sessions(task.panel))
    if len(absent):
        raise MissingDataError(
            f"{purpose} on {sessions[0]} to {sessions[-1]}, but '{task.panel}' lacks {absent[0]} and {len(absent) - 1} "
            "more sessions; materialise the panel over that range first"
        )
    require_origins(task.lake, task.panel, sessions, task.identity.origins(), after="its factor families")


def _membership(samples: Samples, market: DenseMarket) -> np.ndarray:
    """[T, N] bool over the market's sessions and stocks: who is in the samples' cross-section."""
    inside = np.zeros(market.shape, dtype=bool)
    row = np.searchsorted(market.sessions, samples.sample_sessions())
    inside[row, np.searchsorted(market.symbols, samples.symbols)] = True
    return inside


def _range(first: np.datetime64, last: np.datetime64) -> SessionRange:
    return SessionRange(first=first.item(), last=last.item())
