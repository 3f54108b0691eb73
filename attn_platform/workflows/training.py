"""Training a model of a home on windows: from its panel and its labels to checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attn_platform import training
from attn_platform.errors import PlatformError
from attn_platform.market.calendar import Day
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.identity import model_identity
from attn_platform.studies.settings import Home
from attn_platform.training.fingerprints import configuration_fingerprint
from attn_platform.training.task import ModelTraining
from attn_platform.training.windows import Window, window_holding, window_keys, window_of


def checkpoint_folder(home: Home, model: str) -> Path:
    """Folder of a model's checkpoints, one folder a window."""
    return home.checkpoints / model


def available_windows(home: Home) -> list[str]:
    """Keys of the study's test windows, each the first session of its test range, in order."""
    return window_keys(home.calendar, home.study.windows, home.last_session)


def windows_testing(home: Home, model: ModelConfig, first: Day, last: Day) -> list[Window]:
    """The windows of a model whose test ranges hold the sessions from `first` to `last`, in order."""
    config = home.study.windows_of(model)
    begin = window_holding(home.calendar, config, first).key
    keys = window_keys(home.calendar, config, last)
    return [window_of(home.calendar, config, key) for key in keys if key >= begin]


def model_training(home: Home, model: ModelConfig) -> ModelTraining:
    """What a model is trained on and how, and where its checkpoints lie."""
    study, panel = home.study, home.study.panel_of(model)
    return ModelTraining(
        lake=home.lake,
        calendar=home.calendar,
        panel=panel.table,
        model=model.name,
        network=model.network,
        labels=model.labels,
        training=model.training,
        seeds=model.seeds,
        features=panel.features,
        windows=study.windows_of(model),
        preprocessing_fingerprint=configuration_fingerprint(panel.universe.config, study.factors, panel.preprocessing),
        identity=model_identity(home, model),
        directory=checkpoint_folder(home, model.name),
        arrays=home.arrays,
        curves=home.curves / model.name,
    )


def train(home: Home, model: ModelConfig, windows: Sequence[str]) -> dict[str, training.Checkpoint | PlatformError]:
    """Train a model on windows, each given by its key; returns by key the checkpoint, or what was in its way.

    The panel, the prices and (for networks that look at neighbours) the adjacency of the windows are in the lake.
    """
    task, keys = model_training(home, model), sorted(windows)
    try:
        return training.train_windows(task, [window_of(home.calendar, task.windows, key) for key in keys])
    except PlatformError as error:
        return dict.fromkeys(keys, error)
