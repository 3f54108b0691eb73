"""Importer of files that already follow the data contract: any vendor, once its export has the contract's columns.

A table is `<table>.parquet`, `<table>.csv`, or a folder `<table>/` of such files (one a day, a year, as you like). The
daily bars' vwap and price limits may be left out: the importer works them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from attn_platform.errors import SourceError
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.contract import BOARDS, DAILY_BAR, FLOAT, TABLES, TRADING_STATUSES, Table, conform, reject
from attn_platform.market.lake import Lake, days
from attn_platform.market.vendors.base import Accept, ImportReport, accept_all, bounds
from attn_platform.market.vendors.derived import average_price, price_limits
from attn_platform.market.vendors.files import SUFFIXES, existing_folder, read_source

STUDY_SCHEME = "citic_l1"  # AI-69, AI-55: CITIC level 1; another scheme stands in for it where the files have no such
STAND_INS = {
    "vwap": "amount / volume stands in",
    "up_limit": "the exchange's rules stand in",
    "down_limit": "the exchange's rules stand in",
}


@dataclass
class _Progress:
    """What one table has brought so far: rows, the file of each session, optional columns that no file has."""

    rows: int = 0
    file_of: dict[np.datetime64, Path] = field(default_factory=dict)
    lacking: set[str] | None = None


def import_contract_files(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    accept: Accept = accept_all,
) -> ImportReport:
    """Import every table found in `folder`; a file or folder whose name is no table is an error."""
    start, end = bounds(calendar, first, last)
    files = _files(existing_folder(folder))
    missing = [name for name, table in TABLES.items() if table.required and name not in files]
    if missing:
        raise SourceError(f"{folder}: holds no {missing[0]}.parquet, .csv or folder; the platform cannot do without it")
    brought = {name: _Progress() for name in files}
    with lake.staging() as stage:
        for name, paths in files.items():
            table = TABLES[name]
            if not table.by_session and len(paths) > 1:
                raise SourceError(f"{paths[1]}: table {name} is one file, but there are {len(paths)}; merge them")
            with tqdm(paths, desc=f"importing {name}", unit="file", disable=None) as bar:
                for path in bar:
                    data = conform(read_source(path, table), table, str(path), calendar)
                    _note_lacking(brought[name], data, table)
                    if table is DAILY_BAR:
                        data = _completed(data, stage.read("security"), str(path), calendar)
                    _stage(stage, table, data, path, brought[name], start, end)
        covered = sorted(brought[DAILY_BAR.name].file_of)
        if not covered:
            raise SourceError(f"{folder}: holds no session from {start} to {end}; choose other dates")
        schemes = set(stage.read("industry", columns=["scheme"])["scheme"].to_pylist())
        accept(stage)
    return ImportReport(
        vendor="contract",
        description="data imported from contract files",
        rows={name: progress.rows for name, progress in brought.items()},
        first_session=str(covered[0]),
        last_session=str(covered[-1]),
        industry_scheme=STUDY_SCHEME if STUDY_SCHEME in schemes else min(schemes),
        absent_tables={name: f"{folder} holds no such table" for name in TABLES if name not in files},
        absent_columns={
            f"{name}.{column}": "; ".join([f"{folder} holds no such column", *_stand_in(name, column)])
            for name, progress in brought.items()
            for column in sorted(progress.lacking or ())
        },
    )


def _files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = path.stem if path.is_file() else path.name
        if name.startswith("."):
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
    empty = {c.name for c in table.columns if c.optional and data[c.name].null_count == data.num_rows}
    progress.lacking = empty if progress.lacking is None else progress.lacking & empty


def _stand_in(table: str, column: str) -> list[str]:
    return [STAND_INS[column]] if table == DAILY_BAR.name and column in STAND_INS else []


def _completed(bars: pa.Table, security: pa.Table, source: str, calendar: Calendar) -> pa.Table:
    """Daily bars with vwap and price limits, where the file has no value in these columns."""
    known = pc.is_in(bars["symbol"], value_set=security["symbol"].combine_chunks())
    reject(known, bars, ("symbol",), source, "a symbol of table security", "add it there")

    def values(name: str) -> np.ndarray:
        return bars[name].to_numpy()

    derived: dict[str, np.ndarray] = {}
    if bars["vwap"].null_count == bars.num_rows:
        derived["vwap"] = average_price(values("amount"), values("volume"), values("low"), values("high"))
    limits = [name for name in ("up_limit", "down_limit") if bars[name].null_count == bars.num_rows]
    if limits:
        stock = pc.index_in(bars["symbol"], value_set=security["symbol"].combine_chunks()).to_numpy()
        board = pc.index_in(security["board"], value_set=pa.array(BOARDS)).to_numpy()
        status = pc.index_in(bars["trading_status"], value_set=pa.array(TRADING_STATUSES)).to_numpy()
        listed = security["list_date"].to_numpy().astype("datetime64[D]")
        bounded = price_limits(values("pre_close"), board[stock], status, days(bars["date"]), listed[stock], calendar)
        derived |= {name: bounded[("up_limit", "down_limit").index(name)] for name in limits}
    for name, column in derived.items():
        bars = bars.set_column(bars.column_names.index(name), name, pa.array(column, type=FLOAT, from_pandas=True))
    return bars


def _stage(
    stage: Lake,
    table: Table,
    data: pa.Table,
    path: Path,
    progress: _Progress,
    start: np.datetime64,
    end: np.datetime64,
) -> None:
    data = data.sort_by([(name, "ascending") for name in table.key])
    if not table.by_session:
        progress.rows += stage.write(table.name, data)
        return
    sessions = np.unique(days(data["date"]))
    sessions = sessions[(sessions >= start) & (sessions <= end)]
    for session in sessions:
        if session in progress.file_of:
            raise SourceError(
                f"{path}: session {session} also stands in {progress.file_of[session]}; keep it in one file"
            )
    progress.file_of |= dict.fromkeys(sessions, path)
    progress.rows += sum(stage.write_sessions(table.name, data, sessions).values())
