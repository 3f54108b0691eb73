"""Dagster's own SQLite event log, under the name that its documentation gives to `dagster.yaml`."""

from dagster._core.storage.event_log import SqliteEventLogStorage

__all__ = ["SqliteEventLogStorage"]
