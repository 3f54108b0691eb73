"""The lake: Parquet files under one folder, one file a session and table, read through DuckDB.

Layout: `<table>/year=YYYY/date=YYYY-MM-DD.parquet`, tables without sessions `<table>/all.parquet`. A file is written
under a temporary name and renamed, so a reader sees the old one or the new one; writing the same rows again leaves the
file untouched. Missing numbers are stored as null, never as NaN (DuckDB's statistics do not know NaN).

A lake may lie on top of another one: it reads the tables that it does not hold from the one beneath, and writes only
its own. Tables are whole: one that holds a single session hides all those of the same table beneath.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Day, as_day

WHOLE_TABLE = "all.parquet"
YEAR, DATE, SUFFIX = "year=", "date=", ".parquet"
LATEST_DAY = "9999-12-31"
STAGING = ".staging-"
COMPRESSION = "zstd"
# Pages carry checksums: a damaged file is an error with its name, never wrong numbers.
FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
# What pyarrow raises on damaged files, whichever part of them is hit.
UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)
# Two writers keep two cores busy: Parquet encoding releases the interpreter lock.
WRITERS = 2


class Lake:
    """Tables under `root`, and those of the lake `beneath` that it does not hold itself.

    Opening creates nothing; the first write makes the folder.
    """

    def __init__(self, root: Path, beneath: Lake | None = None) -> None:
        self.root = Path(root)
        self.beneath = beneath

    def holder(self, table: str) -> Lake:
        """The lake that a table is read from: the topmost that holds it, or the lowest where none does."""
        if self.beneath is None or self._holds(table):
            return self
        return self.beneath.holder(table)

    def path(self, table: str, session: Day | None = None) -> Path:
        """File that a table, or one of its sessions, is read from."""
        return _file(self.holder(table).root, table, session)

    def tables(self) -> list[str]:
        """Names of the tables that hold at least one file."""
        own = {folder.name for folder in self.root.iterdir() if folder.is_dir()} if self.root.is_dir() else set()
        held = {name for name in own if not name.startswith(".") and self._holds(name)}
        return sorted(held if self.beneath is None else held.union(self.beneath.tables()))

    def sessions(self, table: str, first: Day | None = None, last: Day | None = None) -> np.ndarray:
        """Ascending sessions that the table holds, as datetime64[D]; those from `first` to `last` where given."""
        low, high = ("" if first is None else str(as_day(first))), (LATEST_DAY if last is None else str(as_day(last)))
        folder = self.holder(table).root / table
        found: list[str] = []
        # Plain scans: a table has thousands of files, and a session's run lists several tables.
        for year in _names(folder, YEAR, ""):
            if low[:4] <= year <= high[:4]:
                found += _names(folder / f"{YEAR}{year}", DATE, SUFFIX)
        return np.array(sorted(day for day in found if low <= day <= high), dtype="datetime64[D]")

    def has(self, table: str) -> bool:
        """Whether the table holds anything."""
        return self.holder(table)._holds(table)

    def _holds(self, table: str) -> bool:
        return next((self.root / table).rglob("*.parquet"), None) is not None

    def rows(self, table: str, session: Day | None = None) -> int:
        """Rows of a session's file, or of the whole table's."""
        root = self.holder(table).root
        path = _file(root, table, session)
        if not path.exists():
            raise MissingDataError(f"the lake {root} has no {path.relative_to(root)}; import or materialise it")
        try:
            return int(pq.read_metadata(path).num_rows)
        except UNREADABLE as error:
            raise _damaged(path, error) from None

    def write(self, table: str, data: pa.Table, session: Day | None = None) -> int:
        """Write one session of a table (or the whole table) atomically, in the order given; returns the rows."""
        _write_file(_file(self.root, table, session), data)
        return int(data.num_rows)

    def write_sessions(
        self, table: str, data: pa.Table, sessions: Sequence[np.datetime64] | np.ndarray
    ) -> dict[str, int]:
        """Split `data` by its `date` column and write a file for each of `sessions`, an empty one where it has no row.

        Returns the rows by session, in order.
        """
        date = days(data["date"])
        if np.any(date[1:] < date[:-1]):
            order = np.argsort(date, kind="stable")
            data, date = data.take(pa.array(order)), date[order]
        wanted = np.asarray(sessions, dtype="datetime64[D]")
        starts = np.searchsorted(date, wanted, side="left")
        ends = np.searchsorted(date, wanted, side="right")

        def write_one(at: int) -> tuple[str, int]:
            rows = data.slice(starts[at], ends[at] - starts[at])
            return str(wanted[at]), self.write(table, rows, wanted[at])

        with ThreadPoolExecutor(WRITERS) as pool:
            return dict(pool.map(write_one, range(len(wanted))))

    def read(
        self,
        table: str,
        first: Day | None = None,
        last: Day | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows from session `first` to `last` (both included; the whole table without them), in date order.

        `MissingDataError` where the table holds no session in that range, where one of the files lacks a column, and
        where one is damaged.
        """
        files = self._files(table, first, last)
        if not files:
            span = "" if first is None and last is None else f" from {first} to {last}"
            raise MissingDataError(
                f"the lake {self.holder(table).root} has no table '{table}'{span}; materialise or import it first"
            )
        return _rows(files, columns)

    def read_sessions(
        self, table: str, sessions: Sequence[np.datetime64] | np.ndarray, columns: Sequence[str] | None = None
    ) -> pa.Table | None:
        """Rows of those of `sessions` that the table holds, in their order; None where it holds none of them."""
        root = self.holder(table).root
        files = [path for path in (_file(root, table, day) for day in sessions) if path.exists()]
        return _rows(files, columns) if files else None

    def _files(self, table: str, first: Day | None, last: Day | None) -> list[Path]:
        root = self.holder(table).root
        whole = _file(root, table, None)
        if whole.exists():
            return [whole]
        return [_file(root, table, day) for day in self.sessions(table, first, last)]

    def stamp(self, table: str, first: Day | None = None, last: Day | None = None) -> int:
        """A number that changes with the files of a table from session `first` to `last`: place, size, time of each."""
        stats = ((path, path.stat()) for path in self._files(table, first, last))
        return hash(tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view for each table of the lake."""
        connection = duckdb.connect()
        for table in self.tables():
            folder = self.holder(table).root / table
            files = sorted(folder.rglob("*.parquet"))
            try:
                # DuckDB takes the first file's types; where a column there is all null it has none: then look at all.
                union = any(pa.types.is_null(kind) for kind in pq.read_schema(files[0]).types)
                pattern = str(folder / "**" / "*.parquet").replace("'", "''")
                connection.execute(
                    f'CREATE VIEW "{table}" AS SELECT * FROM '
                    f"read_parquet('{pattern}', hive_partitioning = false, union_by_name = {union})"
                )
            except (duckdb.Error, *UNREADABLE) as error:
                raise _damaged(files[0], error) from None
        return connection

    @contextmanager
    def staging(self) -> Iterator[Lake]:
        """A lake beside this one whose files move over when the block ends well, and vanish when it does not."""
        is_new = not self.root.exists()
        stage = Lake(self.root / f"{STAGING}{uuid.uuid4().hex}")
        try:
            yield stage
            stage._move_into(self)
        finally:
            shutil.rmtree(stage.root, ignore_errors=True)
            if is_new:
                with suppress(OSError):
                    self.root.rmdir()  # only succeeds where nothing moved over

    def _move_into(self, other: Lake) -> None:
        """Rename every file of this lake to its place in `other`; files with the same bytes are left alone."""
        for path in sorted(self.root.rglob("*.parquet")):
            target = other.root / path.relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and target.read_bytes() == path.read_bytes()):
                os.replace(path, target)


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


def _write_file(path: Path, data: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    # Numbers hardly repeat within a session: a dictionary of them costs three times the time, and some of the space.
    repeating = [field.name for field in data.schema if not pa.types.is_floating(field.type)]
    pq.write_table(
        _without_nan(data), sink, compression=COMPRESSION, use_dictionary=repeating, write_page_checksum=True
    )
    content = sink.getvalue().to_pybytes()
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _without_nan(data: pa.Table) -> pa.Table:
    for at, field in enumerate(data.schema):
        if pa.types.is_floating(field.type):
            column = data[field.name]
            data = data.set_column(at, field, pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column))
    return data


def _file(root: Path, table: str, session: Day | None) -> Path:
    """Where a table, or one of its sessions, lies in a lake."""
    if session is None:
        return root / table / WHOLE_TABLE
    day = str(as_day(session))
    return root / table / f"{YEAR}{day[:4]}" / f"{DATE}{day}{SUFFIX}"


def _names(folder: Path, prefix: str, suffix: str) -> list[str]:
    """What stands between prefix and suffix in the names of a folder's entries; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [n[len(prefix) : len(n) - len(suffix)] for n in names if n.startswith(prefix) and n.endswith(suffix)]


def _rows(files: Sequence[Path], columns: Sequence[str] | None) -> pa.Table:
    """Rows of the files, in their order."""
    schema = _common_schema(files, columns)
    try:
        # New fragments, which open each file once: those that told the schema remember the places of its parts, and
        # would look for them in the new file where a writer replaces it meanwhile.
        dataset = ds.FileSystemDataset([_fragment(path) for path in files], schema, FORMAT)
        return dataset.to_table(columns=list(columns) if columns else None)
    except UNREADABLE as error:
        for path in files:
            if not _is_readable(path):
                raise _damaged(path, error) from None
        raise


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
            raise _damaged(path, error) from None
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


def _damaged(path: Path, error: Exception) -> MissingDataError:
    return MissingDataError(
        f"{path}: damaged, no readable Parquet file ({first_line(error)}); "
        "delete it, and import or materialise it again"
    )


def first_line(error: Exception) -> str:
    """What an error of a library says, short enough for one line of ours."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
