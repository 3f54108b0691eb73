"""What the batching event log is made of: tables, kinds of events, and the methods that it calls or overrides.

Importing this loads SQLAlchemy: only the event log does.
"""

from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

__all__ = [
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    "EVENT_TYPE_TO_PIPELINE_RUN_STATUS",
    "INDEX_SHARD_NAME",
    "METHODS",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "AssetCheckEvaluationPlanned",
    "AssetCheckExecutionsTable",
    "ConfigurableClassData",
    "SqlEventLogStorageTable",
]

METHODS = {
    "__init__": ("self", "base_dir", "inst_data"),
    "config_type": (),
    "from_config_value": ("inst_data", "config_value"),
    "conn_string_for_shard": ("self", "shard_name"),
    "has_table": ("self", "table_name"),
    "store_event": ("self", "event"),
    "store_event_batch": ("self", "events"),
    "store_asset_check_event": ("self", "event", "event_id"),
    "_connect": ("self", "shard"),
    "_initdb": ("self", "engine", "for_index_shard"),
    "_event_to_row": ("self", "event"),
    "_has_asset_key_col_on_connection": ("self", "conn", "column_name"),
    "_store_asset_event": ("self", "conn", "event", "event_id"),
    "_store_asset_event_tags": ("self", "conn", "events", "event_ids"),
    "_store_asset_check_evaluation_planned": ("self", "event", "event_id"),
}
"""Methods of Dagster's storage, each with its parameters."""
