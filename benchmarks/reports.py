"""What reports cost: a strategy of many years, a new week of it, a mix, the pages of thirty strategies; how they load.

    python benchmarks/reports.py [HOME] [--first SESSION] [--out FILE]

HOME (default: ./data) is one with a market, imported or simulated. Two strategies on made-up forecasts with AI-69's
limits are walked from `--first` to a week before the end of the data; then backtest, evaluation and all else that a
report needs are made, and again with the last week (`report_parts/made_up_home.py`). Each step runs in a process of its
own, imports included; seconds are those of the CPU, which hardly depend on what else the machine does. The home stays
as it is. Linux only; with Chromium or Chrome the page of the strategy is loaded as well.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from report_parts.page_load import page_loads
from rich import box
from rich.console import Console
from rich.table import Table

from attn_platform.errors import BrowserError
from attn_platform.studies.places import home_folder, is_home
from attn_platform.studies.settings import Home

WEEK, STRATEGIES, LOADS = 5, "30", 3
BENCHMARKS = Path(__file__).parent
STEPS = (
    ("nothing", (), "imports and the home alone", None),
    ("backtest", (), "backtest", None),
    ("robustness", (), "", None),
    ("evaluation", (), "evaluation of the forecasts", None),
    ("attribution", (), "attribution, exposures", None),
    ("report", (), "report", 10.0),
)
NEW_WEEK = (
    ("backtest", (), "a new week: backtest", None),
    ("robustness", (), "", None),
    ("evaluation", (), "a new week: evaluation", None),
    ("attribution", (), "a new week: attribution, exposures", None),
    ("report", (), "a new week: report", 10.0),
)
OTHERS = (
    ("second", (), "", None),
    ("mix", (), "mix of two: backtest, attribution, robustness, report", None),
    ("many", (STRATEGIES,), "", None),
    ("study", (STRATEGIES,), f"exhibits of the study, {STRATEGIES} strategies", 180.0),
    ("overview", (STRATEGIES,), f"overview of {STRATEGIES} strategies", None),
)
PACKAGES = ("numpy", "pandas", "pyarrow", "plotly")
WIDTH = 110


@dataclass(frozen=True)
class Cost:
    """Of a process: seconds of CPU and of the clock, and MiB at the peak."""

    cpu: float
    wall: float
    peak: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, nargs="?", default=home_folder())
    parser.add_argument("--first", help="session of the first forecasts; default: the first test of the home's study")
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    arguments = parser.parse_args()
    if not is_home(arguments.home):
        print(f"there is no home at {arguments.home} with a market to trade on; make run makes one")
        return
    home = Home.open(arguments.home)
    sessions = home.lake.sessions("daily_bar", arguments.first or home.study.windows.first_test)
    console = Console(width=WIDTH, record=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        market, work = arguments.home.resolve(), Path(folder)
        first = str(sessions[0])
        run(market, work, "prepare", first, str(sessions[-1 - WEEK]))
        rows = measured(market, work, STEPS)
        run(market, work, "prepare", first, str(sessions[-1]))
        rows += [*measured(market, work, NEW_WEEK), *measured(market, work, OTHERS)]
        console.print(table(rows, f"{len(sessions):,} sessions to {sessions[-1]}"))
        console.print(loads(work / "reports" / "first" / "index.html"))
    console.print(environment())
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")


def measured(market: Path, work: Path, steps: tuple) -> list[tuple[str, Cost, float | None]]:
    """Run steps in their order; those without a name are only run."""
    return [
        (name, cost, goal) for step, given, name, goal in steps for cost in [run(market, work, step, *given)] if name
    ]


def run(market: Path, work: Path, step: str, *given: str) -> Cost:
    """One step in a process of its own; it ends the script where it fails."""
    command = [sys.executable, "-W", "ignore", "-m", "report_parts.step", str(market), str(work), step, *given]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=BENCHMARKS)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"step {step} has failed")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / 1024)


def table(rows: list[tuple[str, Cost, float | None]], what: str) -> Table:
    """A row a step."""
    made = Table(box=box.SIMPLE_HEAD, title=f"One strategy, {what}")
    made.add_column("step", no_wrap=True)
    for title in ("CPU s", "goal", "wall s", "MiB at peak"):
        made.add_column(title, justify="right", no_wrap=True)
    for name, cost, goal in rows:
        made.add_row(
            name, f"{cost.cpu:.1f}", "" if goal is None else f"{goal:g}", f"{cost.wall:.1f}", f"{cost.peak:,.0f}"
        )
    return made


def loads(page: Path) -> str:
    """How long the page takes to load, and how large it is."""
    sizes = " and ".join(f"{file.stat().st_size / 1e3:,.0f} kB" for file in (page, page.with_name("index.data.js")))
    try:
        found = page_loads(page, LOADS)
    except BrowserError as error:
        return f"The page has {sizes}. It was not loaded: {error}"
    lines = [
        f"load {number}: first paint after {each.paint:.2f} s, loaded after {each.load:.2f} s, "
        f"CPU of the main thread {each.cpu:.2f} s"
        for number, each in enumerate(found, start=1)
    ]
    return "\n".join([f"The page has {sizes} (goal: loaded within 1 s).", *lines])


def environment() -> str:
    """Machine and packages."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; Python "
        f"{platform.python_version()}, {packages}"
    )


if __name__ == "__main__":
    main()
