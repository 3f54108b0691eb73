"""The one place where everything meets: `build_defs` makes Dagster's definitions of a home, `defs` is what it loads."""

from __future__ import annotations

import dagster as dg

from attn_platform.orchestration.assets import (
    backtests,
    data_quality,
    explanation,
    factor_evaluation,
    factors,
    market,
    portfolios,
    predictions,
    reports,
    training,
)
from attn_platform.orchestration.assets import universe as universe_assets
from attn_platform.orchestration.event_log import enable_batches
from attn_platform.orchestration.jobs import build_jobs
from attn_platform.orchestration.partitions import Partitions, build_partitions
from attn_platform.orchestration.schedules import build_schedules
from attn_platform.studies.settings import Home


def partitions_of(home: Home) -> Partitions:
    """Partitions of a home's sessions, windows and rebalances."""
    study = home.study
    return build_partitions(
        home.calendar, home.first_session, home.last_session, study.longest_windows, study.rebalance_every
    )


def build_defs(home: Home) -> dg.Definitions:
    """Assets, checks, jobs and schedules of `home`."""
    enable_batches()
    partitions = partitions_of(home)
    assets = [
        *market.build(home, partitions),
        *universe_assets.build(home, partitions),
        *factors.build(home, partitions),
        *factor_evaluation.build(home),
        *training.build(home, partitions),
        *predictions.build(home, partitions),
        *explanation.build(home),
        *portfolios.build(home, partitions),
        *backtests.build(home),
        *reports.build(home),
        *data_quality.build(home),
    ]
    jobs = build_jobs(home)
    return dg.Definitions(assets=assets, jobs=list(jobs.values()), schedules=build_schedules(home, partitions, jobs))


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of ATTN_HOME (default: ./data), made when Dagster loads them and not when this module is imported."""
    return build_defs(Home.open())
