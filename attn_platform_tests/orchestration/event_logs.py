"""A small graph, runs of it that one event log or another records, and the rows that they leave."""

import sqlite3
import uuid
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME

from attn_platform.orchestration.event_batches import BATCH_VARIABLE
from attn_platform.orchestration.pipeline import QUIET, RANGE_END, RANGE_START

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-21")
DAILY = ("prices", "volumes", "factors")
FIRST, LAST, COUNT = "2024-01-01", "2024-01-20", 20
RUNS = tuple(str(uuid.UUID(int=number)) for number in (1, 2))
ANOTHER_RUN = str(uuid.UUID(int=3))
VOLATILE = (
    "timestamp", "event_timestamp", "create_timestamp", "last_materialization_timestamp", "evaluation_event_timestamp",
)  # fmt: skip
TABLES = ("event_logs", "asset_keys", "asset_event_tags")
CHECKS = "asset_check_executions"


def assets():
    check = dg.AssetCheckSpec("positive", asset=dg.AssetKey("prices"), blocking=True)
    backfill = dg.BackfillPolicy.single_run()

    @dg.multi_asset(
        specs=[dg.AssetSpec(name, partitions_def=DAYS, code_version="1") for name in ("prices", "volumes")],
        check_specs=[check],
        backfill_policy=backfill,
    )
    def raw(context):
        yield dg.MaterializeResult("prices", metadata={"rows": 3}, tags={"source": "test"})
        yield dg.AssetCheckResult(check_name="positive", asset_key="prices", passed=True)
        yield dg.MaterializeResult("volumes")

    @dg.asset(partitions_def=DAYS, backfill_policy=backfill, deps=["prices"])
    def factors(context):
        context.log.info("computing")
        return dg.MaterializeResult()

    @dg.asset(deps=["factors"])
    def report(context):
        return dg.MaterializeResult()

    return [raw, factors, report]


def open_log(folder: Path, storage: type) -> dg.DagsterInstance:
    """An instance whose events that storage keeps; the folder may hold events of another one."""
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(
        f"event_log_storage: {{module: {storage.__module__}, class: {storage.__name__}, "
        f"config: {{base_dir: {folder / 'events'}}}}}\ntelemetry: {{enabled: false}}\n"
    )
    return dg.DagsterInstance.from_config(str(folder))


def record(instance: dg.DagsterInstance, run_id: str, names: tuple[str, ...], batch: int) -> None:
    """One run of these assets, over all days where they have partitions."""
    tags = {} if "report" in names else {RANGE_START: FIRST, RANGE_END: LAST}
    keys = [dg.AssetKey(name) for name in names]
    job = dg.Definitions(assets=assets()).resolve_implicit_global_asset_job_def()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_VARIABLE, str(batch))
        assert job.execute_in_process(
            instance=instance, run_id=run_id, asset_selection=keys, tags=tags, run_config=QUIET
        ).success


def run_both(folder: Path, storage: type, batch: int) -> dg.DagsterInstance:
    """The same two runs, with the same ids, recorded by that storage."""
    instance = open_log(folder, storage)
    record(instance, RUNS[0], DAILY, batch)
    record(instance, RUNS[1], ("report",), batch)
    return instance


def rows(instance: dg.DagsterInstance, shard: str, table: str) -> list[dict]:
    """All rows of a table, less what a clock or a random number put there."""
    folder = Path(instance.root_directory) / "events"
    with sqlite3.connect(folder / f"{shard}.db") as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]
    return [{name: _without_clock(name, value) for name, value in row.items()} for row in found]


def _without_clock(name: str, value: object) -> object:
    if name in VOLATILE:
        return value is not None
    if isinstance(value, str) and value.startswith("{") and "__class__" in value:
        event = dg.deserialize_value(value)
        while not hasattr(event, "dagster_event"):
            event = event.event_log_entry
        return (event.run_id, event.step_key, event.level, _described(event.dagster_event) or event.user_message)
    return value


def _described(event) -> tuple | None:
    if event is None:
        return None
    materialised = event.step_materialization_data.materialization if event.is_step_materialization else None
    tags = dict(materialised.tags or {}) if materialised else None
    metadata = materialised.metadata if materialised else None
    return event.event_type_value, event.asset_key, event.partition, str(tags), str(metadata)


def assert_same_rows(own: dg.DagsterInstance, stock: dg.DagsterInstance, runs: tuple[str, ...] = RUNS) -> None:
    for shard, tables in ((INDEX_SHARD_NAME, TABLES), *((run, TABLES[:1]) for run in runs)):
        for table in tables:
            expected = rows(stock, shard, table)
            assert rows(own, shard, table) == expected, (shard, table)
            assert expected, (shard, table)
