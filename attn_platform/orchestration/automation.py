"""The sensor that finishes what the calendar owes, whatever happened before.

A schedule asks at a moment, once, and Dagster matches its run key together with the tick, so that three ticks of one
morning launch three runs of one session. A sensor looks again and again at what is there, and its run keys hold for
good: each piece of work (`owed`) is launched once, when its inputs are there, and again only where a run of it failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import dagster as dg

from attn_platform.automation import Decision, Duty, History, decide
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.market.contract import TABLES
from attn_platform.orchestration.owed import BEGIN, owed
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.pipeline import RANGE_END, RANGE_START
from attn_platform.studies.settings import Home

if TYPE_CHECKING:
    from attn_platform.orchestration.dagster_internals import UnresolvedAssetJobDefinition

SENSOR = "owed_work"
DUTY = "attn/duty"
PARTITION = "dagster/partition"
SECONDS_BETWEEN_LOOKS = 30
WAITING_SHOWN = 5
OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNDER_WAY = tuple(status for status in dg.DagsterRunStatus if status not in OVER)


def build_sensor(
    home: Home, partitions: Partitions, jobs: Sequence[UnresolvedAssetJobDefinition | dg.JobDefinition]
) -> dg.SensorDefinition:
    """The sensor of a live home."""

    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        decision = decision_now(home, partitions, context.instance, exchange_now())
        if decision is None:
            yield dg.SkipReason(BEGIN)
            return
        for duty, number in decision.launched:
            yield dg.RunRequest(
                run_key=f"{duty.name}:{number}",
                job_name=duty.job,
                partition_key=duty.key if duty.assets else None,
                asset_selection=[dg.AssetKey(asset) for asset in duty.assets] if duty.is_part else None,
                tags={DUTY: duty.name},
            )
        if not decision.launched:
            yield dg.SkipReason(summary(decision))

    return dg.SensorDefinition(
        name=SENSOR,
        evaluation_fn=look,
        jobs=list(jobs),
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        description=(
            "Launches what is owed once its inputs are there: imports of what was delivered, raw tables and factors of "
            "a session, universe, training, forecasts, target portfolios, reports. Catches up what was missed, and "
            "tries again what failed."
        ),
    )


def exchange_now() -> datetime:
    """The time now, on the exchange's clock."""
    return datetime.now(EXCHANGE_ZONE)


def decision_now(home: Home, partitions: Partitions, instance: dg.DagsterInstance, now: datetime) -> Decision | None:
    """What becomes of the work that is owed; None where no history was begun."""
    config = home.settings.automation

    @cache
    def made(asset: str) -> Collection[str]:
        return instance.get_materialized_partitions(dg.AssetKey(asset))

    duties = owed(home, partitions, made, now, config.catch_up_sessions)
    if not duties:
        return None
    return decide(duties, made, histories(home, instance, duties), now, config)


def histories(home: Home, instance: dg.DagsterInstance, duties: Sequence[Duty]) -> dict[str, History]:
    """Runs of each duty: those that the sensor launched, and of those under way also what anybody else did."""
    by_name = {duty.name: duty for duty in duties}
    found: dict[str, History] = {}
    ended = instance.get_run_records(dg.RunsFilter(tags={DUTY: list(by_name)}, statuses=list(OVER)))
    for record in ended:
        run = record.dagster_run
        name = run.tags[DUTY]
        at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        former = found.get(name, History())
        is_success = run.status == dg.DagsterRunStatus.SUCCESS
        counts = not is_success and at >= _inputs_since(home, by_name[name])
        found[name] = History(
            runs=former.runs + 1,
            failures=former.failures + counts,
            failed_at=max(filter(None, (former.failed_at, at if counts else None)), default=None),
            has_succeeded=former.has_succeeded or is_success,
        )
    running = instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)))
    for duty in duties:
        if any(_is_of(run, duty) for run in running):
            former = found.get(duty.name, History())
            found[duty.name] = History(
                former.runs, former.failures, former.failed_at, former.has_succeeded, is_under_way=True
            )
    return found


def summary(decision: Decision) -> str:
    """What a look that launches nothing says."""
    reasons = Counter(reason for _, reason in decision.waiting)
    parts = [f"{len(decision.under_way)} under way"] if decision.under_way else []
    parts += [reason for reason, _ in reasons.most_common(WAITING_SHOWN)]
    if len(reasons) > WAITING_SHOWN:
        parts.append(f"{len(reasons) - WAITING_SHOWN} more reasons to wait")
    parts += [f"given up: {duty.name}" for duty in decision.given_up]
    return "; ".join(parts) or "everything that is owed has been made"


def _is_of(run: dg.DagsterRun, duty: Duty) -> bool:
    """Whether a run makes any of a duty's assets for its key, or is the duty's own."""
    if run.tags.get(DUTY) == duty.name:
        return True
    if not duty.assets:
        return run.job_name == duty.job
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    if run.job_name != duty.job and not selected & set(duty.assets):
        return False
    first = run.tags.get(RANGE_START, run.tags.get(PARTITION))
    last = run.tags.get(RANGE_END, first)
    return first is not None and last is not None and first <= duty.key <= last


def _inputs_since(home: Home, duty: Duty) -> datetime:
    """When the newest raw rows of a duty's session came in: what failed before them failed with other rows."""
    files = [home.lake.path(asset, duty.key) for asset in duty.assets if asset in TABLES]
    newest = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    return datetime.fromtimestamp(newest, UTC)
