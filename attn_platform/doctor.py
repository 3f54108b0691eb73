"""`attn doctor`: is this machine, this home and this lake fit for the pipeline?"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from attn_platform.alerts import AlertBook
from attn_platform.errors import MissingDataError, PlatformError
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake
from attn_platform.market.lake.files import require_whole
from attn_platform.market.lake.leftovers import GRACE
from attn_platform.market.quality.examine import examine as examine_quality
from attn_platform.reports.data_contents import reported_counts
from attn_platform.studies.names import DATA
from attn_platform.studies.settings import Home

PACKAGES = ("dagster", "torch", "pandas", "numpy", "duckdb", "pyarrow", "numba", "highspy", "cvxpy")
CPU_BUILD = "+cpu"  # how versions of such builds end
FREE_DISK_GB = 5.0
NEWEST_SESSIONS = 20
"""Sessions whose data quality is looked at: seconds on the whole market."""
BYTES_A_GB, BYTES_A_MB = 1e9, 1e6
SECONDS_AN_HOUR = 3600

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    state: State
    what: str
    text: str


def examine(root: Path | None) -> list[Finding]:
    """All findings; a part that cannot be examined is a finding itself."""
    findings = [*_machine()]
    try:
        home = Home.open(root)
        for part in (_settings, _calendar, _disk, _lake, _data_quality, _definitions, _alerts):
            findings += _guarded(part, home)
    except PlatformError as error:
        findings.append(Finding("wrong", "home", str(error)))
    return findings


def _guarded(part: Callable[[Home], Iterator[Finding]], home: Home) -> list[Finding]:
    try:
        return list(part(home))
    except PlatformError as error:
        return [Finding("wrong", part.__name__.strip("_"), str(error))]


def _machine() -> Iterator[Finding]:
    yield Finding("ok", "python", platform.python_version())
    for package in PACKAGES:
        try:
            yield Finding("ok", package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding("wrong", package, "not installed; run: pip install -e .")
    if (device := _graphics_processor()) is not None:
        yield Finding("ok", "training device", device)
    else:
        yield Finding("note", "training device", f"no GPU; networks train on the CPU ({os.cpu_count()} cores)")


def _graphics_processor() -> str | None:
    """The GPU that networks would train on; a build of torch that knows none is not loaded to say so."""
    if importlib.metadata.version("torch").endswith(CPU_BUILD):
        return None
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _settings(home: Home) -> Iterator[Finding]:
    text = f"profile {home.settings.profile}, study {home.study.name}, {home.settings.source.description}"
    if home.exists:
        yield Finding("ok", "home", f"{home.root}: {text}")
    else:
        yield Finding("note", "home", f"none at {home.root} yet; `attn run` would make it: {text}")


def _calendar(home: Home) -> Iterator[Finding]:
    known = home.calendar.last_known
    today = np.datetime64("today", "D")
    state: State = "ok" if known >= today else "wrong"
    remedy = "" if known >= today else "; update exchange_calendars, or give a calendar file"
    yield Finding(state, "calendar", f"sessions known to {known}{remedy}")


def _disk(home: Home) -> Iterator[Finding]:
    existing = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / BYTES_A_GB
    yield Finding("ok" if free >= FREE_DISK_GB else "wrong", "disk", f"{free:.1f} GB free at {existing}")


def _lake(home: Home) -> Iterator[Finding]:
    for name, table in TABLES.items():
        if name in home.absent_tables:
            yield Finding("note", f"table {name}", f"absent: {home.absent_tables[name]}")
        elif home.lake.has(name):
            yield _table(home, name)
        elif table.required:
            yield Finding("note", f"table {name}", "not there yet; attn run or attn import brings it")
    yield from _imports(home.lake)


def _imports(lake: Lake) -> Iterator[Finding]:
    """An import that runs, and files that nobody reads."""
    if (importer := lake.importer()) is not None:
        yield Finding("note", "lake", f"an import runs ({importer}); what it has written so far is not in force")
    if left := lake.leftovers():
        size = sum(path.stat().st_size for path in left if path.exists()) / BYTES_A_MB
        yield Finding(
            "note",
            "lake",
            f"of the files, {len(left)} that nobody reads ({size:.1f} MB): superseded, or left over from an import "
            f"that was killed; the first is {left[0].relative_to(lake.root)}; an import deletes them once the last one "
            f"is {GRACE.total_seconds() / SECONDS_AN_HOUR:.0f} hours old",
        )


def _table(home: Home, name: str) -> Finding:
    """Sessions of a table, and rows of the last one; gaps and damaged files are wrong.

    Counting all rows would open every file: 20 years are 26,000 of them.
    """
    lake, what = home.lake.snapshot(), f"table {name}"
    try:
        held = lake.sessions(name)
        if not len(held):
            return Finding("ok", what, f"{lake.rows(name):,} rows")
        for session in held:
            require_whole(lake.path(name, session))
        rows = lake.rows(name, held[-1])
    except MissingDataError as error:
        return Finding("wrong", what, str(error))
    text = f"{len(held):,} sessions from {held[0]} to {held[-1]}, {rows:,} rows in the last"
    gaps = np.setdiff1d(home.calendar.between(held[0], held[-1]), held)
    if len(gaps):
        return Finding("wrong", what, f"{text}; {len(gaps)} sessions missing, the first {gaps[0]}; import them again")
    return Finding("ok", what, text)


def _data_quality(home: Home) -> Iterator[Finding]:
    """What the checks find in the newest sessions, and what the last report of all of them found."""
    held = home.lake.sessions("daily_bar")
    if not len(held):
        return
    newest = held[-NEWEST_SESSIONS:]
    what, span = "data quality", f"{newest[0]} to {newest[-1]}"
    found = [
        each for each in examine_quality(home.lake, home.calendar, newest[0], newest[-1]) if each.severity != "note"
    ]
    for each in found:
        state: State = "wrong" if each.severity == "error" else "note"
        yield Finding(state, what, f"{each.table}, {each.check}: {each.text}; {each.remedy}")
    if not found:
        yield Finding("ok", what, f"{span}: nothing found")
    counts = reported_counts(home.reports / DATA)
    yield Finding(
        "note" if counts is None else "ok",
        "data report",
        "none yet; attn report data looks at all sessions" if counts is None else f"the last one found {counts}",
    )


def _alerts(home: Home) -> Iterator[Finding]:
    """What the alerts' sensor found wrong at its last look."""
    for alert in AlertBook(home.root).open():
        place = f"{alert.asset} {alert.partition}" if alert.partition else alert.asset
        yield Finding("wrong", str(alert.kind), f"{place} since {alert.since:%Y-%m-%d %H:%M}: {alert.what}")


def _definitions(home: Home) -> Iterator[Finding]:
    from attn_platform.definitions import build_defs

    graph = build_defs(home).resolve_asset_graph()
    off = [key.to_user_string() for key in graph.get_all_asset_keys() if "switched off" in graph.get(key).metadata]
    count = len(list(graph.get_all_asset_keys()))
    yield Finding("ok", "assets", f"{count} assets" + (f"; switched off: {', '.join(sorted(off))}" if off else ""))
