"""The lake: Parquet files under one folder, one file a session and table, read through DuckDB.

Layout: `<table>/year=YYYY/date=YYYY-MM-DD.parquet`, tables without sessions `<table>/all.parquet`. A file is written
under a temporary name and renamed, so a reader sees the old one or the new one; writing the same rows again leaves the
file untouched. Missing numbers are stored as null, never as NaN (DuckDB's statistics do not know NaN).
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_platform.errors import MissingDataError, SourceError

logger = logging.getLogger(__name__)

WHOLE_TABLE = "all.parquet"
COMPRESSION = "zstd"
# Two writers keep two cores busy: Parquet encoding releases the interpreter lock.
WRITERS = 2


@dataclass(frozen=True)
class Written:
    """What one write left in the lake: rows, and a hash of the file's bytes."""

    rows: int
    content_hash: str


class Lake:
    """Tables under `root`. Opening creates nothing; the first write makes the folder."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, table: str, session: np.datetime64 | str | None = None) -> Path:
        """File of a table, or of one of its sessions."""
        if session is None:
            return self.root / table / WHOLE_TABLE
        day = str(np.datetime64(session, "D"))
        return self.root / table / f"year={day[:4]}" / f"date={day}.parquet"

    def tables(self) -> list[str]:
        """Names of the tables that hold at least one file."""
        if not self.root.is_dir():
            return []
        return sorted(
            folder.name
            for folder in self.root.iterdir()
            if folder.is_dir() and not folder.name.startswith(".") and next(folder.rglob("*.parquet"), None)
        )

    def sessions(self, table: str) -> np.ndarray:
        """Ascending sessions that the table holds, as datetime64[D]."""
        names = [path.stem.removeprefix("date=") for path in (self.root / table).glob("year=*/date=*.parquet")]
        return np.array(sorted(names), dtype="datetime64[D]")

    def has(self, table: str) -> bool:
        """Whether the table holds anything."""
        return next((self.root / table).rglob("*.parquet"), None) is not None

    def rows(self, table: str, session: np.datetime64 | str | None = None) -> int:
        """Rows of a session's file, or of the whole table's."""
        path = self.path(table, session)
        if not path.exists():
            raise MissingDataError(
                f"the lake {self.root} has no {path.relative_to(self.root)}; import or materialise it"
            )
        return int(pq.read_metadata(path).num_rows)

    def write(self, table: str, data: pa.Table, session: np.datetime64 | str | None = None) -> Written:
        """Write one session of a table (or the whole table) atomically; rows keep the order given."""
        return _write_file(self.path(table, session), data)

    def write_sessions(
        self, table: str, data: pa.Table, sessions: Sequence[np.datetime64] | np.ndarray
    ) -> dict[str, Written]:
        """Split `data` by its `date` column and write a file for each of `sessions`, an empty one where it has no row.

        Returns what was written by session, in order.
        """
        date = days(data["date"])
        if np.any(date[1:] < date[:-1]):
            order = np.argsort(date, kind="stable")
            data, date = data.take(pa.array(order)), date[order]
        wanted = np.asarray(sessions, dtype="datetime64[D]")
        starts = np.searchsorted(date, wanted, side="left")
        ends = np.searchsorted(date, wanted, side="right")

        def write_one(at: int) -> tuple[str, Written]:
            rows = data.slice(starts[at], ends[at] - starts[at])
            return str(wanted[at]), self.write(table, rows, wanted[at])

        with ThreadPoolExecutor(WRITERS) as pool:
            return dict(pool.map(write_one, range(len(wanted))))

    def read(
        self,
        table: str,
        first: np.datetime64 | str | None = None,
        last: np.datetime64 | str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows from session `first` to `last` (both included; the whole table without them), in date order.

        `MissingDataError` where the table holds no session in that range.
        """
        files = self._files(table, first, last)
        if not files:
            span = "" if first is None and last is None else f" from {first} to {last}"
            raise MissingDataError(f"the lake {self.root} has no table '{table}'{span}; materialise or import it first")
        return pq.read_table(files, columns=list(columns) if columns else None, partitioning=None)

    def _files(self, table: str, first: np.datetime64 | str | None, last: np.datetime64 | str | None) -> list[Path]:
        whole = self.path(table)
        if whole.exists():
            return [whole]
        held = self.sessions(table)
        keep = np.ones(len(held), dtype=bool)
        if first is not None:
            keep &= held >= np.datetime64(first, "D")
        if last is not None:
            keep &= held <= np.datetime64(last, "D")
        return [self.path(table, day) for day in held[keep]]

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view for each table of the lake."""
        connection = duckdb.connect()
        for table in self.tables():
            pattern = str(self.root / table / "**" / "*.parquet").replace("'", "''")
            connection.execute(
                f"CREATE VIEW \"{table}\" AS SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)"
            )
        return connection

    @contextmanager
    def staging(self) -> Iterator[Lake]:
        """A lake beside this one whose files move over when the block ends well, and vanish when it does not."""
        stage = Lake(self.root / f".staging-{uuid.uuid4().hex}")
        try:
            yield stage
            stage.move_into(self)
        finally:
            shutil.rmtree(stage.root, ignore_errors=True)

    def move_into(self, other: Lake) -> None:
        """Rename every file of this lake to its place in `other`; files with the same bytes are left alone."""
        for path in sorted(self.root.rglob("*.parquet")):
            target = other.root / path.relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and target.read_bytes() == path.read_bytes()):
                os.replace(path, target)

    def content_hash(self, table: str, sessions: Iterable[np.datetime64] | None = None) -> str:
        """Hash over the files of a table (over those of `sessions` where given): changes when any row does."""
        files = (
            [path for path in (self.path(table, day) for day in sessions) if path.exists()]
            if sessions is not None
            else self._files(table, None, None)
        )
        digest = hashlib.blake2b(digest_size=16)
        for path in files:
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


def read_parquet_source(path: Path) -> pa.Table:
    """A vendor's Parquet file; `SourceError` with the file's name where it is absent, empty or truncated."""
    if not path.exists():
        raise SourceError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty; fetch it again")
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: no readable Parquet file ({_first_line(error)}); fetch it again") from None


def from_columns(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Table of equally long arrays; NaN becomes null."""
    return pa.table(
        {
            name: pa.array(values, from_pandas=True)
            if values.dtype.kind == "f"
            else pa.array(values, type=pa.date32())
            if values.dtype.kind == "M"
            else pa.array(values)
            for name, values in columns.items()
        }
    )


def days(column: pa.ChunkedArray) -> np.ndarray:
    """A date column without nulls as datetime64[D]."""
    return column.combine_chunks().to_numpy(zero_copy_only=False).astype("datetime64[D]")


def without_nan(data: pa.Table) -> pa.Table:
    """The same table with NaN written as null."""
    for at, field in enumerate(data.schema):
        if pa.types.is_floating(field.type):
            column = data[field.name]
            data = data.set_column(at, field, pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column))
    return data


def _write_file(path: Path, data: pa.Table) -> Written:
    sink = pa.BufferOutputStream()
    pq.write_table(data, sink, compression=COMPRESSION)
    content = memoryview(sink.getvalue())
    written = Written(data.num_rows, hashlib.blake2b(content, digest_size=16).hexdigest())
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return written
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
