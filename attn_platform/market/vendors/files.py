"""Reading vendors' files and folders: every way in which one cannot be read is a `SourceError` with its name."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from attn_platform.errors import SourceError
from attn_platform.market.conform import from_text
from attn_platform.market.inspection import Inspection
from attn_platform.market.lake import UNREADABLE, first_line
from attn_platform.market.schema import Table
from attn_platform.market.vendors.encodings import as_utf8, is_utf8

SUFFIXES = (".parquet", ".csv")


def existing_folder(folder: Path) -> Path:
    """`folder`, or `SourceError` where it is none."""
    if not folder.exists():
        raise SourceError(f"{folder}: no such folder; check the path given to import")
    if not folder.is_dir():
        raise SourceError(f"{folder}: is a file, not a folder; give the folder that holds the vendor's files")
    return folder


def read_source(path: Path, table: Table, inspection: Inspection | None = None) -> pa.Table:
    """A Parquet or CSV file (by its suffix) that should hold the columns of `table`, and no others.

    `SourceError` where the file is absent, empty, truncated or otherwise unreadable; `ContractError` where a cell of a
    CSV file is not of its column's type. Where the `inspection` has a quarantine, rows with such a cell, or with too
    many or too few of them, are put aside.
    """
    inspection = inspection or Inspection(table.name, str(path))
    data = read_columns(path, SUFFIXES, inspection)
    return from_text(data, table, str(path), inspection) if path.suffix == ".csv" else data


def read_columns(path: Path, suffixes: Sequence[str], inspection: Inspection | None = None) -> pa.Table:
    """All columns of a Parquet file in its types, of a CSV file or the first sheet of an Excel file (.xlsx) as text.

    `SourceError` where its name ends in none of the `suffixes`, or the file is absent, empty, truncated or otherwise
    unreadable.
    """
    if path.suffix not in suffixes:
        either = "neither" if len(suffixes) == 2 else "none of"
        raise SourceError(f"{path}: {either} {' nor '.join(suffixes)}; convert it")
    if not path.exists():
        raise SourceError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise SourceError(f"{path}: is a folder, not a file; put the file there")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty; fetch it again")
    if path.suffix == ".xlsx":
        return _read_excel(path)
    if path.suffix == ".csv":
        return _read_csv(path, inspection or Inspection(path.stem, str(path)))
    return _read_parquet(path)


def _read_parquet(path: Path) -> pa.Table:
    try:
        data = pq.read_table(path, partitioning=None)
        # Text and names that are no UTF-8 would fail only later, where the file's name is not known.
        data.validate(full=True)
        return data.rename_columns(data.column_names)
    except UNREADABLE as error:
        raise SourceError(f"{path}: no readable Parquet file ({first_line(error)}); fetch it again") from None


def _read_excel(path: Path) -> pa.Table:
    try:
        frame = pd.read_excel(path, dtype=str)
    except Exception as error:  # its libraries raise whatever they do
        raise SourceError(f"{path}: no readable Excel file ({first_line(error)}); write it again") from None
    cells = [pa.array(frame.iloc[:, at], type=pa.string(), from_pandas=True) for at in range(frame.shape[1])]
    return pa.Table.from_arrays(cells, names=[str(name) for name in frame.columns])


def _read_csv(path: Path, inspection: Inspection) -> pa.Table:
    """All columns as text: the contract's types, not the look of the cells, say what they are."""
    broken: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    text = None if is_utf8(path) else as_utf8(path)

    def content() -> Path | io.BytesIO:
        return path if text is None else io.BytesIO(text)

    try:
        with pa.csv.open_csv(
            content(), parse_options=pa.csv.ParseOptions(invalid_row_handler=lambda row: "skip")
        ) as file:
            names = file.schema.names
        data = pa.csv.read_csv(
            content(),
            read_options=pa.csv.ReadOptions(use_threads=False),  # only then are broken rows numbered
            parse_options=pa.csv.ParseOptions(invalid_row_handler=remember),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
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
