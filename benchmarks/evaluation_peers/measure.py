"""One side on a generated forecast, in this process: python -m evaluation_peers.measure SIDE FOLDER SESSIONS CORES OUT.

Writes JSON: seconds and CPU seconds from what the side is given to its figures, seconds of a first run on a small panel
(compiling), and MiB of memory that were held before, and at the peak. Beside OUT go the RankIC and the layers' returns
by session. Linux only.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from evaluation_peers.generated_forecast import HORIZON

SMALL = 30  # sessions of the first run
Given = dict[str, np.ndarray]


def main() -> None:
    """Measure, and write."""
    name, folder, sessions, cores, out = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5]), Path(sys.argv[5])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    side = import_module(f"evaluation_peers.{name}")
    first, *_ = _timed(side.figures, side.given(_arrays(folder, SMALL)))
    given = side.given(_arrays(folder, sessions))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = _memory("VmRSS")
    seconds, cpu, (rank_ic, layer_returns) = _timed(side.figures, given)
    np.savez(out.with_suffix(".npz"), rank_ic=rank_ic, layer_returns=layer_returns)
    found = {"seconds": seconds, "cpu": cpu, "first": first, "before": before, "peak": _memory("VmHWM")}
    out.write_text(json.dumps(found), encoding="utf-8")


def _arrays(folder: Path, sessions: int) -> Given:
    prices = np.load(folder / "prices.npy", mmap_mode="r")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("predictions", "returns", "moves")}
    return {
        "prices": np.array(prices[: sessions + HORIZON + 1]),
        **{name: np.array(values[:sessions]) for name, values in arrays.items()},
    }


def _timed(figures: Callable, given: object) -> tuple[float, float, tuple[np.ndarray, np.ndarray]]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = figures(given)
    return time.perf_counter() - wall, time.process_time() - cpu, found


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
