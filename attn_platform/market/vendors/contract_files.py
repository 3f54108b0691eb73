"""Importer of files that already follow the data contract: any vendor, once its export has the contract's columns.

A table is `<table>.parquet`, `<table>.csv`, or a folder `<table>/` of such files (one a day, a year, as you like).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from tqdm import tqdm

from attn_platform.errors import SourceError
from attn_platform.market.calendar import Calendar
from attn_platform.market.contract import TABLES, Table, conform
from attn_platform.market.lake import Lake, days, read_parquet_source
from attn_platform.market.vendors.base import ImportReport, existing_folder

SUFFIXES = (".parquet", ".csv")
STUDY_SCHEME = "citic_l1"  # AI-69, AI-55: CITIC level 1; another scheme stands in for it where the files have no such


def import_contract_files(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
) -> ImportReport:
    """Import every table found in `folder`; a file or folder whose name is no table is an error."""
    files = _files(existing_folder(folder))
    missing = [name for name, table in TABLES.items() if table.required and name not in files]
    if missing:
        raise SourceError(f"{folder}: holds no {missing[0]}.parquet, .csv or folder; the platform cannot do without it")
    rows: dict[str, int] = {}
    covered: set[np.datetime64] = set()
    with lake.staging() as stage:
        for name, paths in files.items():
            table = TABLES[name]
            if not table.by_session and len(paths) > 1:
                raise SourceError(f"{paths[1]}: table {name} is one file, but there are {len(paths)}; merge them")
            seen: dict[np.datetime64, Path] = {}
            rows[name] = 0
            for path in tqdm(paths, desc=f"importing {name}", unit="file", disable=len(paths) == 1):
                data = conform(read_source(path, table), table, str(path), calendar)
                rows[name] += _stage(stage, table, data, path, seen, first, last)
            if name == "daily_bar":
                covered = set(seen)
        schemes = set(stage.read("industry", columns=["scheme"])["scheme"].to_pylist())
        if not covered:
            raise SourceError(f"{folder}: holds no session from {first} to {last}; choose other dates")
    return ImportReport(
        vendor="contract",
        description="data imported from contract files",
        rows=rows,
        first_session=str(min(covered)),
        last_session=str(max(covered)),
        industry_scheme=STUDY_SCHEME if STUDY_SCHEME in schemes else min(schemes),
        absent_tables={name: f"{folder} holds no such table" for name in TABLES if name not in files},
    )


def read_source(path: Path, table: Table) -> pa.Table:
    """A Parquet or CSV file of `table`; `SourceError` where it cannot be read."""
    if path.suffix == ".parquet":
        return read_parquet_source(path)
    if not path.exists():
        raise SourceError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty; fetch it again")
    try:
        # Codes such as 000001 must stay text, whatever they look like; everything else is inferred and then checked.
        text = {column.name: column.type for column in table.columns if pa.types.is_string(column.type)}
        options = pyarrow.csv.ConvertOptions(column_types=text, strings_can_be_null=True)
        return pyarrow.csv.read_csv(path, convert_options=options)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path}: no readable CSV file ({error}); correct or fetch it again") from None


def _files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = path.stem if path.is_file() else path.name
        if name.startswith("."):
            continue
        if name not in TABLES:
            raise SourceError(f"{path}: '{name}' is no table of the contract; remove it or rename it to one of: "
                              + ", ".join(TABLES))  # fmt: skip
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        wrong = [p for p in inside if p.suffix not in SUFFIXES]
        if wrong:
            raise SourceError(f"{wrong[0]}: neither Parquet nor CSV; convert it or remove it")
        if not inside:
            raise SourceError(f"{path}: the folder is empty; remove it or put the table's files there")
        found.setdefault(name, []).extend(inside)
    return {name: found[name] for name in TABLES if name in found}


def _stage(
    stage: Lake,
    table: Table,
    data: pa.Table,
    path: Path,
    seen: dict[np.datetime64, Path],
    first: np.datetime64 | None,
    last: np.datetime64 | None,
) -> int:
    if not table.by_session:
        return stage.write(table.name, data).rows
    sessions = np.unique(days(data["date"]))
    twice = [day for day in sessions if day in seen]
    if twice:
        raise SourceError(f"{path}: session {twice[0]} also stands in {seen[twice[0]]}; keep it in one file")
    inside = sessions[
        (sessions >= (first if first is not None else sessions[0]))
        & (sessions <= (last if last is not None else sessions[-1]))
    ]
    seen.update(dict.fromkeys(inside, path))
    order = [(name, "ascending") for name in table.key]
    return sum(written.rows for written in stage.write_sessions(table.name, data.sort_by(order), inside).values())
