"""Forecasts of a home: those of a model's checkpoints, the means of ensembles, and those that are imported."""

from __future__ import annotations

import numpy as np

from attn_platform import training
from attn_platform.errors import MissingDataError
from attn_platform.studies.forecasters import (
    EnsembleConfig,
    Forecaster,
    ImportedForecastConfig,
    ModelConfig,
)
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.training.ensembles import MemberPredictions, write_ensemble
from attn_platform.workflows.portfolios import rebalances_on
from attn_platform.workflows.training import model_training


def forecast(home: Home, forecaster: Forecaster, sessions: np.ndarray) -> dict[str, str]:
    """Write the forecasts of ascending `sessions`; returns by session the window whose checkpoint made them.

    An ensemble has no checkpoint of its own, and imported forecasts are not made but looked for: `MissingDataError`
    where those of a rebalance are not in the lake.
    `CheckpointError` where a model's window has not been trained, or as another model.
    """
    table = prediction_table(forecaster.name)
    if isinstance(forecaster, ModelConfig):
        return training.write_predictions(model_training(home, forecaster), sessions, table)
    if isinstance(forecaster, EnsembleConfig):
        members = [MemberPredictions(prediction_table(each.model), each.horizon) for each in forecaster.members]
        write_ensemble(home.lake, sessions, members, forecaster.horizons[0], table)
    else:
        require_forecasts(home, forecaster, np.intersect1d(sessions, rebalances_on(home, forecaster)))
    return {}


def require_forecasts(home: Home, forecast: ImportedForecastConfig, rebalances: np.ndarray) -> None:
    """`MissingDataError` where the lake has no imported forecasts of one of the rebalances."""
    absent = np.setdiff1d(rebalances, home.lake.sessions(prediction_table(forecast.name)))
    if len(absent):
        raise MissingDataError(
            f"the lake has no forecasts '{forecast.name}' of {absent[0]}, one of {len(absent)} rebalances without; "
            f"import them (attn import predictions FILE --name {forecast.name}), or let the study's first test range "
            "begin where they do (windows.first_test)"
        )
