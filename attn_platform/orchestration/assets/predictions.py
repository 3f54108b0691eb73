"""Predictions by session, and their evaluation as composite factors."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from attn_platform.evaluation.store import (
    Predictions,
    figures_table,
    predicted_range,
    sessions_table,
    write_evaluation,
)
from attn_platform.orchestration.assets.training import checkpoint_asset, checkpoint_folder
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    PICTURED_PARTITIONS,
    code_version,
    column_schema,
    session_keys,
    table_metadata,
)
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import ModelConfig
from attn_platform.training.window_training import write_predictions

GROUP = "predictions"


def prediction_table(model: str) -> str:
    """Table and asset of a model's predictions."""
    return f"prediction_{model}"


def measured_predictions(home: Home, model: ModelConfig) -> Predictions:
    """The model's predictions beside the prices that they are measured on."""
    first, last = predicted_range(home.lake, prediction_table(model.name))
    reach = home.study.evaluation_horizon + 1
    return Predictions(home.lake, home.calendar, prediction_table(model.name), model.labels, first, last, reach)


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Two assets a model."""
    assets = []
    for model in home.study.models:
        assets += [_prediction(home, partitions, model), _evaluation(home, model)]
    return assets


def _prediction(home: Home, partitions: Partitions, model: ModelConfig) -> dg.AssetsDefinition:
    table = prediction_table(model.name)
    panel = home.study.panel_of(model)

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet", "pytorch"},
        code_version=code_version("attn_platform.models", "attn_platform.training.prediction"),
        partitions_def=partitions.sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[panel.table, dg.AssetDep(checkpoint_asset(model.name), partition_mapping=partitions.window_of_session)],
        check_specs=expectations.specs("prediction", table),
        metadata=column_schema(
            {**KEY_COLUMNS, **{horizon: ("float", f"forecast, {horizon}") for horizon in model.horizons}}
        ),
        description=(
            f"Mean forecast of the seeds for {', '.join(model.horizons)}, by the checkpoint of the window whose test "
            "range holds the session."
        ),
    )
    def prediction(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        used = write_predictions(
            home.lake,
            home.calendar,
            panel.table,
            sessions,
            home.study.windows,
            checkpoint_folder(home, model.name),
            panel.features,
            table,
        )
        newest = home.lake.read(table, sessions[-1], sessions[-1]).to_pandas()
        pictures = (
            {
                "distribution": dg.MetadataValue.md(
                    thumbnails.histogram(newest[model.horizons[-1]], f"Forecasts {model.horizons[-1]}, {sessions[-1]}")
                ),
                "highest forecasts": table_metadata(newest.nlargest(10, model.horizons[-1]).drop(columns="date")),
            }
            if len(sessions) <= PICTURED_PARTITIONS
            else {}
        )
        yield dg.MaterializeResult(
            metadata={
                "stocks in last session": len(newest),
                "windows": ", ".join(sorted(set(used.values()))),
                **pictures,
            }
        )
        yield from expectations.results("prediction", home, table, sessions)

    return prediction


def _evaluation(home: Home, model: ModelConfig) -> dg.AssetsDefinition:
    study = home.study

    @dg.asset(
        name=figures_table(model.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=code_version("attn_platform.evaluation"),
        deps=[
            dg.AssetDep(prediction_table(model.name), partition_mapping=dg.AllPartitionMapping()),
            dg.AssetDep("daily_bar", partition_mapping=dg.AllPartitionMapping()),
        ],
        description=f"Composite-factor figures of each horizon against the realised {study.evaluation_horizon}-session "
        "return (AI-69 exhibit 10).",
    )
    def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        figures = write_evaluation(
            home.lake,
            measured_predictions(home, model),
            model.name,
            model.horizons,
            study.evaluation_horizon,
            study.evaluation,
        )
        series = home.lake.read(sessions_table(model.name)).to_pandas()
        cumulative = {
            horizon: part.set_index(pd.DatetimeIndex(part["date"]))["rank_ic"].fillna(0.0).cumsum()
            for horizon, part in series.groupby("horizon")
        }
        return dg.MaterializeResult(
            metadata={
                "figures": table_metadata(figures.set_index("horizon").T.rename_axis("figure").reset_index()),
                "cumulative RankIC": dg.MetadataValue.md(thumbnails.line(cumulative, "Cumulative RankIC")),
                **{f"RankIC {horizon}": mean for horizon, mean in figures.set_index("horizon")["rank_ic_mean"].items()},
            }
        )

    return evaluation
