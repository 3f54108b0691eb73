"""The weekly portfolio: the platform beside cvxpy on the same weeks, many strategies in processes, and the simulator.

    python benchmarks/portfolio.py [--quick] [--strategies N] [--processes N] [--out FILE]

The market is generated (`portfolio_peers/generated_market.py`): 2,500 stocks, 30 industries, one style, a benchmark of
500, 3 % of the stocks suspended. A strategy with AI-69's original limits walks over 600 weeks, each of which starts
from what the simulator says is held. Every week goes to the platform and then to cvxpy, in this process, which may use
one core; a time is from the week's arrays to its weights. Every third week is enough for the problem rebuilt. The
script ends where the objectives do not agree.
"""

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from portfolio_peers.generated_market import SESSIONS_A_WEEK, load_market, write_market
from portfolio_peers.races import (
    AGREEMENT,
    SolverRace,
    Times,
    backtest_seconds,
    one_core,
    race_of_solvers,
    run_strategies,
)
from rich import box
from rich.console import Console
from rich.table import Table

from attn_platform.backtest.config import BacktestConfig

STOCKS, WEEKS, STRATEGIES, HOLDINGS = 2_500, 600, 30, 500
QUICK_STOCKS, QUICK_WEEKS, QUICK_STRATEGIES, QUICK_HOLDINGS = 600, 12, 4, 100
WEEKS_OF_REBUILT = 200
CORES = len(os.sched_getaffinity(0))
PEERS = {
    "rebuilt": ("cvxpy, rebuilt each week, default solver", 25.0),
    "parameters": ("cvxpy with Parameters, no warm start", 4.0),
}
STRATEGY_GOAL, BACKTEST_GOAL = 300.0, 500.0  # seconds; sessions a second
SIMULATORS = {
    "fractional shares": BacktestConfig(),
    "volume cap, orders carried": BacktestConfig(volume_cap=0.1, unfilled="carry"),
    "whole shares": BacktestConfig(whole_shares=True),
}
WIDTH = 150
PACKAGES = ("highspy", "cvxpy", "clarabel", "numpy", "pandas")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small market, to see that everything works")
    parser.add_argument("--strategies", type=int, help=f"in processes (default {STRATEGIES})")
    parser.add_argument("--processes", type=int, default=CORES)
    parser.add_argument("--out", type=Path, help="file to write the tables to as well")
    arguments = parser.parse_args()
    quick = arguments.quick
    stocks, weeks = (QUICK_STOCKS, QUICK_WEEKS) if quick else (STOCKS, WEEKS)
    strategies = arguments.strategies or (QUICK_STRATEGIES if quick else STRATEGIES)
    holdings = QUICK_HOLDINGS if quick else HOLDINGS

    console = Console(width=WIDTH, record=True, highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "market"
        write_market(folder, stocks, weeks)
        market = load_market(folder)
        with one_core():
            race = race_of_solvers(market, WEEKS_OF_REBUILT)
        console.print(_solver_table(race, stocks))
        console.print(
            f"turnover binds in {race.turnover_binds:.0%} of the weeks; {race.holdings:.0f} holdings (median); "
            f"{race.relaxed} weeks whose limits contradict each other count for the platform alone"
        )
        console.print(_strategy_table(folder, strategies, weeks, arguments.processes))
        sessions = weeks * SESSIONS_A_WEEK
        table = _table(
            f"run_backtest, {holdings} holdings, {stocks:,} stocks, {sessions:,} sessions, new targets weekly"
        )
        for title in ("simulator", "s", "sessions/s", "goal"):
            table.add_column(title, justify="left" if title == "simulator" else "right")
        for name, config in SIMULATORS.items():
            seconds = backtest_seconds(market, holdings, config)
            table.add_row(name, f"{seconds:.2f}", f"{sessions / seconds:,.0f}", f"{BACKTEST_GOAL:,.0f}")
        console.print(table)
    console.print(_environment())
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")


def _table(title: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title)


def _solver_table(race: SolverRace, stocks: int) -> Table:
    table = _table(f"One week of {stocks:,} stocks: AI-69's original limits, from arrays to weights, one core")
    table.add_column("implementation", no_wrap=True)
    for title in ("weeks", "median\nms", "mean\nms", "99 %\nms", "failures", "ratio of\nmedians", "ratio of\nmeans"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("goal", justify="right")
    table.add_column("largest gap of\nobjectives", justify="right", no_wrap=True)
    table.add_row("platform", *_figures(race.platform))
    for name, times in race.peers.items():
        label, goal = PEERS[name]
        ratios = times.quantile(0.5) / race.platform.quantile(0.5), times.mean / race.platform.mean
        table.add_row(
            f"{label} ({race.solvers[name]})",
            *_figures(times),
            *(f"{ratio:.1f}×" for ratio in ratios),
            f"{goal:g}×",
            f"{times.largest_gap:.0e}",
        )
    table.caption = f"Gaps in standard deviations of the forecast; above {AGREEMENT:.0e} the script ends."
    return table


def _figures(times: Times) -> list[str]:
    milliseconds = times.quantile(0.5), times.mean, times.quantile(0.99)
    return [f"{len(times.seconds)}", *(f"{1e3 * seconds:.2f}" for seconds in milliseconds), f"{times.failures}"]


def _strategy_table(folder: Path, strategies: int, weeks: int, processes: int) -> Table:
    run = run_strategies(folder, strategies, processes)
    table = _table("Strategies with the three columns of limits in turn, solved and simulated")
    for title in ("strategies × weeks", "processes", "wall s", "goal s", "in solve s", "weeks/s", "relaxed weeks"):
        table.add_column(title, justify="right")
    table.add_row(
        f"{strategies} × {weeks}",
        f"{processes}",
        f"{run.seconds:.0f}",
        f"{STRATEGY_GOAL:.0f}",
        f"{run.solving:.0f}",
        f"{strategies * weeks / run.seconds:.0f}",
        f"{run.relaxed}",
    )
    return table


def _environment() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{platform.processor() or platform.machine()}, {CORES} cores; Python {platform.python_version()}, {packages}"
    )


if __name__ == "__main__":
    main()
