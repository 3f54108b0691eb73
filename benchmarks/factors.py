"""AI-69's 42 factors and their cross-section: the platform beside pandas, numbagg, bottleneck and Qlib.

    python benchmarks/factors.py [--quick] [--home DIR] [--out FILE]

Every implementation runs in a process of its own, on as many cores as its row says, on the same generated market with
suspensions, listings and ex-rights (`factor_peers/generated_panel.py`). First its values are compared with the
platform's on a small market, and the script ends where they are not the same factors. A peer gets a part of the market
that it can finish in a minute or so; the platform is timed on the same part, so that no ratio rests on scaling.

--home adds what the factor assets take on a home of yours: the newest session and the whole history, as Dagster runs
that leave the home as it is. Qlib needs an environment of its own: .venv-qlib, made by the first run (some 1.5 GB).
The larger market takes some 14 GB of memory; both take 6 GB of temporary files.
"""

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from factor_peers.agreement import largest_deviations
from factor_peers.workshop import QLIB_MODULE, QLIB_REQUIREMENTS, Figures, Size, Workshop, make_qlib_environment
from rich import box
from rich.console import Console
from rich.table import Table

from attn_platform.studies.places import SETTINGS_FILE

PLATFORM, PLATFORM_EXPRESSIONS = "attn_engine", "attn_expressions"
MARKETS: tuple[Size, ...] = ((2_000, 5_000), (5_000, 5_200))
AGREEMENT_MARKET: Size = (60, 600)
NEWEST_MARKET: Size = (5_200, 504)  # one session and the longest look-back before it
CORES = len(os.sched_getaffinity(0))
PACKAGES = ("numpy", "numba", "pandas", "numbagg", "bottleneck")
CPU_INFO = Path("/proc/cpuinfo")
MIB = 2**20
WIDTH = 172


@dataclass(frozen=True)
class Peer:
    """A module of `factor_peers`, the part of the market it gets, and how far it may be from the platform."""

    label: str
    module: str
    part: Size
    package: str | None = None  # beyond the platform's own
    compiles: bool = False
    against: str = PLATFORM
    factor_tolerance: float = 1e-6  # the platform's values are float32
    score_tolerance: float = 1e-4  # a factor's float32 rounding, over its spread in the session


PEERS = (
    Peer("long pandas", "long_pandas", (250, 750)),
    Peer("wide pandas", "wide_pandas", (2_000, 1_000)),
    Peer("numbagg", "numbagg_windows", (2_000, 1_000), "numbagg", compiles=True),
    Peer("bottleneck", "bottleneck_windows", (2_000, 1_000), "bottleneck"),
    # Qlib's files are float32, and ratios to a bar's small range lose most by it.
    Peer("Qlib", QLIB_MODULE, (500, 1_000), against=PLATFORM_EXPRESSIONS, factor_tolerance=2e-3),
)
QLIB_NOTE = (
    "Qlib, and the platform's time beside it: only the factors that Qlib's expressions can state, no cross-section "
    "(factor_peers/qlib_expressions.py); Qlib reads its own files"
)
COLUMNS = (
    *("stocks ×\nsessions", "cores", "factors\ns", "cross-section\ns", "thousand\nstock-days/s"),
    *("platform\n1 core, s", "core-time ÷\nplatform", "peak\nMiB", "2 × inputs +\noutputs, MiB", "largest\ndeviation"),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny market, to see that everything works")
    parser.add_argument("--home", type=Path, help="a home with raw tables; its factors are computed beside it")
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    arguments = parser.parse_args()
    if arguments.home and not (arguments.home / SETTINGS_FILE).exists():
        parser.error(f"--home {arguments.home}: no home, it has no {SETTINGS_FILE}")
    table = Table(box=box.SIMPLE_HEAD, title="AI-69's 42 factors, and z-scores over every session's listed stocks")
    table.add_column("implementation", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    notes = [_environment(), QLIB_NOTE]
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        peers = list(_present(PEERS, notes))
        add_markets(table, workshop, peers, arguments.quick)
        notes.append(_first_calls(workshop, peers))
        add_newest_session(table, workshop, arguments.quick)
        if arguments.home:
            add_home(table, workshop, arguments.home, notes)
        else:
            notes.append("left out: the assets of a home, which --home names")
    console = Console(width=WIDTH, record=True, highlight=False)
    console.print(table)
    for note in notes:
        console.print(note)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")


def add_markets(table: Table, workshop: Workshop, peers: list[Peer], quick: bool) -> None:
    """The platform on the whole markets; each peer and the platform on the peer's part of the first."""
    markets = (AGREEMENT_MARKET,) if quick else MARKETS
    deviations = {peer: _deviation(workshop, peer) for peer in peers}
    for market in markets:
        alone = workshop.figures(PLATFORM, market, market, 1)
        for cores in sorted({1, CORES}):
            figures = workshop.figures(PLATFORM, market, market, cores)
            _add_figures(table, "platform", market, cores, figures, alone)
    table.add_section()
    for peer in peers:
        part = AGREEMENT_MARKET if quick else peer.part
        ours, figures = (workshop.figures(module, markets[0], part, 1) for module in (peer.against, peer.module))
        _add_figures(table, peer.label, part, 1, figures, ours, deviations[peer])
    table.add_section()


def add_newest_session(table: Table, workshop: Workshop, quick: bool) -> None:
    """One session from arrays in memory."""
    stocks, sessions = (AGREEMENT_MARKET[0], NEWEST_MARKET[1]) if quick else NEWEST_MARKET
    market = workshop.market((stocks, sessions))
    for cores in sorted({1, CORES}):
        figures = workshop.run("newest_session", [str(market), str(stocks), str(sessions), str(cores)])
        row = ["newest session", f"{stocks:,} × 1", str(cores)]
        table.add_row(*row, _clock(figures["factors"]), _clock(figures["cross_section"]))
    table.add_section()


def add_home(table: Table, workshop: Workshop, home: Path, notes: list[str]) -> None:
    """The factor assets of a home, as Dagster runs."""
    home = home.resolve()
    with tempfile.TemporaryDirectory(prefix=f"{home.name}-", dir=home.parent) as other:
        workshop.run("home", ["share", str(home), other])
        newest = workshop.run("home", ["newest", other, str(time.time())])
        whole = workshop.run("home", ["all", other, str(time.time())])
    cores, one_session = str(CORES), f"{newest['stocks']:,} × 1"
    table.add_row("asset, newest session", one_session, cores, _clock(newest["first"]))
    table.add_row("the same, process warm", one_session, cores, _clock(newest["again"]))
    table.add_row(
        "assets, all sessions",
        f"{whole['stock_days']:,}",
        cores,
        _clock(whole["families"]),
        _clock(whole["panel"]),
        f"{whole['stock_days'] / (whole['families'] + whole['panel']) / 1e3:,.0f}",
        "",
        "",
        f"{whole['peak'] / MIB:,.0f}",
    )
    notes.append(
        f"assets of {home.name}: every family of the catalogue and the panel, as Dagster runs. One session: all in one "
        f"run, before which a new process takes {newest['loading']:.1f} s to start and to load the definitions. All "
        f"sessions: the families over {whole['sessions']:,} under factors, the panel over {whole['panel_sessions']:,} "
        "under cross-section, with reading and writing"
    )


def _add_figures(
    table: Table, label: str, part: Size, cores: int, figures: Figures, platform: Figures, deviation: str = ""
) -> None:
    """A measurement as a row; `platform` is the platform's of the same part on one core."""
    seconds = figures["factors"] + figures["cross_section"]
    platform_seconds = platform["factors"] + platform["cross_section"]
    table.add_row(
        label,
        f"{part[0]:,} × {part[1]:,}",
        str(cores),
        _clock(figures["factors"]),
        _clock(figures["cross_section"]) if figures["scored"] else "–",
        f"{figures['stock_days'] / seconds / 1e3:,.0f}",
        _clock(platform_seconds),
        f"{seconds * cores / platform_seconds:,.2f}",
        f"{figures['peak'] / MIB:,.0f}",
        f"{(2 * figures['inputs'] + figures['outputs']) / MIB:,.0f}",
        deviation,
    )


def _deviation(workshop: Workshop, peer: Peer) -> str:
    """Largest deviation of factors and of z-scores on the small market; ends the script where it is too large."""
    expected, found = (workshop.values(module, AGREEMENT_MARKET) for module in (peer.against, peer.module))
    try:
        factors, scores = largest_deviations(expected, found, peer.factor_tolerance, peer.score_tolerance)
    except ValueError as error:
        raise SystemExit(f"{peer.label}: {error}") from None
    return f"{max(factors, scores):.0e}"


def _first_calls(workshop: Workshop, peers: list[Peer]) -> str:
    """What the first call of a process takes, where that is compiling."""
    compiled = {"platform": PLATFORM} | {peer.label: peer.module for peer in peers if peer.compiles}
    seconds = {
        label: workshop.figures(module, AGREEMENT_MARKET, AGREEMENT_MARKET, 1)["compiling"]
        for label, module in compiled.items()
    }
    return f"compiling, not in the table: {', '.join(f'{label} {took:.1f} s' for label, took in seconds.items())}"


def _present(peers: tuple[Peer, ...], notes: list[str]) -> Iterator[Peer]:
    """Peers that can run here; a note on each of the others."""
    for peer in peers:
        if peer.package and importlib.util.find_spec(peer.package) is None:
            notes.append(f"left out: {peer.label}, {peer.package} is not installed")
        elif peer.module == QLIB_MODULE and not make_qlib_environment():
            notes.append(f"left out: {peer.label}, pip could not install {QLIB_REQUIREMENTS.name}")
        else:
            yield peer


def _environment() -> str:
    """Machine and versions, for whoever compares."""
    packages = [f"{name} {version(name)}" for name in PACKAGES if importlib.util.find_spec(name)]
    pins = [line.replace("==", " ") for line in QLIB_REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    qlib = ", ".join(pin for pin in pins if not pin.startswith("#"))
    processor = CPU_INFO.read_text(encoding="utf-8").split("model name\t: ")[1].splitlines()[0]
    return f"{CORES} cores of {processor}; {', '.join(packages)}; Qlib with {qlib}"


def _clock(seconds: float) -> str:
    """Seconds with a sensible number of digits."""
    return f"{seconds:,.1f}" if seconds >= 10 else f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.4f}"


if __name__ == "__main__":
    main()
