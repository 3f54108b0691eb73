"""One Parquet file of the lake: how it is encoded, put in its place, and read with others of its table.

Missing numbers are stored as null, never as NaN (DuckDB's statistics do not know NaN). Pages carry checksums: a damaged
file is an error with its name, never wrong numbers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from attn_platform.errors import MissingDataError
from attn_platform.writing import replacing

COMPRESSION = "zstd"
MAGIC = b"PAR1"
MANY_ROWS, PART_OF_MANY = 1_000_000, 2**17
FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
# What pyarrow raises on damaged files, whichever part of them is hit.
UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


def from_columns(columns: Mapping[str, np.ndarray | pa.Array]) -> pa.Table:
    """Table of equally long arrays; dates as days."""

    def column(values: np.ndarray | pa.Array) -> pa.Array:
        if isinstance(values, np.ndarray) and values.dtype.kind == "M":
            return pa.array(values, type=pa.date32())
        return pa.array(values)

    return pa.table({name: column(values) for name, values in columns.items()})


def days(column: pa.ChunkedArray) -> np.ndarray:
    """A date column without nulls as datetime64[D]."""
    return column.combine_chunks().to_numpy(zero_copy_only=False).astype("datetime64[D]")


def encoded(data: pa.Table) -> bytes:
    """The bytes of a file that holds `data`; the same for the same rows in the same order."""
    sink = pa.BufferOutputStream()
    # Of what is read in blocks the parts are small, so that a block is made of whole ones.
    part = PART_OF_MANY if data.num_rows > MANY_ROWS else None
    # Numbers hardly repeat within a session: a dictionary of them costs three times the time, and some of the space.
    repeating = [field.name for field in data.schema if not pa.types.is_floating(field.type)]
    pq.write_table(
        _without_nan(data),
        sink,
        row_group_size=part,
        compression=COMPRESSION,
        use_dictionary=repeating,
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


def put(path: Path, content: bytes, durable: bool = False) -> bool:
    """Put a file in its place atomically: a reader sees the old one or the new one.

    One that has this content already is left alone; returns whether it was written. What is `durable` has reached the
    disk before it takes its place.
    """
    if holds(path, content):
        return False
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        if durable:
            to_disk(temporary)
    return True


def to_disk(path: Path) -> None:
    """Wait until a file has reached the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def holds(path: Path, content: bytes) -> bool:
    """Whether a file has this content."""
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def count_rows(path: Path) -> int:
    """Rows of a file; `MissingDataError` where it is damaged."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except UNREADABLE as error:
        raise damaged(path, error) from None


def require_whole(path: Path) -> None:
    """`MissingDataError` where a file does not end as Parquet files do: it was cut, or is none. No more is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)  # of tens of thousands of files: no buffers
        try:
            end = os.pread(descriptor, len(MAGIC), os.fstat(descriptor).st_size - len(MAGIC))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise damaged(path, error) from None
    if end != MAGIC:
        raise damaged(path, ValueError("its end is missing"))


def read_files(files: Sequence[Path], columns: Sequence[str] | None) -> pa.Table:
    """Rows of the files of one table, in their order.

    `MissingDataError` where one lacks a column, where their types do not fit together, and where one is damaged.
    """
    schema = _common_schema(files, columns)
    try:
        # New fragments, which open each file once: those that told the schema remember the places of its parts, and
        # would look for them in the new file where a writer replaces it meanwhile.
        dataset = ds.FileSystemDataset([_fragment(path) for path in files], schema, FORMAT)
        return dataset.to_table(columns=list(columns) if columns else None)
    except UNREADABLE as error:
        for path in files:
            if not _is_readable(path):
                raise damaged(path, error) from None
        raise


def damaged(path: Path, error: Exception) -> MissingDataError:
    """The error of a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return MissingDataError(f"{path}: no such file any more; import or materialise it again")
    return MissingDataError(
        f"{path}: damaged, no readable Parquet file ({first_line(error)}); "
        "delete it, and import or materialise it again"
    )


def first_line(error: Exception) -> str:
    """What an error of a library says, short enough for one line of ours."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _without_nan(data: pa.Table) -> pa.Table:
    for at, field in enumerate(data.schema):
        if pa.types.is_floating(field.type):
            column = data[field.name]
            data = data.set_column(at, field, pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column))
    return data


def _fragment(path: Path) -> ds.ParquetFileFragment:
    return FORMAT.make_fragment(str(path), LocalFileSystem())


def _common_schema(files: Sequence[Path], columns: Sequence[str] | None) -> pa.Schema:
    """Schema of files whose types may differ where one has nothing but nulls in a column; all have the same columns."""
    schemas: list[pa.Schema] = []
    for path in files:
        try:
            schemas.append(_fragment(path).physical_schema)
            names = schemas[-1].names
        except UNREADABLE as error:
            raise damaged(path, error) from None
        wanted = columns if columns else schemas[0].names
        if lacking := [name for name in wanted if name not in names]:
            raise MissingDataError(f"{path}: has no column '{lacking[0]}'; import or materialise that session again")
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise MissingDataError(
            f"{files[0].parent}: files of one table do not fit together ({first_line(error)}); "
            "import or materialise all its sessions again"
        ) from None


def _is_readable(path: Path) -> bool:
    try:
        _fragment(path).to_table()
    except UNREADABLE:
        return False
    return True
