"""Runs one implementation on one part of a panel, in a process of its own: time and peak memory.

    python -m factor_peers.measure MODULE PANEL STOCKS SESSIONS CORES OUT [--values FILE]    (from benchmarks/)

The process may use CORES cores and no more, so that what a library does with threads does not enter. A first call on a
few stocks compiles what is compiled; its time is reported apart. The peak is that of the timed part, above what the
process held before it loaded the panel: inputs, outputs and everything between. `--values` keeps what was computed.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np

from factor_peers.agreement import SCORE
from factor_peers.generated_panel import Layout, Panel, load_panel

WARM_UP_STOCKS, WARM_UP_SESSIONS = 20, 600
ROUNDS = 4  # the shortest time counts: a virtual machine hands out fresh memory slowly, and has noisy neighbours
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # see proc(5)


class Peer(Protocol):
    """An implementation of AI-69's factors."""

    layout: Layout  # of the panel it takes
    preprocess: Callable[[], None] | None

    def prepare(self, panel: Panel) -> None:
        """Bring the panel into the form that the library works on; not timed."""

    def compute(self) -> None:
        """All factors; timed."""

    def factors(self) -> dict[str, np.ndarray]:
        """Their values [session, stock]."""

    def scores(self) -> dict[str, np.ndarray]:
        """The pre-processed values [session, stock], NaN where a stock is not listed."""

    def output_bytes(self) -> int:
        """Of everything computed."""


def main() -> None:
    """Measure and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("panel", type=Path)
    parser.add_argument("stocks", type=int)
    parser.add_argument("sessions", type=int)
    parser.add_argument("cores", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--values", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])  # before the library looks
    warnings.filterwarnings("ignore")

    peer: Peer = import_module(f"factor_peers.{arguments.module}").peer()
    compiling = sum(_seconds(peer, load_panel(arguments.panel, WARM_UP_STOCKS, WARM_UP_SESSIONS, peer.layout)))
    baseline = _memory("VmRSS")
    panel = load_panel(arguments.panel, arguments.stocks, arguments.sessions, peer.layout)
    factors, cross_section = (
        min(seconds) for seconds in zip(*(_seconds(peer, panel) for _ in range(ROUNDS)), strict=True)
    )
    figures = {
        "compiling": compiling,
        "factors": factors,
        "cross_section": cross_section,
        "scored": peer.preprocess is not None,
        "peak": _memory("VmHWM") - baseline,
        "inputs": panel.nbytes,
        "outputs": peer.output_bytes(),
        "stock_days": panel.stock_days,
    }
    arguments.out.write_text(json.dumps(figures), encoding="utf-8")
    if arguments.values:
        scores = {f"{SCORE}{name}": values for name, values in peer.scores().items()}
        np.savez(arguments.values, **peer.factors(), **scores)


def _seconds(peer: Peer, panel: Panel) -> tuple[float, float]:
    """Of the factors and of the cross-section."""
    peer.prepare(panel)
    CLEAR.write_text(RESET_PEAK, encoding="ascii")
    started = time.perf_counter()
    peer.compute()
    computed = time.perf_counter()
    if peer.preprocess is not None:
        peer.preprocess()
    return computed - started, time.perf_counter() - computed


def _memory(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    (line,) = (line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
