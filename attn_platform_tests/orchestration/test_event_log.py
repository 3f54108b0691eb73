"""The batching event log against Dagster's own SQLite storage: same run, same rows, same answers."""

import sqlite3
import uuid
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from sqlalchemy.exc import OperationalError

from attn_platform.orchestration.event_log import BATCH_VARIABLE, BatchingSqliteEventLogStorage
from attn_platform.orchestration.road import QUIET, RANGE_END, RANGE_START

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-09")
FIRST, LAST, COUNT = "2024-01-01", "2024-01-08", 8
RUNS = tuple(str(uuid.UUID(int=number)) for number in (1, 2))
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


def run_both(folder: Path, storage_class: type, batch: int) -> dg.DagsterInstance:
    """The same two runs, with the same ids, recorded by that storage."""
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        f"event_log_storage: {{module: {storage_class.__module__}, class: {storage_class.__name__}, "
        f"config: {{base_dir: {folder / 'events'}}}}}\ntelemetry: {{enabled: false}}\n"
    )
    instance = dg.DagsterInstance.from_config(str(folder))
    job = dg.Definitions(assets=assets()).resolve_implicit_global_asset_job_def()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_VARIABLE, str(batch))
        for run_id, names, tags in (
            (RUNS[0], ["prices", "volumes", "factors"], {RANGE_START: FIRST, RANGE_END: LAST}),
            (RUNS[1], ["report"], {}),
        ):
            keys = [dg.AssetKey(name) for name in names]
            done = job.execute_in_process(
                instance=instance, run_id=run_id, asset_selection=keys, tags=tags, run_config=QUIET
            )
            assert done.success
    return instance


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    return run_both(tmp_path_factory.mktemp("events") / "stock", SqliteEventLogStorage, 0)


@pytest.fixture(scope="module")
def transactions():
    """The databases on which `batched` opened a transaction, one entry each."""
    return []


@pytest.fixture(scope="module")
def batched(tmp_path_factory, transactions):
    original = BatchingSqliteEventLogStorage._transaction

    def counted(self, shard):
        transactions.append(shard)
        return original(self, shard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchingSqliteEventLogStorage, "_transaction", counted)
        return run_both(tmp_path_factory.mktemp("events") / "batched", BatchingSqliteEventLogStorage, 1000)


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


def assert_same_rows(own: dg.DagsterInstance, stock: dg.DagsterInstance) -> None:
    for shard, tables in ((INDEX_SHARD_NAME, TABLES), *((run, TABLES[:1]) for run in RUNS)):
        for table in tables:
            expected = rows(stock, shard, table)
            assert rows(own, shard, table) == expected, (shard, table)
            assert expected, (shard, table)


def test_rows_are_those_of_dagsters_own_storage(batched, stock):
    assert_same_rows(batched, stock)
    assert len(rows(batched, INDEX_SHARD_NAME, "event_logs")) > 2 * 3 * COUNT


def test_rows_are_the_same_in_batches_that_end_in_the_middle(tmp_path, stock):
    assert_same_rows(run_both(tmp_path / "own", BatchingSqliteEventLogStorage, 5), stock)


def test_a_check_of_many_partitions_is_one_execution(batched, stock):
    """Dagster's own storage leaves one planned row a partition behind, which no evaluation ever fulfils."""
    [own] = rows(batched, INDEX_SHARD_NAME, CHECKS)
    evaluated = [row for row in rows(stock, INDEX_SHARD_NAME, CHECKS) if row["execution_status"] == "SUCCEEDED"]
    assert [{**own, "id": None}] == [{**row, "id": None} for row in evaluated]


def test_what_an_asset_page_asks_is_answered(batched):
    assert isinstance(batched.event_log_storage, BatchingSqliteEventLogStorage)
    days = set(DAYS.get_partition_keys())
    for name in ("prices", "volumes", "factors"):
        key = dg.AssetKey(name)
        assert batched.get_materialized_partitions(key) == days
        newest = batched.get_latest_materialization_event(key)
        assert newest is not None
        assert newest.dagster_event.partition == LAST
        assert newest.run_id == RUNS[0]
        assert batched.get_asset_records([key])[0].asset_entry.last_materialization.run_id == RUNS[0]
        of_day = batched.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=["2024-01-05"]), limit=5)
        assert [record.partition_key for record in of_day.records] == ["2024-01-05"]
    prices = batched.get_latest_materialization_event(dg.AssetKey("prices"))
    assert prices.asset_materialization.metadata["rows"].value == 3
    check = dg.AssetCheckKey(dg.AssetKey("prices"), "positive")
    executions = batched.event_log_storage.get_asset_check_execution_history(check, limit=10)
    assert [execution.status.value for execution in executions] == ["SUCCEEDED"]
    assert batched.get_run_stats(RUNS[0]).steps_succeeded == 2


@pytest.mark.parametrize("step", ["_store_asset_event_tags", "_store_asset_event"])
def test_a_failing_batch_falls_back_to_single_events_without_a_double_row(tmp_path, stock, monkeypatch, caplog, step):
    """Whether it fails after the first rows or at the last one, none of the batch's rows stays."""
    storage = BatchingSqliteEventLogStorage
    store_together, store = storage._store_asset_events, getattr(storage, step)
    failures, batch = [], []

    def together(self, run_id, events):
        batch[:] = events
        try:
            store_together(self, run_id, events)
        finally:
            batch.clear()

    def fails_in_batches(self, connection, *arguments):
        if batch:
            failures.append(len(batch))
            raise OperationalError("insert", {}, Exception("database is locked"))
        return store(self, connection, *arguments)

    monkeypatch.setattr(storage, "_store_asset_events", together)
    monkeypatch.setattr(storage, step, fails_in_batches)
    own = run_both(tmp_path / "own", storage, 1000)
    assert len(failures) >= 3
    assert max(failures) >= COUNT
    assert caplog.text.count("storing them one by one") == len(failures)
    assert_same_rows(own, stock)


def test_a_stretch_of_partitions_is_one_transaction(batched, transactions):
    """The point of it: one by one, each planned and each materialised partition would be one on the index."""
    assert transactions.count(INDEX_SHARD_NAME) < 2 * 3 * COUNT
