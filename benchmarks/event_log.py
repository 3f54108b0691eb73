"""Milliseconds per partition of one asset that a run makes over many: the platform's event log against Dagster's.

Run: python benchmarks/event_log.py [PARTITIONS] (default 2000, minutes; all in the same process, each on a fresh
folder). Dagster's own storage is measured with its batches (DAGSTER_EVENT_BATCH_SIZE) and without.
"""

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from attn_platform.orchestration.event_batches import BATCH_SIZE, BATCH_VARIABLE

PARTITIONS = 2000
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
DAGSTER = ("dagster._core.storage.event_log", "SqliteEventLogStorage")
PLATFORM = ("attn_platform.orchestration.event_log", "BatchingSqliteEventLogStorage")


@dataclass(frozen=True)
class Case:
    """A storage (module and class), and how many events it is handed at once."""

    label: str
    storage: tuple[str, str]
    batch: int


CASES = (
    Case("dagster, event by event", DAGSTER, 0),
    Case("dagster, batches", DAGSTER, BATCH_SIZE),
    Case("platform, batches", PLATFORM, BATCH_SIZE),
)


@contextmanager
def instance_of(case: Case) -> Iterator[dg.DagsterInstance]:
    """An instance on a fresh folder whose events that storage keeps."""
    module, name = case.storage
    with tempfile.TemporaryDirectory() as folder:
        configuration = (
            f"event_log_storage:\n  module: {module}\n  class: {name}\n  config: {{base_dir: {folder}/events}}\n"
            "telemetry: {enabled: false}\n"
        )
        Path(folder, "dagster.yaml").write_text(configuration, encoding="utf-8")
        with dg.DagsterInstance.from_config(folder) as instance:
            yield instance


def measure(case: Case, partitions: int) -> float:
    """Seconds of one run of an asset over `partitions` partitions."""
    keys = [f"{key:05d}" for key in range(partitions)]

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(keys), backfill_policy=dg.BackfillPolicy.single_run())
    def asset() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": partitions})

    os.environ[BATCH_VARIABLE] = str(case.batch)
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    with instance_of(case) as instance:
        started = time.perf_counter()
        assert dg.materialize([asset], instance=instance, tags=tags, run_config=QUIET).success
        seconds = time.perf_counter() - started
        assert len(instance.get_materialized_partitions(dg.AssetKey("asset"))) == partitions
    return seconds


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else PARTITIONS
    seconds = {case: measure(case, partitions) for case in CASES}
    own = next(value for case, value in seconds.items() if case.storage == PLATFORM)
    print(f"Dagster {dg.__version__}, one asset x {partitions} partitions in one run")
    print(f"{'':25s} {'seconds':>9s} {'ms each':>9s} {'of ours':>9s}")
    for case, value in seconds.items():
        print(f"{case.label:25s} {value:9.2f} {value / partitions * 1e3:9.2f} {value / own:8.1f}x")


if __name__ == "__main__":
    main()
