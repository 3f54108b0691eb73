"""Jobs: the pipeline cut where its partitions change. For automation and UI; a backfill is an asset backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.training import trained_alike
from attn_platform.orchestration.op_tags import GPU_TAGS
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import checkpoint_asset
from attn_platform.studies.rebalancing import RebalanceFrequency
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StudyConfig

if TYPE_CHECKING:
    from attn_platform.orchestration.dagster_internals import UnresolvedAssetJobDefinition

STATIC_JOB, SESSION_JOB, CROSS_SECTION_JOB, QUARTER_JOB, YEAR_JOB, WINDOW_JOB, WEEK_JOB, REPORT_JOB = (
    "static", "session", "cross_section", "quarter", "year", "window", "weekly_portfolio", "weekly_report",
)  # fmt: skip
INTRADAY_JOB = "intraday"


def window_job(study: StudyConfig, test: int, together: int) -> str:
    """Name of the job that trains the models with test ranges of so many sessions, so many windows in one run.

    Each number of windows has a job: a backfill of a job divides the windows for all of its models alike.
    """
    name = WINDOW_JOB if test == study.windows.test else f"{WINDOW_JOB}_{test}"
    return name if together == 1 else f"{name}_{together}_together"


def portfolio_job(study: StudyConfig, every: RebalanceFrequency) -> str:
    """Name of the job that makes the target portfolios of the strategies with a frequency of rebalances."""
    return WEEK_JOB if every == study.rebalance_every else f"portfolio_every_{every}"


def import_job(delivery: str) -> str:
    """Name of the job that imports what lies in the folder of a delivery."""
    return f"import_{delivery}"


def build_jobs(home: Home) -> dict[str, UnresolvedAssetJobDefinition]:
    """One job for each partitions definition that has assets, by name."""
    made = assets_made_at(home)
    new_session = [*made[MadeAt.RAW], *made[MadeAt.FACTORS]]
    intraday = [*made[MadeAt.INTRADAY], *made[MadeAt.INDICATORS], *made[MadeAt.INTRADAY_FACTORS]]
    new_cross_section = [*made[MadeAt.PANELS], *made[MadeAt.PREDICTIONS]]
    jobs = [
        dg.define_asset_job(STATIC_JOB, list(made[MadeAt.STATIC]), description="Securities, industries, statements."),
        dg.define_asset_job(SESSION_JOB, new_session, description="Raw tables and factors of one session."),
        dg.define_asset_job(
            CROSS_SECTION_JOB, new_cross_section, description="Panel and predictions of one session's universe."
        ),
        dg.define_asset_job(QUARTER_JOB, list(made[MadeAt.UNIVERSE]), description="Members of a new quarter."),
        dg.define_asset_job(YEAR_JOB, list(made[MadeAt.ADJACENCY]), description="Neighbour groups of a new year."),
        *(
            dg.define_asset_job(
                portfolio_job(home.study, every),
                [portfolio_table(strategy.name) for strategy in strategies],
                description="Target portfolios of one rebalance.",
            )
            for every, strategies in home.study.strategies_by_frequency.items()
        ),
        dg.define_asset_job(
            REPORT_JOB,
            [*made[MadeAt.REPORTS], *made[MadeAt.SUMMARIES], *made[MadeAt.PAGES]],
            description="Evaluation, backtests and pages of all strategies and factors.",
        ),
    ]
    if intraday:
        jobs.append(
            dg.define_asset_job(
                INTRADAY_JOB, intraday, description="Intraday tables of one session, indicators, factors of them."
            )
        )
    for (test, together), models in trained_alike(home.study).items():
        jobs.append(
            dg.define_asset_job(
                window_job(home.study, test, together),
                [checkpoint_asset(model.name) for model in models],
                tags=GPU_TAGS,
                description=f"Train models with test ranges of {test} sessions, {together} to a run of a backfill.",
            )
        )
    return {job.name: job for job in jobs}
