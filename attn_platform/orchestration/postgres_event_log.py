"""The event log of a home in PostgreSQL, as `docker/dagster.yaml` names it: that of dagster-postgres, unchanged.

Every process that Dagster starts on a home loads its event log by name, the webserver among them. With this module come
what the UI knows of staleness (`stale_status`) and quick look-ups of partitions, as `event_log` brings them for SQLite.
"""

from __future__ import annotations

from dagster_postgres.event_log import PostgresEventLogStorage

import attn_platform.orchestration.stale_status  # noqa: F401  (for what importing it does)
from attn_platform.orchestration.dagster_internals.partition_lookups import quicken_lookups

__all__ = ["PostgresEventLogStorage"]

quicken_lookups()
