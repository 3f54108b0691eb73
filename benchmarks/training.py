"""A training step of every network: the platform beside a plain implementation in torch.nn.

    python benchmarks/training.py [--quick] [--models NAME ...] [--device cuda] [--out FILE]

The plain side (`training_peers/plain_networks.py`) is what one writes first: one seed at a time in float32, Adam, a
DataLoader over slices of a pandas frame, and graph attention as its formula stands, on N × N × 2F numbers, or on N × N.
The platform trains all seeds at once, its matrix products in bfloat16 where the machine has them.

First both sides get the same weights and the same batch, and the script ends where loss or gradient differ. Then each
side runs in a process of its own, and their steps take turns, so that whatever else the machine does hits them alike. A
step is one batch for every seed: a step of the platform, or the plain step as often as there are seeds. Ratios are
medians of the rounds' ratios. An epoch is that of the first window: 1,491 sessions (1,512 less the purge of the longest
label) of all stocks. Peaks of memory are above what a process holds before it has any samples. FLOPs are those of
matrix products, LSTM and attention kernels, forward and backward; what the machine can do at best is measured by large
matrix products in the platform's precision.
"""

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from training_peers.agreement import largest_deviations
from training_peers.machine import peak_flops
from training_peers.races import RACES, Race
from training_peers.worker import PLATFORM, Entry, Figures, Worker

from attn_platform.training.config import STUDY_SEEDS
from attn_platform.training.device import resolve_device, resolve_precision
from attn_platform.training.windows import WindowConfig

STOCKS, QUICK_STOCKS = 2000, 200
SESSIONS = 64  # enough for steps not to find their data in the cache
LONGEST_LABEL = 20  # AI-69
EPOCH_SESSIONS = WindowConfig().train - (LONGEST_LABEL + 1)
ROUNDS = 20
LONGEST_SECONDS = 30.0  # of a race, where a round or two are longer than that
TURN = 1.0  # seconds
WARM_UP = 3  # steps, where they are short
CORES = len(os.sched_getaffinity(0))
ATTENTION_ALONE = "  its attention alone"
MIB, GIGA = 2**20, 1e9
WIDTH = 230
COLUMNS = (
    *("seeds × batch", "plain step\nms", "platform step\nms", "ratio", "goal", "plain epoch\ns", "platform epoch\ns"),
    *("plain peak\nMiB", "platform peak\nMiB", "platform step\nGFLOP", "GFLOP/s", "share of\npeak"),
)


@dataclass(frozen=True)
class Outcome:
    """Seconds of a step of both sides, the ratio, and what the processes said in the end."""

    plain: float
    platform: float
    ratio: float
    of_plain: Figures
    of_platform: Figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few stocks, few steps: to see that everything works")
    parser.add_argument("--models", nargs="+", choices=RACES, default=list(RACES), metavar="NAME")
    parser.add_argument("--stocks", type=int, help=f"stocks a session (default {STOCKS:,})")
    parser.add_argument("--seeds", type=int, default=len(STUDY_SEEDS))
    parser.add_argument("--threads", type=int, default=CORES, help="CPU threads of either side")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--precision", default="auto", help="of the platform: auto, float32 or bfloat16")
    parser.add_argument("--stacking", choices=("auto", "on", "off"), default="auto", help="of the platform's seeds")
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device)
    stacking = arguments.stacking
    stocks = arguments.stocks or (QUICK_STOCKS if arguments.quick else STOCKS)
    rounds = 2 if arguments.quick else ROUNDS

    torch.set_num_threads(arguments.threads)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    peak = peak_flops(device, dtype)
    deviations = {name: largest_deviations(RACES[name]) for name in arguments.models}
    outcomes: list[tuple[str, str, Race, Outcome]] = []
    for name in arguments.models:
        race = RACES[name]
        size = stocks, SESSIONS, arguments.seeds, arguments.threads
        for attention_only, kind in product([False, True] if race.has_attention_alone else [False], race.plain):
            entries = [
                Entry(name, side, *size, str(device), precision, stacking, attention_only) for side in (kind, PLATFORM)
            ]
            label = ATTENTION_ALONE if attention_only else name
            outcomes.append((label, kind, race, run(entries, rounds)))
    peak = max(peak, peak_flops(device, dtype))  # something else may have been running
    table = Table(box=box.SIMPLE_HEAD, title=f"A training step of {arguments.seeds} seeds, {stocks:,} stocks a session")
    table.add_column("network", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for label, kind, race, outcome in outcomes:
        table.add_row(label, kind, *_figures(race, kind, outcome, arguments.seeds, stocks, peak))
    console = Console(width=WIDTH, record=True, highlight=False)
    console.print(_agreement(deviations), soft_wrap=True)
    console.print(table)
    console.print(_environment(device, arguments.threads, precision, peak), soft_wrap=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")


def run(entries: list[Entry], rounds: int) -> Outcome:
    """The two sides in turns: first some steps to warm up, then rounds until they or the time are used up.

    A turn is at least `TURN` long, as its first step finds the caches full of the other side's numbers.
    """
    plain, ours = (Worker(entry) for entry in entries)
    seeds = entries[0].seeds
    steps = [_steps_of_a_turn(side) for side in (plain, ours)]
    times: list[tuple[float, float]] = []
    started = time.perf_counter()
    while not times or (len(times) < rounds and time.perf_counter() - started < LONGEST_SECONDS):
        times.append((seeds * plain.seconds(steps[0]), ours.seconds(steps[1])))
    return Outcome(
        plain=statistics.median(of_plain for of_plain, _ in times),
        platform=statistics.median(of_platform for _, of_platform in times),
        ratio=statistics.median(of_plain / of_platform for of_plain, of_platform in times),
        of_plain=plain.finish(),
        of_platform=ours.finish(),
    )


def _steps_of_a_turn(side: Worker) -> int:
    """How many steps fill a turn, after a first one that warms up."""
    if side.seconds(1) > TURN:
        return 1
    return max(1, round(TURN / side.seconds(WARM_UP)))


def _figures(race: Race, kind: str, outcome: Outcome, seeds: int, stocks: int, peak: float) -> list[str]:
    units = EPOCH_SESSIONS * (stocks if race.batch_unit == "stock" else 1)
    steps = -(-units // race.batch_size)
    flops = outcome.of_platform.flops or 0
    rate = flops / outcome.platform
    return [
        f"{seeds} × {race.batch_size:,} {race.batch_unit}{'s' if race.batch_size > 1 else ''}",
        f"{1e3 * outcome.plain:,.1f}",
        f"{1e3 * outcome.platform:,.1f}",
        f"{outcome.ratio:,.1f}×",
        f"{race.goals[kind]:g}×" if kind in race.goals else "",
        f"{steps * outcome.plain:,.0f}",
        f"{steps * outcome.platform:,.1f}",
        f"{outcome.of_plain.peak / MIB:,.0f}",
        f"{outcome.of_platform.peak / MIB:,.0f}",
        f"{flops / GIGA:,.2f}",
        f"{rate / GIGA:,.0f}",
        f"{rate / peak:.1%}",
    ]


def _agreement(deviations: dict[str, tuple[float, float]]) -> str:
    worst = [max(each[part] for each in deviations.values()) for part in (0, 1)]
    return (
        f"agreement of {len(deviations)} networks in float32, same weights and batch: losses differ by at most "
        f"{worst[0]:.0e} of themselves, gradients by {worst[1]:.0e} of their length"
    )


def _environment(device: torch.device, threads: int, precision: str, peak: float) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return (
        f"{name}, {threads} CPU threads, torch {torch.__version__}; platform {precision}, plain float32; "
        f"large matrix products {peak / GIGA:,.0f} GFLOP/s in {precision}"
    )


if __name__ == "__main__":
    main()
