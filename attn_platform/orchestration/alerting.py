"""What is wrong with a live home now, and the sensor that tells: work given up, lateness, remarks on the last week."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import numpy as np

from attn_platform.alerts import Alert, AlertBook, Kind
from attn_platform.automation import Deadline, Duty
from attn_platform.automation.lateness import late
from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.automation import DUTY, decision_now, exchange_now, histories
from attn_platform.orchestration.partitions import FORMAT, Partitions
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.workflows.forecast_bands import forecast_remarks
from attn_platform.workflows.portfolios import rebalances_until
from attn_platform.workflows.unusual import Aspect, remarks

SENSOR = "alerts"
SECONDS_BETWEEN_LOOKS = 60
KINDS = {Aspect.RELAXED: Kind.RELAXED, Aspect.PORTFOLIO: Kind.UNUSUAL, Aspect.FORECAST: Kind.FORECAST}


def build_sensor(home: Home, partitions: Partitions) -> dg.SensorDefinition:
    """The sensor; it launches nothing."""

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = exchange_now()
        repository = context.repository_def
        assert repository is not None
        wrong = wrong_now(home, partitions, context.instance, now, lambda: repository.asset_graph)
        problems = AlertBook(home.root).update(wrong, home.settings.alerts.channels, now)
        return dg.SkipReason("; ".join([f"wrong now: {len(wrong)}", *problems]))

    return dg.SensorDefinition(
        name=SENSOR,
        evaluation_fn=look,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        description=(
            "Tells the channels of settings.yaml, once each, what failed for good, what is late, and what is unusual "
            "about the newest portfolios; and that it is mended."
        ),
    )


def wrong_now(
    home: Home, partitions: Partitions, instance: dg.DagsterInstance, now: datetime, graph: Callable[[], Any]
) -> list[Alert]:
    """Everything that is wrong; `graph` as in `decision_now`."""
    found = [*_given_up(home, partitions, instance, now, graph), *_late(home, instance, now), *_remarks(home, now)]
    return [*found, *_forecasts(home, now)]


def _given_up(
    home: Home, partitions: Partitions, instance: dg.DagsterInstance, now: datetime, graph: Callable[[], Any]
) -> Iterator[Alert]:
    for duty in decision_now(home, partitions, instance, now, graph).given_up:
        filters = dg.RunsFilter(tags={DUTY: duty.name}, statuses=[dg.DagsterRunStatus.FAILURE])
        records = instance.get_run_records(filters, limit=1)
        link, what, since = home.settings.alerts.link, "its runs failed", now
        if records:
            run = records[0].dagster_run
            since = datetime.fromtimestamp(records[0].end_time or now.timestamp(), UTC).astimezone(now.tzinfo)
            link, what = f"{link}/runs/{run.run_id}", _why_failed(instance, run.run_id)
        yield Alert(Kind.FAILURE, duty.job, duty.key, what, since, _command(home, duty), link)


def _why_failed(instance: dg.DagsterInstance, run_id: str) -> str:
    """The innermost error of the step that failed, or the run's own message."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return f"{event.step_key}: {' '.join(error.message.split())}"
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        return entry.get_dagster_event().message or "the run failed"
    return "the run failed"


def _command(home: Home, duty: Duty) -> str:
    for name, config in home.settings.automation.deliveries.items():
        if duty.job == names.import_job(name):
            return f"attn import {config.vendor} {home.root / config.folder} --home {home.root}"
    partitions = f" --partitions {duty.key}" if duty.assets else ""
    made = ",".join(duty.assets) if duty.assets else ",".join(_assets_of(home, duty.job))
    return f"attn materialize {made}{partitions} --home {home.root}"


def _assets_of(home: Home, job: str) -> tuple[str, ...]:
    made = assets_made_at(home)
    return (
        made[MadeAt.STATIC]
        if job == names.STATIC_JOB
        else (
            *made[MadeAt.REPORTS],
            *made[MadeAt.SUMMARIES],
            *made[MadeAt.PAGES],
        )
    )


def _late(home: Home, instance: dg.DagsterInstance, now: datetime) -> Iterator[Alert]:
    """Raw tables, portfolios and reports whose deadline has passed, of the last sessions."""
    config, today = home.settings.automation, np.datetime64(now.strftime(FORMAT), "D")
    held = home.lake.sessions("daily_bar")
    if not len(held):
        return
    recent = home.calendar.between(held[0], min(today, home.horizon))[-config.catch_up_sessions :]
    owed: dict[str, Collection[str]] = {}
    present: dict[str, Collection[str]] = {}
    deadlines: dict[str, Deadline] = {}
    if home.settings.source.kind == "imported":
        made = assets_made_at(home)
        for table in (*made[MadeAt.RAW], *made[MadeAt.INTRADAY]):
            owed[table] = recent.astype(str).tolist()
            present[table] = set(home.lake.sessions(table).astype(str).tolist())
            deadlines[table] = config.tables.get(table, config.table)
    reported: set[str] = set()
    for strategy in home.study.strategies:
        table = portfolio_table(strategy.name)
        days = rebalances_until(home, recent[-1], strategy)
        owed[table] = days[days >= recent[0]].astype(str).tolist()
        present[table] = instance.get_materialized_partitions(dg.AssetKey(table))
        deadlines[table] = config.portfolio
        reported |= set(owed[table])
    newest = max(
        (day for day in reported if config.report.of(date.fromisoformat(day), EXCHANGE_ZONE) <= now), default=None
    )
    if newest is not None:
        owed[names.REPORT_JOB], deadlines[names.REPORT_JOB] = [newest], config.report
        duty = Duty(names.REPORT_JOB, newest)
        is_there = histories(home, instance, [duty]).get(duty.name)
        present[names.REPORT_JOB] = {newest} if is_there is not None and is_there.has_succeeded else set()
    by_asset: dict[str, list[str]] = {}
    since: dict[str, datetime] = {}
    for each in late(owed, present, deadlines, now, EXCHANGE_ZONE):
        by_asset.setdefault(each.asset, []).append(each.key)
        since.setdefault(each.asset, each.due)
    for asset, keys in by_asset.items():
        yield _late_alert(home, asset, keys, since[asset])


def _late_alert(home: Home, asset: str, keys: list[str], since: datetime) -> Alert:
    """One alert of an asset for all keys that are late: a month without data is one letter."""
    span = keys[0] if len(keys) == 1 else f"{len(keys)} keys from {keys[0]} to {keys[-1]}"
    made = assets_made_at(home)
    is_raw = asset in (*made[MadeAt.RAW], *made[MadeAt.INTRADAY])
    remedy = f"attn import … --home {home.root}" if is_raw else "attn alerts says what the work waits for"
    link = home.settings.alerts.link + ("" if asset == names.REPORT_JOB else f"/assets/{asset}")
    return Alert(Kind.LATENESS, asset, keys[0], f"not there: {span}", since, remedy, link)


def _remarks(home: Home, now: datetime) -> Iterator[Alert]:
    """On the newest week of each strategy, as far as it is one of the last sessions."""
    recent = home.calendar.between(home.first_session, np.datetime64(now.strftime(FORMAT), "D"))
    recent = recent[-home.settings.automation.catch_up_sessions :]
    for strategy in home.study.strategies:
        weeks = home.lake.sessions(portfolio_table(strategy.name))
        if not len(weeks) or weeks[-1] not in recent:
            continue
        try:
            found = remarks(home, strategy, weeks[-1], home.settings.automation.usual)
        except MissingDataError:  # a week that is being written: its tables come one after the other
            continue
        texts: dict[tuple[Aspect, str], list[str]] = {}
        for remark in found:
            texts.setdefault((remark.aspect, remark.asset), []).append(remark.text)
        remedy = f"attn portfolio {strategy.name} --date {weeks[-1]} --home {home.root}"
        for (aspect, asset), of_asset in texts.items():
            link = f"{home.settings.alerts.link}/assets/{asset}"
            yield Alert(KINDS[aspect], asset, str(weeks[-1]), "; ".join(of_asset), now, remedy, link)


def _forecasts(home: Home, now: datetime) -> Iterator[Alert]:
    """On models whose realised RankIC has left its band: one alert of a model until it is back."""
    session = np.datetime64(now.strftime(FORMAT), "D")
    texts: dict[str, list[str]] = {}
    for remark in forecast_remarks(home, session, home.settings.automation.usual):
        texts.setdefault(remark.asset, []).append(remark.text)
    for asset, of_asset in texts.items():
        link = f"{home.settings.alerts.link}/assets/{asset}"
        remedy = (
            f"attn report {home.study.name} --home {home.root}: whether the model still works is for a person to say"
        )
        yield Alert(KINDS[Aspect.FORECAST], asset, None, "; ".join(of_asset), now, remedy, link)
