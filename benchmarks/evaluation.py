"""The evaluation of one strategy's predictions: the platform beside alphalens-reloaded, on the same panel.

    python benchmarks/evaluation.py [--quick] [--out FILE]

The panel is generated (`evaluation_peers/generated_forecast.py`), every cell known. The platform computes all that it
says of a composite factor: four correlations, ten layers, precisions and the universe by session, the figures over
time, and net values of the layers; alphalens-reloaded two of these, RankIC and layers by session. Each side runs in a
process of its own, after a first run on 30 sessions; a time is from what the side is given (arrays, or frames as it
wants them) to its figures. The script ends where RankIC or layers do not agree. Linux only.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from evaluation_peers.generated_forecast import write_forecast
from rich import box
from rich.console import Console
from rich.table import Table

SESSIONS, STOCKS = 3_056, 2_500  # AI-69: sessions of the test range, and as many stocks as its universe may have
QUICK_SESSIONS, QUICK_STOCKS = 60, 200
GOAL, RATIO_GOAL = 5.0, 10.0  # seconds of the platform on two cores; alphalens-reloaded beside it
AGREEMENT = 1e-11
BENCHMARKS = Path(__file__).parent
PACKAGES = ("alphalens-reloaded", "numpy", "numba", "pandas", "scipy")
WIDTH = 130


@dataclass(frozen=True)
class Side:
    """A module of `evaluation_peers`, on as many cores."""

    label: str
    module: str
    cores: int


@dataclass(frozen=True)
class Measured:
    """Seconds and MiB of a side, and what it found: RankIC [T] and layers [T, layers]."""

    seconds: float
    cpu: float
    first: float
    before: float
    peak: float
    rank_ic: np.ndarray
    layer_returns: np.ndarray


CORES = min(2, len(os.sched_getaffinity(0)))
PLATFORM = Side("platform, dense arrays", "platform_arrays", CORES)
SIDES = (
    PLATFORM,
    Side("platform, dense arrays", "platform_arrays", 1),
    Side("platform, tidy frames", "platform_frames", CORES),
    Side("alphalens-reloaded", "alphalens_frames", CORES),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small panel, to see that everything works")
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    arguments = parser.parse_args()
    sessions, stocks = (QUICK_SESSIONS, QUICK_STOCKS) if arguments.quick else (SESSIONS, STOCKS)

    console = Console(width=WIDTH, record=True, highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_forecast(folder, sessions, stocks)
        measured = {side: _measured(side, folder, sessions) for side in SIDES}
    console.print(_table(measured, sessions, stocks))
    console.print(_environment())
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")


def _measured(side: Side, folder: Path, sessions: int) -> Measured:
    out = folder / "figures.json"
    arguments = [side.module, str(folder), str(sessions), str(side.cores), str(out)]
    command = [sys.executable, "-m", "evaluation_peers.measure", *arguments]
    subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.DEVNULL)
    with np.load(out.with_suffix(".npz")) as found:
        return Measured(**json.loads(out.read_text(encoding="utf-8")), **found)


def _table(measured: dict[Side, Measured], sessions: int, stocks: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"One strategy: {sessions:,} sessions × {stocks:,} stocks, horizon 10")
    table.add_column("implementation", no_wrap=True)
    for title in (
        "cores", "wall s", "CPU s", "first run\ns", "wall ÷\nplatform", "CPU ÷\nplatform", "MiB\nbefore",
        "MiB\nat peak", "largest\ngap",
    ):  # fmt: skip
        table.add_column(title, justify="right", no_wrap=True)
    ours = measured[PLATFORM]
    for side, found in measured.items():
        table.add_row(
            side.label,
            f"{side.cores}",
            f"{found.seconds:.2f}",
            f"{found.cpu:.2f}",
            f"{found.first:.1f}",
            f"{found.seconds / ours.seconds:.1f}×",
            f"{found.cpu / ours.cpu:.1f}×",
            f"{found.before:,.0f}",
            f"{found.peak:,.0f}",
            f"{_gap(ours, found):.0e}",
        )
    table.caption = (
        f"Goals: the platform under {GOAL:g} s on two cores, alphalens-reloaded {RATIO_GOAL:g}× as long or more. First "
        f"runs: 30 sessions, with compiling. Gaps are of RankIC and layers; above {AGREEMENT:.0e} the script ends."
    )
    return table


def _gap(ours: Measured, theirs: Measured) -> float:
    gap = max(
        np.abs(ours.rank_ic - theirs.rank_ic).max(initial=0.0),
        np.abs(ours.layer_returns - theirs.layer_returns).max(initial=0.0),
    )
    if not gap <= AGREEMENT:
        raise SystemExit(f"RankIC or layers differ by {gap:.1e}")
    return float(gap)


def _environment() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the end; Python "
        f"{platform.python_version()}, {packages}"
    )


if __name__ == "__main__":
    main()
