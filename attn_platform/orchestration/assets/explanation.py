"""What each model reads on its newest predicted session: parts of the forecasts, factors, attention."""

import dagster as dg
import pandas as pd

from attn_platform.evaluation.explanation_tables import FACTORS, STOCKS, explanation_tables
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.training import forecast_code
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, configured, data_version, joined, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import checkpoint_asset, explanation_asset, prediction_table
from attn_platform.studies.settings import Home
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.explanations import explain_model, explained_horizons, explained_models
from attn_platform.workflows.training import model_training

GROUP = "explanations"
PICTURED_FACTORS = 12
# Modules of `evaluation` that explain
EXPLAINING = ("attribution", "explanation", "explanation_store", "explanation_tables")


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.REPORTS: tuple(explanation_asset(model.name) for model in explained_models(home))}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a model that is explained."""
    return [_explanation(home, model) for model in explained_models(home)]


def _explanation(home: Home, model: ModelConfig) -> dg.AssetsDefinition:
    task, horizons = model_training(home, model), explained_horizons(home, model)
    every_partition = dg.AllPartitionMapping()

    @dg.asset(
        name=explanation_asset(model.name),
        group_name=GROUP,
        kinds={"parquet", "pytorch"},
        code_version=configured(
            joined(forecast_code(task), code_version(*(f"attn_platform.evaluation.{name}" for name in EXPLAINING))),
            home.study.evaluation.explanation,
            horizons,
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
        frames = explain_model(home, model)
        session = frames[STOCKS]["date"].iloc[0].date()
        factors = frames[FACTORS][frames[FACTORS]["horizon"] == horizons[0]]
        largest = factors.groupby("factor")["absolute_share"].sum().nlargest(PICTURED_FACTORS)
        return dg.MaterializeResult(
            data_version=data_version(home.lake, *explanation_tables(model.name)),
            metadata={
                "session": str(session),
                "horizons": ", ".join(horizons),
                "stocks": len(frames[STOCKS]) // len(horizons),
                "largest factors": dg.MetadataValue.md(
                    thumbnails.bars(largest, f"Absolute shares of the forecasts' variance, {horizons[0]}")
                ),
                "highest forecasts": table_metadata(_highest(frames[STOCKS], horizons[0])),
            },
        )

    return explanation


def _highest(stocks: pd.DataFrame, horizon: str, count: int = 10) -> pd.DataFrame:
    of_horizon = stocks[stocks["horizon"] == horizon].drop(columns=["date", "horizon"])
    return of_horizon.nlargest(count, "forecast")
