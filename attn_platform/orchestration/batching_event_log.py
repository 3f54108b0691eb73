"""SQLite event log that keeps up with thousands of partitions in one run.

Dagster's own SQLite storage opens a new engine for every event and inserts events one by one, also those that it was
handed as a batch: ten minutes for one asset over a decade of sessions. This subclass keeps its engines (and so their
compiled statements) and writes the asset events of a batch in two transactions, one on the run's database and one on
the index over all runs: twenty times faster and more. What it stores is the same, row for row, but for planned checks.
PostgreSQL deployments use dagster-postgres instead.

Two databases cannot be committed at once. As in Dagster's own storage the run's comes first: the index never names an
event that its run does not hold. When a batch fails, nobody knows how far it came: a failed commit may be on the disk.
So each of its events is stored again by itself, as far as it is not there yet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Self, cast

import dagster as dg
import sqlalchemy
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from attn_platform.orchestration.dagster_internals.sqlite_parts import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    AssetCheckEvaluationPlanned,
    AssetCheckExecutionsTable,
    ConfigurableClassData,
    SqlEventLogStorageTable,
)
from attn_platform.orchestration.dagster_internals.sqlite_storage import SqliteEventLogStorage

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with engines kept and asset events written in batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._known_tables: dict[str, bool] = {}
        self._known_columns: dict[str, bool] = {}
        # By identity, for an event is not hashable; holding it keeps its identity its own.
        self._doubtful: dict[int, dg.EventLogEntry] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """One option: the folder of the databases."""
        return {"base_dir": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Built by Dagster from dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._transaction(shard) as connection:
            yield connection

    @contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        """A transaction on one database; the caller holds the lock."""
        engine = self._engines.get(shard)
        if engine is None:
            engine = self._engines[shard] = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=NullPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection, connection.begin():
            yield connection

    def has_table(self, table_name: str) -> bool:
        """As Dagster's, asked of the database once."""
        if not self._known_tables.get(table_name):
            self._known_tables[table_name] = super().has_table(table_name)
        return self._known_tables[table_name]

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if not self._known_columns.get(column_name):
            self._known_columns[column_name] = super()._has_asset_key_col_on_connection(conn, column_name)
        return self._known_columns[column_name]

    def store_event(self, event: dg.EventLogEntry) -> None:
        """As Dagster's; of an event whose batch has failed, what is not there yet."""
        if id(event) in self._doubtful:
            self._store_what_is_missing(event)
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events in their order: each stretch of asset events at once, all others as Dagster does.

        Where that fails, whatever the reason, what is missing is stored event by event. Where that fails as well, the
        events stay doubtful: Dagster will store each once more.
        """
        try:
            for (run_id, is_asset_event), stretch in groupby(events, lambda each: (each.run_id, _is_asset_event(each))):
                together = list(stretch)
                if is_asset_event and len(together) > 1:
                    self._store_asset_events(run_id, together)
                else:
                    for event in together:
                        self.store_event(event)
        except Exception as error:
            reason = str(error).partition("\n")[0]  # further lines are the statement and its parameters
            logger.warning("%d events could not be stored at once (%s); storing them one by one", len(events), reason)
            self._doubtful.update((id(event), event) for event in events)
            for event in events:
                self.store_event(event)
            for event in events:
                self._doubtful.pop(id(event), None)

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """One row a check and run: our checks judge a run as a whole.

        Dagster plans one evaluation a partition, most of which no evaluation ever meets: the check's page would list
        thousands that never ran.
        """
        planned = event.get_dagster_event()
        data = cast(AssetCheckEvaluationPlanned, planned.event_specific_data)
        whole = AssetCheckEvaluationPlanned(asset_key=data.asset_key, check_name=data.check_name)
        unpartitioned = event._replace(dagster_event=planned._replace(event_specific_data=whole))
        super()._store_asset_check_evaluation_planned(unpartitioned, event_id)

    def _store_asset_events(self, run_id: str, events: Sequence[dg.EventLogEntry]) -> None:
        """Asset events of one run: first in the run's database, then in the index over all runs."""
        rows = [self._event_to_row(event) for event in events]
        with self._db_lock:
            with self._transaction(run_id) as run:
                run.execute(SqlEventLogStorageTable.insert(), rows)
            with self._transaction(INDEX_SHARD_NAME) as index:
                self._enter_asset_events(index, events, rows)

    def _enter_asset_events(self, index: Connection, events: Sequence[dg.EventLogEntry], rows: Sequence[Row]) -> None:
        """Events, their tags, and the newest event of each asset, which is one entry: the last of each type will do."""
        ids = [_insert(index, row) for row in rows]
        self._store_asset_event_tags(index, events, ids)
        newest = {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
            for event, event_id in zip(events, ids, strict=True)
        }
        for event, event_id in newest.values():
            self._store_asset_event(index, event, event_id)

    def _store_what_is_missing(self, event: dg.EventLogEntry) -> None:
        """The event in each place where Dagster's `store_event` puts it and where it is not yet.

        An event is known by all that its row holds: the run and the microsecond are part of it, so no other run's, and
        none of another attempt, is taken for it.
        """
        row = self._event_to_row(event)
        with self._connect(event.run_id) as run:
            if _find(run, row) is None:
                _insert(run, row)
        kind = event.dagster_event_type if event.is_dagster_event else None
        if kind in ASSET_EVENTS:
            with self._connect(INDEX_SHARD_NAME) as index:
                if _find(index, row) is None:  # else its tags and the asset's entry are there: one transaction
                    self._enter_asset_events(index, [event], [row])
        elif kind in ASSET_CHECK_EVENTS or kind in EVENT_TYPE_TO_PIPELINE_RUN_STATUS:
            with self._connect(INDEX_SHARD_NAME) as index:
                found = _find(index, row)
                event_id = _insert(index, row) if found is None else found
            if kind in ASSET_CHECK_EVENTS and not self._has_check_execution(event, event_id):
                self.store_asset_check_event(event, event_id)

    def _has_check_execution(self, event: dg.EventLogEntry, event_id: int) -> bool:
        """Whether the event, which has that id in the index, was entered among the executions of checks.

        The row of a planned one is that of its evaluation, once that has come.
        """
        columns = AssetCheckExecutionsTable.c
        of_event = sqlalchemy.select(columns.id)
        if event.dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            planned = cast(AssetCheckEvaluationPlanned, event.get_dagster_event().event_specific_data)
            of_event = of_event.where(
                columns.asset_key == planned.asset_key.to_string(),
                columns.check_name == planned.check_name,
                columns.run_id == event.run_id,
            )
        else:
            of_event = of_event.where(columns.evaluation_event_storage_id == event_id)
        with self._connect(INDEX_SHARD_NAME) as index:
            return index.execute(of_event).first() is not None


def _is_asset_event(event: dg.EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


def _insert(connection: Connection, row: Row) -> int:
    """The id of the new row."""
    # Not `insert().values(…)`: that states and caches thousands of statements where this is one
    inserted = connection.execute(SqlEventLogStorageTable.insert(), dict(row))
    return int(cast(Any, inserted.inserted_primary_key)[0])


def _find(connection: Connection, row: Row) -> int | None:
    """The id of a row that holds exactly that; None where there is none."""
    columns = SqlEventLogStorageTable.c
    same = sqlalchemy.select(columns.id).where(*(columns[name] == value for name, value in row.items()))
    return connection.execute(same.limit(1)).scalar()
