"""The batching event log against Dagster's own SQLite storage: same run, same rows, same answers."""

import shutil

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from sqlalchemy.exc import OperationalError

from attn_platform.orchestration.event_log import BatchingSqliteEventLogStorage
from attn_platform_tests.orchestration.event_logs import (
    ANOTHER_RUN,
    CHECKS,
    COUNT,
    DAILY,
    DAYS,
    LAST,
    RUNS,
    assert_same_rows,
    open_log,
    record,
    rows,
    run_both,
)


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
    assert type(batched.event_log_storage) is BatchingSqliteEventLogStorage
    days = set(DAYS.get_partition_keys())
    for name in DAILY:
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


@pytest.mark.slow
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


STORAGES = {"own": BatchingSqliteEventLogStorage, "stock": SqliteEventLogStorage}


@pytest.fixture(scope="module")
def made_by(batched, stock):
    return {"own": batched, "stock": stock}


def answers(instance: dg.DagsterInstance) -> list:
    """What the pages of runs, assets and checks ask for."""
    check = dg.AssetCheckKey(dg.AssetKey("prices"), "positive")
    keys = [dg.AssetKey(name) for name in (*DAILY, "report")]
    return [
        *(instance.all_logs(run) for run in RUNS),
        *(instance.fetch_materializations(key, limit=100).records for key in keys),
        *(instance.get_latest_materialization_event(key) for key in keys),
        *(instance.get_materialized_partitions(key) for key in keys),
        instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [("own", "stock"), ("stock", "own")])
def test_a_home_goes_from_one_storage_to_the_other_and_back(made_by, tmp_path, before, after):
    expected = answers(made_by[before])
    shutil.copytree(made_by[before].root_directory, tmp_path / "home")
    with open_log(tmp_path / "home", STORAGES[after]) as instance:
        assert type(instance.event_log_storage) is STORAGES[after]
        assert answers(instance) == expected
        record(instance, ANOTHER_RUN, DAILY, 1000)
    with open_log(tmp_path / "home", STORAGES[before]) as instance:
        assert answers(instance)[:2] == expected[:2], "the runs of before are what they were"
        assert len(instance.all_logs(ANOTHER_RUN)) == len(instance.all_logs(RUNS[0]))
        for name in DAILY:
            key = dg.AssetKey(name)
            found = instance.fetch_materializations(key, limit=100).records
            assert [record.run_id for record in found] == [ANOTHER_RUN] * COUNT + [RUNS[0]] * COUNT
            assert instance.get_latest_materialization_event(key).run_id == ANOTHER_RUN
    with open_log(tmp_path / "stock", SqliteEventLogStorage) as stock:
        for run, names in ((RUNS[0], DAILY), (RUNS[1], ("report",)), (ANOTHER_RUN, DAILY)):
            record(stock, run, names, 0)
        assert_same_rows(instance, stock, (*RUNS, ANOTHER_RUN))
