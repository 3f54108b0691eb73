"""What each model reads on its newest predicted session: parts of the forecasts, factors, attention."""

import dagster as dg
import pandas as pd

from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.explanation_store import FACTORS, STOCKS, write_explanation
from attn_platform.evaluation.store import predicted_range
from attn_platform.models.trees import XGBoostConfig
from attn_platform.orchestration.assets.predictions import prediction_table
from attn_platform.orchestration.assets.training import checkpoint_asset, forecast_code, model_training
from attn_platform.orchestration.provenance import code_version, joined, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import ModelConfig
from attn_platform.universe.store import ADJACENCY

GROUP = "explanations"
PICTURED_FACTORS = 12


def explanation_asset(model: str) -> str:
    """Name of a model's explanation asset."""
    return f"explanation_{model}"


def explained_horizons(home: Home, model: ModelConfig) -> tuple[str, ...]:
    """Horizons of a model that are traded, and so explained; none for trees, which have no gradients."""
    if isinstance(model.network, XGBoostConfig):
        return ()
    traded = {strategy.horizon for strategy in home.study.strategies if strategy.model == model.name}
    return tuple(horizon for horizon in model.horizons if horizon in traded)


def explained_models(home: Home) -> tuple[ModelConfig, ...]:
    """Models that have an explanation."""
    return tuple(model for model in home.study.models if explained_horizons(home, model))


def build(home: Home) -> list[dg.AssetsDefinition]:
    """One asset a model that is explained."""
    return [_explanation(home, model) for model in explained_models(home)]


def _explanation(home: Home, model: ModelConfig) -> dg.AssetsDefinition:
    task, horizons = model_training(home, model), explained_horizons(home, model)
    every_partition = dg.AllPartitionMapping()

    @dg.asset(
        name=explanation_asset(model.name),
        group_name=GROUP,
        kinds={"parquet", "pytorch"},
        code_version=joined(
            forecast_code(task),
            code_version("attn_platform.evaluation.explanation", "attn_platform.evaluation.explanation_store"),
        ),
        deps=[
            dg.AssetDep(name, partition_mapping=every_partition)
            for name in (checkpoint_asset(model.name), prediction_table(model.name), task.panel, ADJACENCY)
        ],
        description=(
            "Of the newest predicted session: parts of the forecasts, attention, and the factors' shares of the "
            "forecasts' variance by integrated gradients."
        ),
    )
    def explanation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        _, session = predicted_range(home.lake, prediction_table(model.name))
        frames = write_explanation(task, session, horizons, home.study.evaluation.explanation)
        factors = frames[FACTORS][frames[FACTORS]["horizon"] == horizons[0]]
        largest = factors.groupby("factor")["absolute_share"].sum().nlargest(PICTURED_FACTORS)
        return dg.MaterializeResult(
            metadata={
                "session": str(session),
                "horizons": ", ".join(horizons),
                "stocks": len(frames[STOCKS]) // len(horizons),
                "largest factors": dg.MetadataValue.md(
                    thumbnails.bars(largest, f"Absolute shares of the forecasts' variance, {horizons[0]}")
                ),
                "highest forecasts": table_metadata(_highest(frames[STOCKS], horizons[0])),
            }
        )

    return explanation


def _highest(stocks: pd.DataFrame, horizon: str, count: int = 10) -> pd.DataFrame:
    of_horizon = stocks[stocks["horizon"] == horizon].drop(columns=["date", "horizon"])
    return of_horizon.nlargest(count, "forecast")


def explained_by(home: Home, name: str, horizon: str | None) -> tuple[ModelConfig, str]:
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
