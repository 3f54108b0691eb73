"""Schedules: each session's data next morning before the open, and the weekly target portfolio on time.

A key exists only once its day is over, so everything of session d runs in the morning after d. What waits for something
says for what, asks again every quarter of an hour, and fires once: its run key is the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np

from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.training import checkpoint_asset
from attn_platform.orchestration.partitions import FORMAT, TIMEZONE, Partitions
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import prediction_table
from attn_platform.studies.rebalancing import RebalanceFrequency
from attn_platform.studies.settings import Home
from attn_platform.training.windows import window_holding
from attn_platform.universe.store import ADJACENCY, quarter_of, year_of
from attn_platform.workflows.portfolios import previous_rebalance, rebalances_on

if TYPE_CHECKING:
    from attn_platform.orchestration.dagster_internals import UnresolvedAssetJobDefinition

NEW_PERIOD = "30 5 * * *"
BEFORE_THE_OPEN = "*/15 6-8 * * *"
AFTER_THE_PORTFOLIO = "*/15 7-9 * * *"

TRAINING = "Training, when a test range begins."
TARGETS = "Target portfolios, when yesterday was a rebalance, and its predictions and the rebalance before are there."

Jobs = Mapping[str, "UnresolvedAssetJobDefinition"]
Requests = Iterator[dg.RunRequest | dg.SkipReason]
Decide = Callable[[dg.ScheduleEvaluationContext, str], Requests]
_Schedule = tuple[str, str, Decide, str, str | None]
"""Name, cron, what it asks for, job, description."""


def build_schedules(home: Home, partitions: Partitions, jobs: Jobs) -> list[dg.ScheduleDefinition]:
    """Schedules of a live home, in the order in which a session meets them."""
    study = home.study

    def new_period(
        job: str, definition: dg.TimeWindowPartitionsDefinition, key_of: Callable[[str, str], str]
    ) -> Decide:
        def decide(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
            key = key_of(local_day(context), day)
            if definition.has_partition_key(key):
                yield dg.RunRequest(run_key=key, partition_key=key)
            else:
                yield dg.SkipReason(f"{key} is no partition of job {job}")

        return decide

    # The first tick of a period runs it; later ones ask for the same run key, which Dagster launches only once.
    quarter = new_period(names.QUARTER_JOB, partitions.quarters, lambda now, day: str(quarter_of(np.datetime64(now))))
    year = new_period(names.YEAR_JOB, partitions.years, lambda now, day: str(year_of(np.datetime64(now))))

    def window(test: int) -> Decide:
        return new_period(names.window_job(study, test), partitions.windows_by_test[test], lambda now, day: day)

    def session(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Raw tables and factors of the session that ended yesterday."""
        if partitions.sessions.has_partition_key(day):
            yield dg.RunRequest(run_key=day, partition_key=day)
        else:
            yield dg.SkipReason(f"{day} was no session")

    def cross_section(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Panel and predictions of the session that ended yesterday, once its factors are there."""
        if not partitions.cross_sections.has_partition_key(day):
            yield dg.SkipReason(f"{day} was no session with a universe")
            return
        date = np.datetime64(day)
        needed = [(universe.table, str(quarter_of(date))) for universe in study.universes]
        needed += [(family, day) for family in assets_made_at(home)[MadeAt.FACTORS]]
        needed.append((ADJACENCY, str(year_of(date))))
        if date >= np.datetime64(study.windows.first_test):
            needed += [
                (checkpoint_asset(model.name), window_holding(home.calendar, study.windows_of(model), day).key)
                for model in study.models
            ]
        yield (
            _when_imported(home, day) or _when_there(context, needed) or dg.RunRequest(run_key=day, partition_key=day)
        )

    def target_portfolio(every: RebalanceFrequency) -> Decide:
        strategies = study.strategies_by_frequency[every]

        def decide(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
            if not partitions.rebalances_by_frequency[every].has_partition_key(day):
                yield dg.SkipReason(f"{day} was no rebalance")
                return
            needed = [(prediction_table(forecaster.name), day) for forecaster in study.forecasters]
            before = previous_rebalance(home, np.datetime64(day), strategies[0])
            if before is not None:
                needed += [(portfolio_table(strategy.name), str(before)) for strategy in strategies]
            yield _when_there(context, needed) or dg.RunRequest(run_key=day, partition_key=day)

        return decide

    def report(context: dg.ScheduleEvaluationContext, day: str) -> Requests:
        """Backtests and pages, once the target portfolios of yesterday's rebalance are there."""
        needed = [
            (portfolio_table(strategy.name), day)
            for every, strategies in study.strategies_by_frequency.items()
            if partitions.rebalances_by_frequency[every].has_partition_key(day)
            for strategy in strategies
        ]
        if not needed:
            yield dg.SkipReason(f"{day} was no rebalance")
            return
        yield _when_there(context, needed) or dg.RunRequest(run_key=day)

    trainings: list[_Schedule] = []
    for test in study.models_by_test:
        name, job = _name("every_window", test, study.windows.test), names.window_job(study, test)
        trainings.append((name, NEW_PERIOD, window(test), job, TRAINING))
    targets: list[_Schedule] = []
    for every in study.strategies_by_frequency:
        name, job = _name("every_rebalance", every, study.rebalance_every), names.portfolio_job(study, every)
        targets.append((name, BEFORE_THE_OPEN, target_portfolio(every), job, TARGETS))
    schedules: list[_Schedule] = [
        ("every_quarter", NEW_PERIOD, quarter, names.QUARTER_JOB, "Universe of a new quarter."),
        ("every_year", NEW_PERIOD, year, names.YEAR_JOB, "Adjacency of a new year."),
        *trainings,
        ("every_session", BEFORE_THE_OPEN, session, names.SESSION_JOB, session.__doc__),
        ("every_cross_section", BEFORE_THE_OPEN, cross_section, names.CROSS_SECTION_JOB, cross_section.__doc__),
        *targets,
        ("every_report", AFTER_THE_PORTFOLIO, report, names.REPORT_JOB, report.__doc__),
    ]
    return [_schedule(name, cron, decide, jobs[job], text) for name, cron, decide, job, text in schedules]


def _name(schedule: str, of: RebalanceFrequency, of_study: RebalanceFrequency) -> str:
    """Name of a schedule, with what it is of where that is not the study's own."""
    return schedule if of == of_study else f"{schedule}_{of}"


def local_day(context: dg.ScheduleEvaluationContext, days_ago: int = 0) -> str:
    """The day of the tick, or one before it, in the exchange's time."""
    tick = context.scheduled_execution_time.astimezone(ZoneInfo(TIMEZONE))
    return (tick - timedelta(days=days_ago)).strftime(FORMAT)


def _schedule(
    name: str, cron: str, decide: Decide, job: UnresolvedAssetJobDefinition, description: str | None
) -> dg.ScheduleDefinition:
    def evaluate(context: dg.ScheduleEvaluationContext) -> Requests:
        yield from decide(context, local_day(context, days_ago=1))

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        execution_timezone=TIMEZONE,
        description=description,
        execution_fn=evaluate,
        job=job,
    )


def _when_imported(home: Home, day: str) -> dg.SkipReason | None:
    """Which imported forecasts of a rebalance are not in the lake yet; None where none are missing."""
    for forecast in home.study.forecasts:
        is_needed = np.datetime64(day) in rebalances_on(home, forecast)
        if is_needed and not home.lake.path(prediction_table(forecast.name), day).exists():
            return dg.SkipReason(f"waiting for forecasts {forecast.name} of {day}: attn import predictions")
    return None


def _when_there(context: dg.ScheduleEvaluationContext, needed: Iterable[tuple[str, str]]) -> dg.SkipReason | None:
    """What there is to wait for, by asset and partition; None where all of them have been materialised."""
    for asset, key in needed:
        if key not in context.instance.get_materialized_partitions(dg.AssetKey(asset)):
            return dg.SkipReason(f"waiting for {asset} of {key}")
    return None
