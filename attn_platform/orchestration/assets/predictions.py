"""Predictions of models, of ensembles and of others by session, and their evaluation as composite factors."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.evaluation.store import figures_table, layers_table, planted_table, sessions_table
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.market import planted_assets
from attn_platform.orchestration.assets.training import forecast_code, reads_adjacency
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions, sessions_in_runs
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    PICTURED_PARTITIONS,
    code_version,
    column_schema,
    configured,
    data_version,
    data_versions,
    figures_metadata,
    joined,
    session_keys,
    table_metadata,
)
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.forecasters import (
    EnsembleConfig,
    Forecaster,
    ImportedForecastConfig,
    ModelConfig,
)
from attn_platform.studies.names import checkpoint_asset, prediction_table
from attn_platform.studies.settings import Home
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.evaluation import evaluate_forecasts
from attn_platform.workflows.forecasts import forecast
from attn_platform.workflows.training import model_training

GROUP = "predictions"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    forecasters = home.study.forecasters
    return {
        MadeAt.PREDICTIONS: tuple(prediction_table(forecaster.name) for forecaster in forecasters),
        MadeAt.REPORTS: tuple(figures_table(forecaster.name) for forecaster in forecasters),
    }


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Two assets a forecaster."""
    return [
        *(_prediction(home, partitions, model) for model in home.study.models),
        *(_ensemble(home, partitions, ensemble) for ensemble in home.study.ensembles),
        *(_imported(home, partitions, imported) for imported in home.study.forecasts),
        *(_evaluation(home, forecaster) for forecaster in home.study.forecasters),
    ]


def _prediction(home: Home, partitions: Partitions, model: ModelConfig) -> dg.AssetsDefinition:
    table, task = prediction_table(model.name), model_training(home, model)
    is_network, steps = not isinstance(model.network, XGBoostConfig), model.network.sample_steps

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet", "pytorch" if is_network else "xgboost"},
        code_version=joined(forecast_code(task), code_version("attn_platform.training.prediction")),
        partitions_def=partitions.cross_sections,
        backfill_policy=sessions_in_runs(),
        deps=[
            dg.AssetDep(task.panel, partition_mapping=partitions.back(steps - 1) if steps > 1 else None),
            *((ADJACENCY,) if reads_adjacency(model) else ()),
            dg.AssetDep(checkpoint_asset(model.name), partition_mapping=partitions.window_of_session(task.windows)),
        ],
        check_specs=expectations.specs("prediction", table),
        metadata=_columns(model),
        description=(
            f"Mean forecast of the seeds for {', '.join(model.horizons)}, by the checkpoint of the window whose test "
            "range holds the session."
        ),
    )
    def prediction(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        windows = ", ".join(sorted(set(forecast(home, model, sessions).values())))
        yield dg.MaterializeResult(
            data_version=data_versions(home.lake, sessions, table),
            metadata={"windows": windows, **_newest(home, model, sessions)},
        )
        yield from expectations.results("prediction", home, table, sessions)

    return prediction


def _ensemble(home: Home, partitions: Partitions, ensemble: EnsembleConfig) -> dg.AssetsDefinition:
    table = prediction_table(ensemble.name)
    names = [f"{member.model} {member.horizon}" for member in ensemble.members]

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(code_version("attn_platform.training.ensembles"), ensemble),
        partitions_def=partitions.cross_sections,
        backfill_policy=sessions_in_runs(),
        deps=sorted({prediction_table(member.model) for member in ensemble.members}),
        check_specs=expectations.specs("prediction", table),
        metadata=_columns(ensemble),
        description=f"Equal mean of {', '.join(names)}, on the stocks that all of them predict.",
    )
    def prediction(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        forecast(home, ensemble, sessions)
        yield dg.MaterializeResult(
            data_version=data_versions(home.lake, sessions, table), metadata=_newest(home, ensemble, sessions)
        )
        yield from expectations.results("prediction", home, table, sessions)

    return prediction


def _imported(home: Home, partitions: Partitions, imported: ImportedForecastConfig) -> dg.AssetsDefinition:
    table = prediction_table(imported.name)

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet", "vendor"},
        code_version=configured(code_version("attn_platform.studies.forecasts"), imported),
        partitions_def=partitions.cross_sections,
        backfill_policy=sessions_in_runs(),
        metadata=_columns(imported, "double"),
        description=(
            f"Forecasts of {', '.join(imported.horizons)} made elsewhere, as found where `attn import predictions` has "
            "put them; it checked every row on the way in. Only rebalances need them."
        ),
    )
    def prediction(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        sessions = session_keys(context)
        held = home.lake.sessions(table, sessions[0], sessions[-1])
        forecast(home, imported, sessions)
        return dg.MaterializeResult(
            data_version=data_versions(home.lake, sessions, table),
            metadata={"sessions in run": len(held), **(_newest(home, imported, held) if len(held) else {})},
        )

    return prediction


def _columns(forecaster: Forecaster, kind: str = "float") -> dict[str, dg.TableSchema]:
    forecasts = {horizon: (kind, f"forecast, {horizon}") for horizon in forecaster.horizons}
    return column_schema({**KEY_COLUMNS, **forecasts})


def _newest(home: Home, forecaster: Forecaster, sessions: np.ndarray) -> dict[str, Any]:
    """The newest predictions: how many, and in a run of few sessions how they are distributed."""
    newest = home.lake.read(prediction_table(forecaster.name), sessions[-1], sessions[-1]).to_pandas()
    count, horizon = {"stocks in last session": len(newest)}, forecaster.horizons[-1]
    if len(sessions) > PICTURED_PARTITIONS:
        return count
    return {
        **count,
        "distribution": dg.MetadataValue.md(
            thumbnails.histogram(newest[horizon], f"Forecasts {horizon}, {sessions[-1]}")
        ),
        "highest forecasts": table_metadata(newest.nlargest(10, horizon).drop(columns="date")),
    }


def _evaluation(home: Home, forecaster: Forecaster) -> dg.AssetsDefinition:
    study = home.study

    @dg.asset(
        name=figures_table(forecaster.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(
            code_version("attn_platform.evaluation"), study.evaluation, study.evaluation_horizon, forecaster.horizons
        ),
        deps=[
            dg.AssetDep(prediction_table(forecaster.name), partition_mapping=dg.AllPartitionMapping()),
            dg.AssetDep("daily_bar", partition_mapping=dg.AllPartitionMapping()),
            "security",
            *planted_assets(home),
        ],
        description=f"Composite-factor figures of each horizon against the realised {study.evaluation_horizon}-session "
        "return (AI-69 exhibit 10).",
    )
    def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        figures = evaluate_forecasts(home, forecaster).set_index("horizon")
        by_horizon: dict[str, dict[str, float]] = {
            str(horizon): {str(name): float(value) for name, value in row.items()}
            for horizon, row in figures.iterrows()
        }
        series = home.lake.read(sessions_table(forecaster.name)).to_pandas()
        cumulative = {
            horizon: part.set_index(pd.DatetimeIndex(part["date"]))["rank_ic"].fillna(0.0).cumsum()
            for horizon, part in series.groupby("horizon")
        }
        return dg.MaterializeResult(
            data_version=data_version(
                home.lake,
                figures_table(forecaster.name),
                sessions_table(forecaster.name),
                layers_table(forecaster.name),
                planted_table(forecaster.name),
            ),
            metadata={
                "figures": figures_metadata(by_horizon),
                "cumulative RankIC": dg.MetadataValue.md(thumbnails.line(cumulative, "Cumulative RankIC")),
                **{
                    f"RankIC {h}": formatting.figure("rank_ic_mean", each["rank_ic_mean"])
                    for h, each in by_horizon.items()
                },
            },
        )

    return evaluation
