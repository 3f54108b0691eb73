"""The event log of a home, as its `dagster.yaml` names it: ours, or Dagster's own where ours would not fit to Dagster.

Both read and write the same databases, so a home can go from one to the other and back. Every process that Dagster
starts on a home loads this, the webserver among them: with it come what the UI knows of staleness (`stale_status`) and
quick look-ups of partitions. `postgres_event_log` is the like for PostgreSQL.
"""

from __future__ import annotations

import attn_platform.orchestration.stale_status  # noqa: F401  (for what importing it does)
from attn_platform.orchestration.dagster_internals import say_plain, why_plain
from attn_platform.orchestration.dagster_internals.partition_lookups import quicken_lookups
from attn_platform.orchestration.dagster_internals.sqlite_storage import SqliteEventLogStorage


def storage_class() -> type[SqliteEventLogStorage]:
    """Our class where Dagster's is the one that it was written for; else Dagster's."""
    try:
        from attn_platform.orchestration.dagster_internals.sqlite_parts import METHODS

        reason = why_plain(SqliteEventLogStorage, METHODS)
    except ImportError as error:
        reason = str(error)
    if reason is None:
        from attn_platform.orchestration import batching_event_log

        return batching_event_log.BatchingSqliteEventLogStorage
    say_plain("The batching event log", reason, "Dagster's own is used, which is slower over many partitions")
    return SqliteEventLogStorage


quicken_lookups()
BatchingSqliteEventLogStorage = storage_class()
