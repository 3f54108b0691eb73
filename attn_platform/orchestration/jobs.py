"""Jobs: the road cut where its partitions change. For schedules and the UI; a backfill is an asset backfill."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import figures_table
from attn_platform.factors.store import family_table
from attn_platform.orchestration.assets.data_quality import DATA_REPORT
from attn_platform.orchestration.assets.explanation import explanation_asset
from attn_platform.orchestration.assets.factor_evaluation import FACTOR_REPORT, evaluation_asset
from attn_platform.orchestration.assets.market import planted_assets
from attn_platform.orchestration.assets.reports import report_asset
from attn_platform.orchestration.assets.training import checkpoint_asset
from attn_platform.orchestration.op_tags import GPU_TAGS
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.availability import families_present
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.explanations import explained_models
from attn_platform.workflows.raw_tables import SESSION_TABLES, STATIC_TABLES, present_tables

SESSION_JOB, QUARTER_JOB, YEAR_JOB, WINDOW_JOB, WEEK_JOB, REPORT_JOB = (
    "session", "quarter", "year", "window", "weekly_portfolio", "weekly_report",
)  # fmt: skip


@dataclass(frozen=True)
class RoadAssets:
    """Names of a home's assets, in the order of the road; switched-off ones are left out."""

    static: tuple[str, ...]
    raw: tuple[str, ...]
    universes: tuple[str, ...]
    factors: tuple[str, ...]
    checkpoints: tuple[str, ...]
    predictions: tuple[str, ...]
    portfolios: tuple[str, ...]
    reports: tuple[str, ...]


def road_assets(home: Home) -> RoadAssets:
    """The assets that a home can materialise."""
    study, families = home.study, families_present(home)
    return RoadAssets(
        static=(*present_tables(home, STATIC_TABLES), *planted_assets(home)),
        raw=present_tables(home, SESSION_TABLES),
        universes=tuple(universe.table for universe in study.universes),
        factors=(*(family_table(family) for family in families), *(panel.table for panel in study.panels)),
        checkpoints=tuple(checkpoint_asset(model.name) for model in study.models),
        predictions=tuple(prediction_table(forecaster.name) for forecaster in study.forecasters),
        portfolios=tuple(portfolio_table(strategy.name) for strategy in study.strategies),
        reports=(
            *(evaluation_asset(family) for family in families),
            *(figures_table(forecaster.name) for forecaster in study.forecasters),
            *(explanation_asset(model.name) for model in explained_models(home)),
            *(backtest_table(each.name) for each in study.traded),
            *(report_asset(each.name) for each in study.traded),
        ),
    )


def build_jobs(home: Home) -> dict[str, UnresolvedAssetJobDefinition]:
    """One job for each partitions definition that has assets, by name."""
    assets = road_assets(home)
    new_session = [*assets.raw, *assets.factors, *assets.predictions]
    jobs = [
        dg.define_asset_job("static", list(assets.static), description="Securities, industries, statements."),
        dg.define_asset_job(SESSION_JOB, new_session, description="Raw tables to predictions of one session."),
        dg.define_asset_job(QUARTER_JOB, list(assets.universes), description="Members of a new quarter."),
        dg.define_asset_job(YEAR_JOB, [ADJACENCY], description="Neighbour groups of a new year."),
        dg.define_asset_job(WEEK_JOB, list(assets.portfolios), description="Target portfolios of one rebalance."),
        dg.define_asset_job(
            REPORT_JOB,
            [*assets.reports, FACTOR_REPORT, DATA_REPORT],
            description="Evaluation, backtests and pages of all strategies and factors.",
        ),
    ]
    if assets.checkpoints:
        train = list(assets.checkpoints)
        jobs.append(
            dg.define_asset_job(WINDOW_JOB, train, tags=GPU_TAGS, description="Train all models on one window.")
        )
    return {job.name: job for job in jobs}
