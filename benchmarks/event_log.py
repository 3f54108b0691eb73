"""Milliseconds per asset and partition of a run over many partitions: the platform's event log against Dagster's.

Run: python benchmarks/event_log.py [PARTITIONS] (default 250; both storages in the same process, on fresh folders).
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import dagster as dg

from attn_platform.orchestration.event_batches import enable_batches

ASSETS = 4
STORAGES = {
    "dagster (SqliteEventLogStorage)": ("dagster._core.storage.event_log", "SqliteEventLogStorage"),
    "platform (BatchingSqliteEventLogStorage)": (
        "attn_platform.orchestration.event_log",
        "BatchingSqliteEventLogStorage",
    ),
}
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def measure(module: str, name: str, partitions: int) -> float:
    """Seconds of one run of `ASSETS` assets over `partitions` partitions."""
    definition = dg.StaticPartitionsDefinition([f"{key:05d}" for key in range(partitions)])

    def make(number: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{number}", partitions_def=definition, backfill_policy=dg.BackfillPolicy.single_run())
        def asset() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"rows": partitions})

        return asset

    with tempfile.TemporaryDirectory() as folder:
        configuration = (
            f"event_log_storage:\n  module: {module}\n  class: {name}\n  config: {{base_dir: {folder}/events}}\n"
            "telemetry: {enabled: false}\n"
        )
        Path(folder, "dagster.yaml").write_text(configuration, encoding="utf-8")
        with dg.DagsterInstance.from_config(folder) as instance:
            started = time.perf_counter()
            tags = {
                "dagster/asset_partition_range_start": "00000",
                "dagster/asset_partition_range_end": f"{partitions - 1:05d}",
            }
            result = dg.materialize([make(n) for n in range(ASSETS)], instance=instance, tags=tags, run_config=QUIET)
            assert result.success
            return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    enable_batches()
    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    seconds = {label: measure(*storage, partitions) for label, storage in STORAGES.items()}
    baseline = next(iter(seconds.values()))
    print(f"{ASSETS} assets x {partitions} partitions in one run")
    for label, value in seconds.items():
        each = value / ASSETS / partitions * 1e3
        print(f"{label:45s} {value:8.2f} s {each:8.2f} ms each {baseline / value:8.1f}x")


if __name__ == "__main__":
    main()
