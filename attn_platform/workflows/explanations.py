"""What each model reads: parts of its forecasts, factors by integrated gradients, attention."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform import evaluation
from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.explanation import StockExplanation
from attn_platform.evaluation.store import predicted_range
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.workflows.training import model_training


def explained_horizons(home: Home, model: ModelConfig) -> tuple[str, ...]:
    """Horizons of a model that are traded, and so explained; none for trees, which have no gradients."""
    if isinstance(model.network, XGBoostConfig):
        return ()
    traded = {strategy.horizon for strategy in home.study.strategies if strategy.model == model.name}
    return tuple(horizon for horizon in model.horizons if horizon in traded)


def explained_models(home: Home) -> tuple[ModelConfig, ...]:
    """Models that have an explanation."""
    return tuple(model for model in home.study.models if explained_horizons(home, model))


def explain_model(home: Home, model: ModelConfig) -> dict[str, pd.DataFrame]:
    """Explain a model on its newest predicted session and write the tables; returns them by part.

    `ConfigurationError` where none of its horizons is explained (`explained_horizons`).
    """
    horizons = explained_horizons(home, model)
    if not horizons:
        raise ConfigurationError(
            f"model {model.name} has no explanation: only networks have one, on the horizons that a strategy trades"
        )
    _, session = predicted_range(home.lake, prediction_table(model.name))
    config = home.study.evaluation.explanation
    return evaluation.write_explanation(model_training(home, model), session, horizons, config)


def explain_forecasts(home: Home, model: ModelConfig, session: np.datetime64, horizon: str) -> dict[str, pd.DataFrame]:
    """What gives a model's forecasts of a session, by part (`evaluation.explanation_store`); writes nothing."""
    return evaluation.explained_session(
        model_training(home, model), session, horizon, home.study.evaluation.explanation
    )


def explain_forecast(
    home: Home, model: ModelConfig, session: np.datetime64, horizon: str, symbol: str
) -> StockExplanation:
    """What gives a model's forecast of one stock on a session."""
    return evaluation.explained_stock(
        model_training(home, model), session, symbol, horizon, home.study.evaluation.explanation
    )


def explained_by(home: Home, name: str, horizon: str | None = None) -> tuple[ModelConfig, str]:
    """The model, and the horizon of it, that a strategy's or a model's name stands for.

    A strategy has its horizon; of a model it is its last one unless another is named. ConfigurationError for names of
    neither, for ensembles, and for horizons that the model lacks.
    """
    study = home.study
    strategy = next((strategy for strategy in study.strategies if strategy.name == name), None)
    forecaster = name if strategy is None else strategy.model
    if ensemble := next((ensemble for ensemble in study.ensembles if ensemble.name == forecaster), None):
        members = ", ".join(dict.fromkeys(member.model for member in ensemble.members))
        raise ConfigurationError(f"{name} is an ensemble; explain one of its members: {members}")
    model = study.model(forecaster)
    wanted = horizon or (model.horizons[-1] if strategy is None else strategy.horizon)
    if wanted not in model.horizons:
        raise ConfigurationError(f"model {model.name} has horizons {', '.join(model.horizons)}, not {wanted}")
    return model, wanted
