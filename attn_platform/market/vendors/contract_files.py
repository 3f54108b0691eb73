"""Importer of files that already follow the data contract: any vendor, once its export has the contract's columns.

A table is `<table>.parquet`, `<table>.csv`, or a folder `<table>/` of such files (one a day, a year, as you like; the
lake comes out the same). What vendors leave out is completed row by row: vwap, price limits, reference prices, rows of
suspended stocks, index weights between snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from attn_platform.errors import SourceError
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.conform import conform
from attn_platform.market.contract import DAILY_BAR, INDEX_WEIGHT, INDUSTRY, TABLES, VALUATION
from attn_platform.market.inspection import Inspection, Journal, Quarantine
from attn_platform.market.lake import Lake, days
from attn_platform.market.schema import Table
from attn_platform.market.vendors.base import (
    ImportReport,
    base_before,
    bounds,
    findings_of,
    held_before,
    stage_records,
    weights_before,
)
from attn_platform.market.vendors.completer import Completer
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.files import SUFFIXES, existing_folder, read_source
from attn_platform.market.vendors.registry import vendor
from attn_platform.market.vendors.snapshots import WeightCarrier
from attn_platform.progress import tqdm

STUDY_SCHEME = "citic_l1"  # AI-69, AI-55: CITIC level 1; another scheme stands in for it where the files have no such
STAND_INS = {
    "vwap": "amount / volume stands in",
    "up_limit": "the exchange's rules stand in",
    "down_limit": "the exchange's rules stand in",
}
# Sessions that are completed at a time: a year of the whole market takes some 200 MB.
STRETCH = 250


@dataclass
class _Origin:
    """Where the rows of one session stand: their file, their numbers in it, and what must be remembered of them."""

    path: Path
    numbers: np.ndarray
    marks: Mapping[str, np.ndarray]


@dataclass
class _Progress:
    """What one table has brought so far: rows, the origin of each session's, optional columns that no file has."""

    rows: int = 0
    origin: dict[np.datetime64, _Origin] = field(default_factory=dict)
    lacking: set[str] | None = None


@vendor("contract")
def import_contract_files(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: ImportConfig | None = None,
    quarantine: bool = False,
) -> ImportReport:
    """Import every table found in `folder`; a file or folder whose name is no table is an error.

    Index weights may be left out where the lake holds some of the session before, which are then carried on. A folder
    of intraday tables alone goes into a lake that holds daily bars.
    """
    config = config or ImportConfig()
    start, end = bounds(calendar, first, last)
    files = _files(existing_folder(folder))
    _require_tables(files, lake, folder)
    brought = {name: _Progress() for name in files}
    journal, aside = Journal(), Quarantine(config.quarantine) if quarantine else None
    with lake.staging() as stage:
        for name, paths in files.items():
            table = TABLES[name]
            if not table.by_session and len(paths) > 1:
                raise SourceError(f"{paths[1]}: table {name} is one file, but there are {len(paths)}; merge them")
            with tqdm(paths, desc=f"importing {name}", unit="file") as bar:
                for path in bar:
                    inspection = Inspection(name, str(path), aside, journal)
                    data = conform(
                        read_source(path, table, inspection=inspection), table, str(path), calendar, inspection
                    )
                    _note_lacking(brought[name], data, table)
                    _stage(stage, table, data, inspection, path, brought[name], start, end)
        telling = [DAILY_BAR.name] if DAILY_BAR.name in brought else list(brought)
        sessions = np.array(sorted({day for name in telling for day in brought[name].origin}), dtype="datetime64[D]")
        if not len(sessions):
            raise SourceError(f"{folder}: holds no session from {start} to {end}; choose other dates")
        if DAILY_BAR.name in brought:
            put_aside = _complete(stage, lake, calendar, config, brought, sessions, journal, aside)
        else:
            if aside is not None:
                aside.refuse_floods()
            put_aside = stage_records(stage, lake, sessions, list(brought), aside)
        industries = stage.read(INDUSTRY.name, columns=["scheme"]) if stage.has(INDUSTRY.name) else None
        schemes = set() if industries is None else set(industries["scheme"].to_pylist())
    return ImportReport(
        vendor="contract",
        description="data imported from contract files",
        rows={name: progress.rows for name, progress in brought.items()},
        first_session=str(sessions[0]),
        last_session=str(sessions[-1]),
        industry_scheme=STUDY_SCHEME if STUDY_SCHEME in schemes else min(schemes, default=""),
        absent_tables={name: f"{folder} holds no such table" for name in TABLES if not lake.has(name)},
        absent_columns={
            f"{name}.{column}": "; ".join([f"{folder} holds no such column", *_stand_in(name, column)])
            for name, progress in brought.items()
            for column in sorted(progress.lacking or ())
            if _stand_in(name, column) or not _lake_has_values(lake, name, column)
        },
        findings=findings_of(journal),
        put_aside=put_aside,
    )


def _require_tables(files: Mapping[str, list[Path]], lake: Lake, folder: Path) -> None:
    """`SourceError` where a table is missing that the platform cannot do without, neither brought nor held."""
    if all(TABLES[name].is_intraday for name in files) and files:
        if not lake.has(DAILY_BAR.name):
            raise SourceError(
                f"{folder}: holds intraday tables alone, and the lake no {DAILY_BAR.name} that they belong to; import "
                "the daily tables first, or together with them"
            )
        return
    known = {*files, INDEX_WEIGHT.name} if lake.has(INDEX_WEIGHT.name) else {*files}
    missing = [name for name, table in TABLES.items() if table.required and name not in known]
    if missing:
        raise SourceError(f"{folder}: holds no {missing[0]}.parquet, .csv or folder; the platform cannot do without it")


def _files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = path.stem if path.is_file() else path.name
        if name.startswith((".", "_")):  # of a tool, or a marker such as _SUCCESS
            continue
        if name not in TABLES:
            raise SourceError(
                f"{path}: '{name}' is no table of the contract; remove it or rename it to one of: " + ", ".join(TABLES)
            )
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("[!.]*") if p.is_file())
        wrong = [p for p in inside if p.suffix not in SUFFIXES]
        if wrong:
            raise SourceError(f"{wrong[0]}: neither Parquet nor CSV; convert it or remove it")
        if not inside:
            raise SourceError(f"{path}: the folder is empty; remove it or put the table's files there")
        found.setdefault(name, []).extend(inside)
    return {name: found[name] for name in TABLES if name in found}


def _note_lacking(progress: _Progress, data: pa.Table, table: Table) -> None:
    optional = (column.name for column in table.columns if column.optional and not column.is_exception)
    empty = {name for name in optional if data[name].null_count == data.num_rows}
    progress.lacking = empty if progress.lacking is None else progress.lacking & empty


def _stand_in(table: str, column: str) -> list[str]:
    return [STAND_INS[column]] if table == DAILY_BAR.name and column in STAND_INS else []


def _lake_has_values(lake: Lake, table: str, column: str) -> bool:
    """Whether any row that the lake holds of a table has a value in a column."""
    if not TABLES[table].by_session:
        return bool(lake.read(table, columns=[column])[column].null_count < lake.rows(table))
    return any(
        lake.read(table, day, day, columns=[column])[column].null_count < lake.rows(table, day)
        for day in lake.sessions(table)
    )


def _stage(
    stage: Lake,
    table: Table,
    data: pa.Table,
    inspection: Inspection,
    path: Path,
    progress: _Progress,
    start: np.datetime64,
    end: np.datetime64,
) -> None:
    """Stage what a file brings of one table, and remember where its rows stood."""
    by_key = [(name, "ascending") for name in table.key]
    order = pa.compute.sort_indices(data, sort_keys=by_key)
    data = data.take(order)
    if inspection.quarantine is not None:
        inspection.quarantine.saw(table.name, data["date"] if table.by_session else None, data.num_rows)
    if not table.by_session:
        progress.rows += stage.write(table.name, data)
        return
    date = days(data["date"])
    sessions = np.unique(date)
    sessions = sessions[(sessions >= start) & (sessions <= end)]
    for session in sessions:
        if session in progress.origin:
            raise SourceError(
                f"{path}: session {session} also stands in {progress.origin[session].path}; keep it in one file"
            )
    row = order.to_numpy()
    numbers = row + 1 if inspection.numbers is None else inspection.numbers[row]
    starts, ends = np.searchsorted(date, sessions, side="left"), np.searchsorted(date, sessions, side="right")
    for session, begin, stop in zip(sessions, starts, ends, strict=True):
        marks = {name: marked[row[begin:stop]] for name, marked in inspection.marks.items()}
        progress.origin[session] = _Origin(path, numbers[begin:stop], marks)
    progress.rows += sum(stage.write_sessions(table.name, data, sessions).values())


def _complete(
    stage: Lake,
    lake: Lake,
    calendar: Calendar,
    config: ImportConfig,
    brought: Mapping[str, _Progress],
    sessions: np.ndarray,
    journal: Journal,
    aside: Quarantine | None,
) -> dict[str, int]:
    """Complete the staged sessions, each with what the one before says; returns the rows put aside by table."""
    held = held_before(lake, sessions[0])
    base = base_before(lake, held)
    completer = Completer(stage.read("security"), calendar, config, journal, aside, held, base)
    carrier = WeightCarrier(config.weight_carry, journal, weights_before(lake, held))
    for at in tqdm(range(0, len(sessions), STRETCH), desc="completing", unit="stretch"):
        stretch = sessions[at : at + STRETCH]
        bars = completer.bars(*_staged(stage, DAILY_BAR, brought, stretch, journal, aside), stretch)
        values = completer.values(*_staged(stage, VALUATION, brought, stretch, journal, aside), bars, stretch)
        given, _ = _staged(stage, INDEX_WEIGHT, brought, stretch, journal, aside)
        weights = carrier.weights(given, bars, stretch)
        for table, data in ((DAILY_BAR, bars), (VALUATION, values), (INDEX_WEIGHT, weights)):
            present = stretch[np.isin(stretch, days(data["date"]))]
            written = sum(stage.write_sessions(table.name, data, present).values())
            if table.name in brought:
                brought[table.name].rows += written - sum(
                    len(brought[table.name].origin[day].numbers) for day in stretch if day in brought[table.name].origin
                )
    completer.finish()
    if aside is not None:
        aside.refuse_floods()
    return stage_records(stage, lake, sessions, list(brought), aside, base)


def _staged(
    stage: Lake,
    table: Table,
    brought: Mapping[str, _Progress],
    sessions: np.ndarray,
    journal: Journal,
    aside: Quarantine | None,
) -> tuple[pa.Table, Inspection]:
    """The staged rows of `sessions`, and an inspection that knows where each stood."""
    origin = brought[table.name].origin if table.name in brought else {}
    present = [origin[day] for day in sessions if day in origin]
    data = stage.read_sessions(table.name, [day for day in sessions if day in origin]) if present else None
    if data is None:
        return table.schema.empty_table(), Inspection(table.name, "", aside, journal)
    paths = np.concatenate([np.repeat(str(each.path), len(each.numbers)) for each in present])
    inspection = Inspection(
        table.name, paths, aside, journal, numbers=np.concatenate([each.numbers for each in present])
    )
    inspection.marks = {name: np.concatenate([each.marks[name] for each in present]) for name in present[0].marks}
    return data.cast(table.schema), inspection
