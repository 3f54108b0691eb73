"""Jobs: the pipeline cut where its partitions change. For schedules and the UI; a backfill is an asset backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.op_tags import GPU_TAGS
from attn_platform.studies.settings import Home

if TYPE_CHECKING:
    from attn_platform.orchestration.dagster_internals import UnresolvedAssetJobDefinition

SESSION_JOB, CROSS_SECTION_JOB, QUARTER_JOB, YEAR_JOB, WINDOW_JOB, WEEK_JOB, REPORT_JOB = (
    "session", "cross_section", "quarter", "year", "window", "weekly_portfolio", "weekly_report",
)  # fmt: skip


def build_jobs(home: Home) -> dict[str, UnresolvedAssetJobDefinition]:
    """One job for each partitions definition that has assets, by name."""
    made = assets_made_at(home)
    new_session = [*made[MadeAt.RAW], *made[MadeAt.FACTORS]]
    new_cross_section = [*made[MadeAt.PANELS], *made[MadeAt.PREDICTIONS]]
    jobs = [
        dg.define_asset_job("static", list(made[MadeAt.STATIC]), description="Securities, industries, statements."),
        dg.define_asset_job(SESSION_JOB, new_session, description="Raw tables and factors of one session."),
        dg.define_asset_job(
            CROSS_SECTION_JOB, new_cross_section, description="Panel and predictions of one session's universe."
        ),
        dg.define_asset_job(QUARTER_JOB, list(made[MadeAt.UNIVERSE]), description="Members of a new quarter."),
        dg.define_asset_job(YEAR_JOB, list(made[MadeAt.ADJACENCY]), description="Neighbour groups of a new year."),
        dg.define_asset_job(WEEK_JOB, list(made[MadeAt.PORTFOLIOS]), description="Target portfolios of one rebalance."),
        dg.define_asset_job(
            REPORT_JOB,
            [*made[MadeAt.REPORTS], *made[MadeAt.SUMMARIES], *made[MadeAt.PAGES]],
            description="Evaluation, backtests and pages of all strategies and factors.",
        ),
    ]
    if made[MadeAt.TRAINING]:
        train = list(made[MadeAt.TRAINING])
        jobs.append(
            dg.define_asset_job(WINDOW_JOB, train, tags=GPU_TAGS, description="Train all models on one window.")
        )
    return {job.name: job for job in jobs}
