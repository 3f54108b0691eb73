"""Schedules: each session's data next morning before the open, and the weekly target portfolio on time.

A key exists only once its day is over, so everything of session d runs in the morning after d. What waits for something
says for what, asks again every quarter of an hour, and fires once: its run key is the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import dagster as dg
import numpy as np
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.assets.predictions import prediction_table
from attn_platform.orchestration.assets.training import checkpoint_asset
from attn_platform.orchestration.partitions import FORMAT, TIMEZONE, Partitions
from attn_platform.portfolio.weekly import portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.training.windows import window_holding
from attn_platform.universe.store import ADJACENCY, UNIVERSE, quarter_of, year_of

NEW_PERIOD = "30 5 * * *"
BEFORE_THE_OPEN = "*/15 6-8 * * *"
AFTER_THE_PORTFOLIO = "*/15 7-9 * * *"

Jobs = Mapping[str, UnresolvedAssetJobDefinition]
Requests = Iterator[dg.RunRequest | dg.SkipReason]
Decide = Callable[[dg.ScheduleEvaluationContext, str], Requests]


def build_schedules(home: Home, partitions: Partitions, jobs: Jobs) -> list[dg.ScheduleDefinition]:
    """Schedules of a live home, in the order in which a session meets them."""

    def new_period(job: str, definition: dg.TimeWindowPartitionsDefinition, key_of: Callable[[str, str], str]) -> Decide:
        def decide(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
            key = key_of(today(context), day)
            if definition.has_partition_key(key):
                yield dg.RunRequest(run_key=key, partition_key=key)
            else:
                yield dg.SkipReason(f"{key} is no partition of job {job}")

        return decide

    # The first tick of a period runs it; later ones ask for the same run key, which Dagster launches only once.
    quarter = new_period(names.QUARTER_JOB, partitions.quarters, lambda now, day: str(quarter_of(np.datetime64(now))))
    year = new_period(names.YEAR_JOB, partitions.years, lambda now, day: str(year_of(np.datetime64(now))))
    window = new_period(names.WINDOW_JOB, partitions.windows, lambda now, day: day)

    def session(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Raw tables to predictions of the session that ended yesterday."""
        if not partitions.sessions.has_partition_key(day):
            yield dg.SkipReason(f"{day} was no session")
            return
        waiting = _missing(context, UNIVERSE, str(quarter_of(np.datetime64(day)))) or _missing(context, ADJACENCY, str(year_of(np.datetime64(day))))
        if home.calendar.position(day) >= home.calendar.position(home.study.windows.first_test):
            key = window_holding(home.calendar, home.study.windows, day).key
            for model in home.study.models:
                waiting = waiting or _missing(context, checkpoint_asset(model.name), key)
        yield dg.SkipReason(waiting) if waiting else dg.RunRequest(run_key=day, partition_key=day)

    def weekly_portfolio(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Target portfolios, when yesterday was a rebalance and its predictions are there."""
        if not partitions.rebalances.has_partition_key(day):
            yield dg.SkipReason(f"{day} was no rebalance")
            return
        missing = [text for model in home.study.models if (text := _missing(context, prediction_table(model.name), day))]
        yield dg.SkipReason(missing[0]) if missing else dg.RunRequest(run_key=day, partition_key=day)

    def weekly_report(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Backtests and pages, once the target portfolios of the week are there."""
        if not partitions.rebalances.has_partition_key(day):
            yield dg.SkipReason(f"{day} was no rebalance")
            return
        portfolios = [portfolio_table(strategy.name) for strategy in home.study.strategies]
        missing = [text for asset in portfolios if (text := _missing(context, asset, day))]
        yield dg.SkipReason(missing[0]) if missing else dg.RunRequest(run_key=day)

    return [
        _schedule("every_quarter", NEW_PERIOD, quarter, jobs[names.QUARTER_JOB], "Universe of a new quarter."),
        _schedule("every_year", NEW_PERIOD, year, jobs[names.YEAR_JOB], "Adjacency of a new year."),
        _schedule("every_window", NEW_PERIOD, window, jobs[names.WINDOW_JOB], "Training, when a test range begins."),
        _schedule("every_session", BEFORE_THE_OPEN, session, jobs[names.SESSION_JOB], session.__doc__),
        _schedule("every_rebalance", BEFORE_THE_OPEN, weekly_portfolio, jobs[names.WEEK_JOB], weekly_portfolio.__doc__),
        _schedule("every_report", AFTER_THE_PORTFOLIO, weekly_report, jobs[names.REPORT_JOB], weekly_report.__doc__),
    ]


def today(context: dg.ScheduleEvaluationContext) -> str:
    """The day of the tick, in the exchange's time."""
    return context.scheduled_execution_time.strftime(FORMAT)


def _schedule(
    name: str, cron: str, decide: Decide, job: UnresolvedAssetJobDefinition, description: str | None
) -> dg.ScheduleDefinition:
    def evaluate(context: dg.ScheduleEvaluationContext) -> Requests:
        yesterday = context.scheduled_execution_time - timedelta(days=1)
        yield from decide(context, yesterday.strftime(FORMAT))

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        execution_timezone=TIMEZONE,
        description=description,
        execution_fn=evaluate,
        job=job,
    )


def _missing(context: dg.ScheduleEvaluationContext, asset: str, key: str) -> str | None:
    """Why there is something to wait for, or None where the partition has been materialised."""
    done = context.instance.get_materialized_partitions(dg.AssetKey(asset))
    return None if key in done else f"waiting for {asset} of {key}"
