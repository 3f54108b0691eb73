"""SQLite event log that keeps up with thousands of partitions in one run.

Dagster's own SQLite storage opens a new engine for every event and inserts events one by one: about 14 ms for each
asset and partition, ten minutes for one asset over a decade of sessions. This subclass keeps its engines (and so their
compiled statements) and writes a batch of events in one transaction: below 1 ms. What it stores is the same, row for
row. PostgreSQL deployments use dagster-postgres instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy
from dagster import EventLogEntry
from dagster._config import StringSource
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import ASSET_EVENTS
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

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
        with self._db_lock:
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
        """Store the events of one step: one transaction for the run's database, one for the index over all runs.

        The index keeps one entry an asset with its newest event, so of each asset and type only the last one is
        entered. Batches with other than asset events go one by one.
        """
        if len({event.run_id for event in events}) != 1 or not all(
            event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS for event in events
        ):
            for event in events:
                self.store_event(event)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            ids = [
                connection.execute(SqlEventLogStorageTable.insert().values(**row)).inserted_primary_key[0]
                for row in rows
            ]
            self._store_asset_event_tags(connection, events, ids)
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)
