"""Why a home's strategy holds a stock, or does not: its weight, the forecast behind it, and what kept it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.explanation.forecast import ForecastOrigin, forecast_origin
from attn_platform.portfolio.explanation.missing_forecast import why_no_forecast
from attn_platform.portfolio.explanation.weight import WeightExplanation, explain_weight
from attn_platform.studies.forecasters import EnsembleConfig, ModelConfig
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.training import model_training


@dataclass(frozen=True)
class HoldingExplanation:
    """The answer: `weight` None where the stock is not in the week's problem, `absence` where it has no forecast.

    `origins` has one entry a model behind the forecast, none where that was imported.
    """

    strategy: str
    session: np.datetime64
    symbol: str
    forecasts: str
    weight: WeightExplanation | None
    absence: str | None
    origins: tuple[ForecastOrigin, ...]


def explain_holding(home: Home, config: StrategyConfig, session: np.datetime64, symbol: str) -> HoldingExplanation:
    """Why the portfolio of `session` has `symbol` as it has it; PortfolioError where that week is not in the lake."""
    weight = explain_weight(home.lake, home.calendar, resolve(home, config), session, symbol)
    models = _models_behind(home, config)
    has_forecast = weight is not None and weight.score is not None
    return HoldingExplanation(
        strategy=config.name,
        session=session,
        symbol=symbol,
        forecasts=f"{config.model}, {config.horizon}",
        weight=weight,
        absence=None if has_forecast else _absence(home, [model for model, _ in models], session, symbol),
        origins=tuple(
            forecast_origin(model_training(home, model), home.study.catalogue, session, symbol, horizon)
            for model, horizon in models
            if has_forecast
        ),
    )


def _models_behind(home: Home, config: StrategyConfig) -> list[tuple[ModelConfig, str]]:
    """The models whose mean is the strategy's forecast, with their horizons; none behind imported forecasts."""
    forecaster = home.study.forecaster(config.model)
    if isinstance(forecaster, ModelConfig):
        return [(forecaster, config.horizon)]
    if isinstance(forecaster, EnsembleConfig):
        return [(home.study.model(member.model), member.horizon) for member in forecaster.members]
    return []


def _absence(home: Home, models: list[ModelConfig], session: np.datetime64, symbol: str) -> str:
    """What kept the stock out of the forecasts; of an ensemble, out of those of each member that has a universe."""
    universes = {home.study.panel_of(model).universe: model.name for model in models}
    if not universes:
        return why_no_forecast(home.lake, home.calendar, session, symbol, None)
    reasons = {
        name: why_no_forecast(home.lake, home.calendar, session, symbol, universe.config, universe.table)
        for universe, name in universes.items()
    }
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
