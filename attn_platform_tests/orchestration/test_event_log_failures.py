"""A batch of events of which any statement or commit fails: each event is stored once, in each place."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.events import DagsterEventBatchMetadata
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from attn_platform.orchestration.batching_event_log import BatchingSqliteEventLogStorage
from attn_platform.orchestration.event_batches import BATCH_VARIABLE
from attn_platform_tests.orchestration.event_logs import (
    ANOTHER_RUN,
    CHECKS,
    DAILY,
    RUNS,
    TABLES,
    open_log,
    record,
)

RUN = RUNS[0]
KEYS = [dg.AssetKey(name) for name in DAILY]
STATEMENTS = ("do_execute", "do_executemany", "do_execute_no_params")
# What a clock of the database put there; the events bring all other times.
CREATED = "create_timestamp"


class Faults:
    """Lets chosen calls of SQLite fail, counted from when it is armed: before or after they have had their effect."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at: set[int] = set()
        self.after_effect = False
        self.error: Callable[[], BaseException] = lambda: sqlite3.OperationalError("disk I/O error")
        self.calls: list[tuple[str, str]] = []
        for name in (*STATEMENTS, "do_commit"):
            patch.setattr(SQLiteDialect_pysqlite, name, self._counted(name, getattr(SQLiteDialect_pysqlite, name)))

    def arm(self, *at: int, after_effect: bool = False) -> None:
        self.at, self.after_effect = set(at), after_effect
        self.calls.clear()

    def _counted(self, name: str, original: Callable) -> Callable:
        def call(dialect, first, *rest):
            connection = first if name == "do_commit" else first.connection
            file = connection.execute("PRAGMA database_list").fetchone()[2]
            fails = False
            if Path(file).stem in (RUN, INDEX_SHARD_NAME):  # and not the database of runs
                fails = len(self.calls) in self.at
                self.calls.append((name, Path(file).stem))
            if fails and not self.after_effect:
                raise self.error()
            result = original(dialect, first, *rest)
            if fails:
                raise self.error()
            return result

        return call


@pytest.fixture(scope="module")
def batch(tmp_path_factory) -> list[dg.EventLogEntry]:
    """Events of each kind that is stored in its own way: planned and made partitions, checks, a run's end."""
    batches: list[list[dg.EventLogEntry]] = []

    def caught(self, events):
        batches.append(list(events))

    with (
        pytest.MonkeyPatch.context() as patch,
        open_log(tmp_path_factory.mktemp("caught"), SqliteEventLogStorage) as log,
    ):
        patch.setattr(SqliteEventLogStorage, "store_event_batch", caught)
        record(log, RUN, DAILY, 1000)
        ended = log.all_logs(RUN, of_type={DagsterEventType.ASSET_CHECK_EVALUATION, DagsterEventType.PIPELINE_SUCCESS})
    planned, prices, *_ = batches
    [check] = [event for event in planned if event.dagster_event.asset_key is None]
    first_days = [event for event in planned if event.dagster_event.partition in ("2024-01-01", "2024-01-02")]
    return [check, *first_days[:3], *prices[:2], *ended]


@pytest.fixture(scope="module")
def stock(tmp_path_factory, batch):
    """Dagster's own storage, to which the same events were handed one by one."""
    with open_log(tmp_path_factory.mktemp("stock"), SqliteEventLogStorage) as instance:
        for event in batch:
            instance.event_log_storage.store_event(event)
        yield instance


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A folder with the databases of the index and the run, both without events."""
    folder = tmp_path_factory.mktemp("empty")
    with open_log(folder, BatchingSqliteEventLogStorage) as instance:
        assert instance.all_logs(RUN) == []
    return folder


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.setenv(BATCH_VARIABLE, "1000")
    return Faults(monkeypatch)


def hand_over(instance: dg.DagsterInstance, events: list[dg.EventLogEntry]) -> None:
    """A batch, as Dagster hands it over: where it cannot be stored, each event is handed over once more."""
    for number, event in enumerate(events, start=1):
        instance.handle_new_event(event, batch_metadata=DagsterEventBatchMetadata("batch", number == len(events)))


def stored(instance: dg.DagsterInstance, shard: str, table: str) -> list[dict]:
    with sqlite3.connect(Path(instance.root_directory) / "events" / f"{shard}.db") as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]
    return [{name: value for name, value in row.items() if name != CREATED} for row in found]


def events_of(instance: dg.DagsterInstance, shard: str, run: str = RUN) -> Counter[str]:
    return Counter(row["event"] for row in stored(instance, shard, "event_logs") if row["run_id"] == run)


def contents(instance: dg.DagsterInstance) -> list:
    """Rows of both databases, and the answers to what the pages of runs and assets ask."""
    return [
        stored(instance, RUN, "event_logs"),
        *(stored(instance, INDEX_SHARD_NAME, table) for table in TABLES),
        instance.all_logs(RUN),
        *(instance.fetch_materializations(key, limit=100) for key in KEYS),
        *(instance.get_latest_materialization_event(key) for key in KEYS),
        *(instance.get_materialized_partitions(key) for key in KEYS),
    ]


@pytest.fixture(scope="module")
def expected(stock) -> list:
    return contents(stock)


def assert_stored_once(instance: dg.DagsterInstance, batch: list[dg.EventLogEntry]) -> None:
    for shard in (RUN, INDEX_SHARD_NAME):
        assert len(events_of(instance, shard)) == events_of(instance, shard).total() == len(batch)
    [check] = stored(instance, INDEX_SHARD_NAME, CHECKS)
    assert check["execution_status"] == "SUCCEEDED"


@pytest.fixture
def attempt(faults, empty, tmp_path, batch, expected):
    """Hands the batch over to a fresh log while calls fail; returns the calls that there were."""
    attempts = []

    def run(*at: int, after_effect: bool = False) -> list[tuple[str, str]]:
        folder = tmp_path / str(len(attempts))
        attempts.append(folder)
        shutil.copytree(empty, folder)
        with open_log(folder, BatchingSqliteEventLogStorage) as own:
            faults.arm(*at, after_effect=after_effect)
            hand_over(own, batch)
            calls = list(faults.calls)
            faults.arm()
            assert_stored_once(own, batch)
            assert contents(own) == expected
        return calls

    return run


def positions(calls: list[tuple[str, str]], names: tuple[str, ...]) -> list[int]:
    return [position for position, (name, _) in enumerate(calls) if name in names]


def test_a_batch_without_faults_is_stored_as_one_by_one(attempt):
    calls = attempt()
    assert {shard for name, shard in calls if name == "do_commit"} == {RUN, INDEX_SHARD_NAME}


@pytest.mark.slow
@pytest.mark.parametrize("after_effect", [False, True], ids=["rolled back", "on the disk"])
def test_any_commit_may_fail(attempt, after_effect):
    calls = attempt()
    commits = positions(calls, ("do_commit",))
    assert len(commits) >= 8
    for position in commits:
        assert len(attempt(position, after_effect=after_effect)) > len(calls)


@pytest.mark.slow
def test_any_statement_may_fail(attempt):
    calls = attempt()
    for position in positions(calls, STATEMENTS):
        assert attempt(position)


@pytest.mark.slow
def test_a_commit_and_the_first_that_follows_it_may_fail(attempt, capsys):
    """Then Dagster itself hands each event over once more."""
    for position in positions(attempt(), ("do_commit",)):
        attempt(position, position + 1, after_effect=True)
    assert "Falling back to storing multiple single-event storage requests" in capsys.readouterr().err


@pytest.mark.slow
def test_what_the_index_names_the_run_holds_wherever_the_process_ends(faults, empty, tmp_path, batch):
    class Killed(BaseException):
        pass

    faults.error = Killed
    missing_in_index = []
    for position in count():
        with open_log(Path(shutil.copytree(empty, tmp_path / str(position))), BatchingSqliteEventLogStorage) as own:
            faults.arm(position)
            try:
                hand_over(own, batch)
                break
            except Killed:
                faults.arm()
            missing = events_of(own, RUN) - events_of(own, INDEX_SHARD_NAME)
            assert not events_of(own, INDEX_SHARD_NAME) - events_of(own, RUN), position
            missing_in_index.append(len(missing))
    assert len(missing_in_index) > len(batch)
    assert max(missing_in_index) > 1, "a process that ends between the two commits leaves a batch in the run alone"


@pytest.mark.parametrize("after_effect", [False, True], ids=["rolled back", "on the disk"])
def test_the_same_partitions_of_another_run_are_not_taken_for_those_that_failed(
    faults, attempt, empty, tmp_path, batch, stock, after_effect
):
    """Another process stores its run, to the microsecond at the same time, between a failure and the attempt after."""
    calls = attempt()
    [first, *_] = positions(calls, ("do_executemany",))
    assert calls[first : first + 2] == [("do_executemany", RUN), ("do_commit", RUN)]
    others = [event._replace(run_id=ANOTHER_RUN) for event in batch]
    shutil.copytree(empty, tmp_path / "home")
    with open_log(tmp_path / "home", BatchingSqliteEventLogStorage) as own:
        other = BatchingSqliteEventLogStorage(str(tmp_path / "home" / "events"))

        def while_another_stores():
            faults.arm()
            other.store_event_batch(others)
            return sqlite3.OperationalError("database is locked")

        faults.error = while_another_stores
        faults.arm(first + 1, after_effect=after_effect)
        hand_over(own, batch)
        for shard in (RUN, INDEX_SHARD_NAME):
            assert events_of(own, shard) == events_of(stock, shard)
        of_other = Counter(own.event_log_storage._event_to_row(event)["event"] for event in others)
        for shard in (ANOTHER_RUN, INDEX_SHARD_NAME):
            assert events_of(own, shard, ANOTHER_RUN) == of_other
