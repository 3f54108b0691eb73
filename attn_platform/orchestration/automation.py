"""The sensor that finishes what the calendar owes, whatever happened before.

A schedule asks at a moment, once, and Dagster matches its run key together with the tick, so that three ticks of one
morning launch three runs of one session. A sensor looks again and again at what is there, and its run keys hold for
good: each piece of work (`owed`) is launched once, when its inputs are there, and again only where a run of it failed,
or where rows were corrected that it was made from (`corrected`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from attn_platform.automation import Decision, Duty, History, decide
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.market.contract import TABLES
from attn_platform.orchestration.corrected import to_be_made_again
from attn_platform.orchestration.freshness import Lineage
from attn_platform.orchestration.owed import after_corrections, owed
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
        repository = context.repository_def
        assert repository is not None
        decision = decision_now(home, partitions, context.instance, exchange_now(), lambda: repository.asset_graph)
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
            "a session, universe, training, forecasts, target portfolios, reports. Catches up what was missed, tries "
            "again what failed, and makes again what was made from rows that were corrected since, but for weeks whose "
            "orders were sent."
        ),
    )


def exchange_now() -> datetime:
    """The time now, on the exchange's clock."""
    return datetime.now(EXCHANGE_ZONE)


def decision_now(
    home: Home, partitions: Partitions, instance: dg.DagsterInstance, now: datetime, graph: Callable[[], Any]
) -> Decision:
    """What becomes of the work that is owed; `graph` gives Dagster's asset graph, where rows were corrected."""
    config = home.settings.automation

    @cache
    def logged(asset: str) -> Collection[str]:
        return instance.get_materialized_partitions(dg.AssetKey(asset))

    @cache
    def lineage() -> Lineage:
        return Lineage(graph(), instance)

    duties = owed(home, partitions, logged, now, config.catch_up_sessions)
    since = partitions.sessions.get_partition_keys(now)[-config.catch_up_sessions :][:1]
    stale = to_be_made_again(home, instance, lineage, since[0]) if since else {}
    if stale:
        duties = [after_corrections(duty, logged, stale, lineage()) for duty in duties]

    @cache
    def made(asset: str) -> Collection[str]:
        return set(logged(asset)) - set(stale[asset].index) if asset in stale else logged(asset)

    return decide(duties, made, histories(home, instance, duties), now, config)


def histories(home: Home, instance: dg.DagsterInstance, duties: Sequence[Duty]) -> dict[str, History]:
    """Runs of each duty: those that the sensor launched, and of those under way also what anybody else did.

    Failures count since the last success. A success counts as long as no run of what the duty needs has succeeded
    since: the pages of a week are made again after its portfolios.
    """
    ended = instance.get_run_records(dg.RunsFilter(tags={DUTY: [duty.name for duty in duties]}, statuses=list(OVER)))
    by_name: dict[str, list[dg.RunRecord]] = {}
    for record in ended:
        by_name.setdefault(record.dagster_run.tags[DUTY], []).append(record)
    succeeded = {
        name: max(_ended_at(record) for record in records if record.dagster_run.status == dg.DagsterRunStatus.SUCCESS)
        for name, records in by_name.items()
        if any(record.dagster_run.status == dg.DagsterRunStatus.SUCCESS for record in records)
    }
    made_at: dict[tuple[str, str], datetime] = {}
    for duty in duties:
        for place in ((asset, duty.key) for asset in duty.assets if duty.name in succeeded):
            made_at[place] = max(succeeded[duty.name], made_at.get(place, succeeded[duty.name]))
    found: dict[str, History] = {}
    for duty in duties:
        at = succeeded.get(duty.name)
        since = max(filter(None, (_inputs_since(home, duty), at)))
        failed = [
            when
            for record in by_name.get(duty.name, ())
            if record.dagster_run.status != dg.DagsterRunStatus.SUCCESS and (when := _ended_at(record)) >= since
        ]
        made_later = at is not None and any(made_at.get(place, at) > at for place in duty.needs)
        found[duty.name] = History(
            runs=len(by_name.get(duty.name, ())),
            failures=len(failed),
            failed_at=max(failed, default=None),
            has_succeeded=at is not None and not made_later,
        )
    running = instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)))
    for duty in duties:
        if any(_is_of(run, duty) for run in running):
            found[duty.name] = replace(found[duty.name], is_under_way=True)
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


def _ended_at(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)


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
