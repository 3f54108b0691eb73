"""Jobs: the road cut where its partitions change. A backfill is an asset backfill; jobs are for schedules and the UI."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from attn_platform.factors.panel import PANEL, families_of
from attn_platform.factors.store import family_table
from attn_platform.orchestration.assets.factors import switched_off
from attn_platform.orchestration.assets.market import SESSION_TABLES, STATIC_TABLES
from attn_platform.orchestration.assets.predictions import prediction_table
from attn_platform.orchestration.assets.training import checkpoint_asset
from attn_platform.orchestration.op_tags import GPU_TAGS
from attn_platform.orchestration.partitions import Partitions
from attn_platform.studies.settings import Home
from attn_platform.universe.store import ADJACENCY, UNIVERSE

SESSION_JOB, QUARTER_JOB, YEAR_JOB, WINDOW_JOB, WEEK_JOB, REPORT_JOB = (
    "session", "quarter", "year", "window", "weekly_portfolio", "weekly_report",
)  # fmt: skip


def session_assets(home: Home) -> list[str]:
    """What a new session brings: raw tables, factor families, panel, predictions."""
    families = [family for family in families_of(home.study.features) if switched_off(home, family) is None]
    return [
        *(name for name in SESSION_TABLES if name not in home.absent_tables),
        *(family_table(family) for family in families),
        PANEL,
        *(prediction_table(model.name) for model in home.study.models),
    ]


def build_jobs(home: Home, partitions: Partitions) -> dict[str, UnresolvedAssetJobDefinition]:
    """One job for each partitions definition, by name."""
    study = home.study
    portfolios = [f"portfolio_{strategy.name}" for strategy in study.strategies]
    reports = [
        *(f"evaluation_{model.name}" for model in study.models),
        *(f"{kind}_{strategy.name}" for strategy in study.strategies for kind in ("backtest", "report")),
    ]
    jobs = [
        dg.define_asset_job("static", list(STATIC_TABLES), description="Security list and industries."),
        dg.define_asset_job(SESSION_JOB, session_assets(home), description="Raw tables to predictions of one session."),
        dg.define_asset_job(QUARTER_JOB, [UNIVERSE], description="Members of a new quarter."),
        dg.define_asset_job(YEAR_JOB, [ADJACENCY], description="Neighbour groups of a new year."),
        dg.define_asset_job(
            WINDOW_JOB,
            [checkpoint_asset(model.name) for model in study.models],
            tags=GPU_TAGS,
            description="Train all models on one window.",
        ),
        dg.define_asset_job(WEEK_JOB, portfolios, description="Target portfolios of one rebalance."),
        dg.define_asset_job(REPORT_JOB, reports, description="Evaluation, backtests and pages of all strategies."),
    ]
    return {job.name: job for job in jobs}
