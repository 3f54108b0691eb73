"""Reading vendors' files and folders: every way in which one cannot be read is a `SourceError` with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from attn_platform.errors import SourceError
from attn_platform.market.conform import from_text
from attn_platform.market.contract import Table
from attn_platform.market.inspection import Inspection
from attn_platform.market.lake import UNREADABLE, first_line

SUFFIXES = (".parquet", ".csv")
CHECKED_AT_ONCE = 1 << 24


def existing_folder(folder: Path) -> Path:
    """`folder`, or `SourceError` where it is none."""
    if not folder.exists():
        raise SourceError(f"{folder}: no such folder; check the path given to import")
    if not folder.is_dir():
        raise SourceError(f"{folder}: is a file, not a folder; give the folder that holds the vendor's files")
    return folder


def read_source(path: Path, table: Table, has_others: bool = False, inspection: Inspection | None = None) -> pa.Table:
    """A Parquet or CSV file (by its suffix) that should hold the columns of `table`.

    Columns beside them are an error of whoever checks the table, or left out where the file `has_others`. `SourceError`
    where the file is absent, empty, truncated or otherwise unreadable; `ContractError` where a cell of a CSV file is
    not of its column's type. Where the `inspection` has a quarantine, rows with such a cell, or with too many or too
    few of them, are put aside.
    """
    if not path.exists():
        raise SourceError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise SourceError(f"{path}: is a folder, not a file; put the file there")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty; fetch it again")
    inspection = inspection or Inspection(table.name, str(path))
    data = _read_csv(path, table, inspection) if path.suffix == ".csv" else _read_parquet(path)
    if has_others:
        known = {column.name for column in table.columns}
        data = data.select([at for at, name in enumerate(data.column_names) if name in known])
    return from_text(data, table, str(path), inspection) if path.suffix == ".csv" else data


def _read_parquet(path: Path) -> pa.Table:
    try:
        data = pq.read_table(path, partitioning=None)
        # Text and names that are no UTF-8 would fail only later, where the file's name is not known.
        data.validate(full=True)
        return data.rename_columns(data.column_names)
    except UNREADABLE as error:
        raise SourceError(f"{path}: no readable Parquet file ({first_line(error)}); fetch it again") from None


def _read_csv(path: Path, table: Table, inspection: Inspection) -> pa.Table:
    """All columns of the table as text first: the contract's types, not the look of the cells, say what they are."""
    broken: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    try:
        with path.open(encoding="utf-8", newline="") as text:
            while text.read(CHECKED_AT_ONCE):
                pass
        data = pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(use_threads=False),  # only then are broken rows numbered
            parse_options=pa.csv.ParseOptions(invalid_row_handler=remember),
            convert_options=pa.csv.ConvertOptions(
                column_types={column.name: pa.string() for column in table.columns}, strings_can_be_null=True
            ),
        )
        data = data.rename_columns(data.column_names)
    except UNREADABLE as error:
        raise SourceError(
            f"{path}: no readable CSV file ({first_line(error)}); write it in UTF-8, the columns' names in "
            "the first line, or fetch it again"
        ) from None
    if broken:
        _set_aside(broken, data.num_rows, path, inspection)
    return data


def _set_aside(broken: list[pa.csv.InvalidRow], rows: int, path: Path, inspection: Inspection) -> None:
    """Rows with a wrong number of cells are an error, or put aside; the others keep their numbers."""
    number = np.array([row.number - 1 for row in broken])
    reasons = [
        f"{path}: row {at}: has {row.actual_columns} cells, the header {row.expected_columns} columns; correct the "
        "row, or fetch the file again"
        for at, row in zip(number, broken, strict=True)
    ]
    if inspection.quarantine is None:
        raise SourceError(reasons[0])
    everything = np.arange(1, rows + len(broken) + 1)
    inspection.put_unread_aside(number, reasons, [row.text for row in broken], len(everything))
    inspection.numbers = np.setdiff1d(everything, number)
