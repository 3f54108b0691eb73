"""SQLite event log that keeps up with thousands of partitions in one run.

Dagster's own SQLite storage opens a new engine for every event and inserts events one by one: about 14 ms for each
asset and partition, ten minutes for one asset over a decade of sessions. This subclass keeps its engines (and so their
compiled statements) and writes the asset events of a batch in one transaction: below 1 ms. What it stores is the same,
row for row, but for planned checks. PostgreSQL deployments use dagster-postgres instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Self, cast

import sqlalchemy
from dagster import EventLogEntry
from dagster._config import StringSource
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import ASSET_EVENTS
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

logger = logging.getLogger(__name__)

BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000


def enable_batches() -> None:
    """Make Dagster hand over events of one step in batches (its own switch is an environment variable)."""
    os.environ.setdefault(BATCH_VARIABLE, str(BATCH_SIZE))


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with engines kept and asset events written in batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._known_tables: dict[str, bool] = {}
        self._known_columns: dict[str, bool] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """One option: the folder of the databases."""
        return {"base_dir": StringSource}

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

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in their order: each stretch of asset events at once, all others as Dagster does."""
        for (run_id, is_asset_event), stretch in groupby(events, lambda event: (event.run_id, _is_asset_event(event))):
            together = list(stretch)
            if is_asset_event and len(together) > 1:
                self._store_together(run_id, together)
            else:
                for event in together:
                    self.store_event(event)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """One row a check and run: our checks judge a run as a whole.

        Dagster plans one evaluation a partition, most of which no evaluation ever meets: the check's page would list
        thousands that never ran.
        """
        planned = event.get_dagster_event()
        data = cast(AssetCheckEvaluationPlanned, planned.event_specific_data)
        whole = AssetCheckEvaluationPlanned(asset_key=data.asset_key, check_name=data.check_name)
        unpartitioned = event._replace(dagster_event=planned._replace(event_specific_data=whole))
        super()._store_asset_check_evaluation_planned(unpartitioned, event_id)

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """Asset events of one run in one transaction, one by one where that fails."""
        try:
            self._store_asset_events(run_id, events)
        except SQLAlchemyError as error:
            logger.warning("%d events could not be stored at once (%s); storing them one by one", len(events), error)
            for event in events:
                self.store_event(event)

    def _store_asset_events(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """Rows in the run's database and in the index over all runs: both are committed, or none.

        The index keeps one entry an asset with its newest event, so of each asset and type only the last one is
        entered.
        """
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self._db_lock, self._transaction(run_id) as run, self._transaction(INDEX_SHARD_NAME) as index:
            run.execute(insert, rows)
            ids = [cast(Any, index.execute(insert.values(**row)).inserted_primary_key)[0] for row in rows]
            self._store_asset_event_tags(index, events, ids)
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(index, event, event_id)


def _is_asset_event(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS
