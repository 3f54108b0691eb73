"""One session of intraday data, from Parquet to all daily indicators: the platform beside pandas and polars.

Run: python benchmarks/intraday.py [--quick] [--out FILE]. Bars: 5,000 stocks × 240 minutes. Order flow: 20 million
trades and 10 million snapshots of the same stocks. Each side runs in a process of its own; of the platform and of
polars the fastest of three runs after a first one counts, of pandas the only one. The script ends where a figure of one
side is not that of the platform. Below it what a real full day (1.2 million bars, 100 million trades, 60 million
snapshots) and ten years of it take, by arithmetic from what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from intraday_peers.generated_session import SESSION, write_bars, write_flow
from intraday_peers.measure import write_history

from attn_platform.market.lake import Lake
from attn_platform.writing import write_atomically

STOCKS, TRADES, SNAPSHOTS = 5_000, 20_000_000, 10_000_000
QUICK = 50  # of the stocks, and of the rows
BENCHMARKS = Path(__file__).parent
AGREEMENT = 1e-8
FULL_DAY = {"bars": 1_200_000, "flow": 160_000_000}  # rows
SESSIONS = 2_430  # ten years
WORKERS = (1, 8, 64)


@dataclass(frozen=True)
class Measured:
    """Seconds, CPU seconds and peak MiB of a side."""

    seconds: float
    cpu: float
    peak: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small session, to see that everything works")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    part = QUICK if arguments.quick else 1
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        for line in table(Path(temporary), STOCKS // part, TRADES // part, SNAPSHOTS // part):
            print(line, flush=True)
            lines.append(line)
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")


def table(folder: Path, stocks: int, trades: int, snapshots: int) -> Iterator[str]:
    """Lines of the table, as they come."""
    yield f"{'':42}{'rows':>12}{'seconds':>10}{'× platform':>12}{'peak MiB':>10}"
    rows = write_bars(folder, stocks)
    bars = yield from _group(folder, "bars", rows, ["platform_bars", "polars_bars", "pandas_bars"])
    flow_rows = sum(write_flow(folder, stocks, trades, snapshots))
    write_history(folder, stocks)
    flow = yield from _group(folder, "flow", flow_rows, ["platform_flow", "pandas_flow"])
    lake = Lake(folder)
    sizes = {name: lake.path(name, SESSION).stat().st_size for name in ("minute_bar", "transaction", "book_snapshot")}
    yield ""
    yield "files of this session, MiB: " + ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sizes.items())
    day = {"bars": bars.cpu_a_row * FULL_DAY["bars"], "flow": flow.cpu_a_row * FULL_DAY["flow"]}
    yield f"a full day (arithmetic): {day['bars']:.1f} core-seconds of bars, {day['flow']:.0f} of trades and snapshots"
    for workers in WORKERS:
        hours = (day["bars"] + day["flow"]) * SESSIONS / workers / 3600
        yield f"ten years, {SESSIONS:,} sessions, {workers:2} core{'s' if workers > 1 else ' '}: {hours:8.1f} hours"
    per_row = (sizes["transaction"] + sizes["book_snapshot"]) / flow_rows
    store = FULL_DAY["flow"] * per_row
    yield (
        f"what breaks first: reading. A full day is {store / 2**30:.1f} GiB of files, ten years "
        f"{store * SESSIONS / 2**40:.1f} TiB; 64 cores ask for {store / (day['flow'] / 64) / 2**30:.1f} GiB a second"
    )
    yield f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"


@dataclass(frozen=True)
class _Platform:
    cpu_a_row: float


def _group(folder: Path, name: str, rows: int, sides: list[str]) -> Iterator[str]:  # type: ignore[misc]
    measured = {}
    for side in sides:
        measured[side] = _measured(folder, side)
        _require_agreement(folder, sides[0], side)
        ratio = measured[side].seconds / measured[sides[0]].seconds
        yield f"{side:42}{rows:12,}{measured[side].seconds:10.2f}{ratio:11.1f}×{measured[side].peak:10.0f}"
    platform = measured[sides[0]]
    return _Platform(platform.seconds * min(2, os.cpu_count() or 1) / rows)


def _measured(folder: Path, side: str) -> Measured:
    command = [sys.executable, "-m", "intraday_peers.measure", side, str(folder)]
    done = subprocess.run(command, cwd=BENCHMARKS, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _require_agreement(folder: Path, one: str, other: str) -> None:
    found, expected = (pd.read_parquet(folder / f"{side}.parquet").sort_index() for side in (other, one))
    for name in found.columns:
        values, wanted = found[name].to_numpy(float), expected[name].reindex(found.index).to_numpy(float)
        if not np.allclose(values, wanted, rtol=AGREEMENT, atol=AGREEMENT, equal_nan=True):
            at = int(np.nanargmax(np.abs(values - wanted)))
            raise SystemExit(f"{other} and {one} differ in {name}: {values[at]} and {wanted[at]} of {found.index[at]}")


if __name__ == "__main__":
    main()
