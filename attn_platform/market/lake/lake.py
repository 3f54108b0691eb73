"""Tables of the lake: read by sessions or through DuckDB, written session by session or by an import as a whole.

A direct write (`Lake.write`, `Lake.write_sessions`) replaces the file of one session: a reader sees the old one or the
new one. An import (`Lake.staging`) brings sessions of several tables, which all come into force at the same moment; one
that is killed has changed nothing. Whoever writes a session last is read, whichever way it was written.

A lake may lie on top of another one: it reads the tables that it does not hold from the one beneath, and writes only
its own. Tables are whole: one that holds a single session hides all those of the same table beneath.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attn_platform import locks
from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Day, as_day
from attn_platform.market.lake.files import (
    UNREADABLE,
    count_rows,
    damaged,
    days,
    encoded,
    holds,
    put,
    read_files,
    to_disk,
)
from attn_platform.market.lake.layout import (
    WHOLE,
    direct_file,
    direct_sessions,
    has_direct_files,
    imported_file,
    key_of,
    tables_of,
    version_of,
)
from attn_platform.market.lake.leftovers import leftovers, sweep
from attn_platform.market.lake.manifest import Manifest, read_manifest, write_manifest

IMPORT_LOCK, MANIFEST_LOCK = ".import.lock", ".manifest.lock"
# Who changes the manifest holds its lock for milliseconds, or while an import takes leftovers away.
PATIENCE_SECONDS = 60.0
# Two writers keep two cores busy: Parquet encoding releases the interpreter lock.
WRITERS = 2


class Lake:
    """Tables under `root`, and those of the lake `beneath` that it does not hold itself.

    Opening creates nothing; the first write makes the folder. Every reading method sees one state of the imports;
    `snapshot` holds one over several.
    """

    def __init__(self, root: Path, beneath: Lake | None = None) -> None:
        self.root = Path(root)
        self.beneath = beneath

    def _manifest(self) -> Manifest:
        """What imports have brought, as it is to be read now."""
        return read_manifest(self.root)

    def snapshot(self) -> Lake:
        """This lake with the imports that are in force now: what comes later is not seen through it."""
        return _Snapshot(self.root, self._manifest(), None if self.beneath is None else self.beneath.snapshot())

    def path(self, table: str, session: Day | None = None) -> Path:
        """File that a table, or one of its sessions, is read from."""
        lake, manifest = self._holder(table)
        return lake._file(manifest, table, key_of(session))

    def tables(self) -> list[str]:
        """Names of the tables that hold at least one file."""
        manifest = self._manifest()
        held = {name for name in {*manifest.files, *tables_of(self.root)} if self._holds(manifest, name)}
        return sorted(held if self.beneath is None else held.union(self.beneath.tables()))

    def sessions(self, table: str, first: Day | None = None, last: Day | None = None) -> np.ndarray:
        """Ascending sessions that the table holds, as datetime64[D]; those from `first` to `last` where given."""
        lake, manifest = self._holder(table)
        return lake._sessions(manifest, table, first, last)

    def has(self, table: str) -> bool:
        """Whether the table holds anything."""
        lake, manifest = self._holder(table)
        return lake._holds(manifest, table)

    def rows(self, table: str, session: Day | None = None) -> int:
        """Rows of a session's file, or of the whole table's."""
        lake, manifest = self._holder(table)
        path = lake._file(manifest, table, key_of(session))
        if not path.exists():
            raise MissingDataError(
                f"the lake {lake.root} has no {path.relative_to(lake.root)}; import or materialise it"
            )
        return count_rows(path)

    def write(self, table: str, data: pa.Table, session: Day | None = None) -> int:
        """Write one session of a table (or the whole table) atomically, in the order given; returns the rows.

        The same rows again leave the file untouched. A session that an import has brought is this write's from then on.
        """
        key, content = key_of(session), encoded(data)
        path = direct_file(self.root, table, key)
        imported = read_manifest(self.root).version(table, key)
        if imported is None:
            put(path, content)
        elif imported == version_of(content):
            put(imported_file(self.root, table, key, imported), content)  # there already, unless it was damaged
        else:
            with self._changing_the_manifest():
                put(path, content)
                manifest = read_manifest(self.root)
                if manifest.version(table, key) is not None:
                    write_manifest(self.root, manifest.without(table, key))
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
        lake, manifest = self._holder(table)
        files = lake._files(manifest, table, first, last)
        if not files:
            span = "" if first is None and last is None else f" from {first} to {last}"
            raise _no_table(lake, table, span)
        return read_files(files, columns)

    def read_sessions(
        self, table: str, sessions: Sequence[np.datetime64] | np.ndarray, columns: Sequence[str] | None = None
    ) -> pa.Table | None:
        """Rows of those of `sessions` that the table holds, in their order; None where it holds none of them."""
        lake, manifest = self._holder(table)
        places = ((key, lake._file(manifest, table, key)) for key in map(key_of, sessions))
        files = [path for key, path in places if manifest.version(table, key) is not None or path.exists()]
        return read_files(files, columns) if files else None

    def stamp(self, table: str, first: Day | None = None, last: Day | None = None) -> int:
        """A number that changes with the files of a table from session `first` to `last`: place, size, time of each."""
        lake, manifest = self._holder(table)
        stats = ((path, path.stat()) for path in lake._files(manifest, table, first, last))
        return hash(tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats))

    def versions(self, table: str, sessions: np.ndarray) -> list[str]:
        """What tells the file of each session from any other: name, size and time; empty where there is none.

        The same in every process, as `stamp` is not.
        """
        lake, manifest = self._holder(table)
        paths = (lake._file(manifest, table, key_of(session)) for session in sessions)
        return [_version(path) for path in paths]

    def connect(self, *tables: str) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with a view of each of the `tables` (all of the lake's without them) as it is now."""
        lake, connection = self.snapshot(), duckdb.connect()
        for table in tables or lake.tables():
            holder, manifest = lake._holder(table)
            files = holder._files(manifest, table)
            if not files:
                raise _no_table(holder, table)
            try:
                # DuckDB takes the first file's types; where a column there is all null it has none: then look at all.
                union = any(pa.types.is_null(kind) for kind in pq.read_schema(files[0]).types)
                places = ", ".join(_sql_text(_without_wildcards(path)) for path in files)
                name = table.replace('"', '""')
                connection.execute(
                    f'CREATE VIEW "{name}" AS SELECT * FROM '
                    f"read_parquet([{places}], hive_partitioning = false, union_by_name = {union})"
                )
            except (duckdb.Error, *UNREADABLE) as error:
                raise damaged(files[0], error) from None
        return connection

    @contextmanager
    def staging(self) -> Iterator[Stage]:
        """An import: what is written to the lake that it yields comes into force when the block ends well, all at once.

        Nothing of it is seen before, and nothing is left where the block raises. `BusyError` where another import runs.
        """
        missing = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with locks.exclusive(self.root / IMPORT_LOCK, f"another import into {self.root} runs; wait for its end"):
                with self._changing_the_manifest():
                    sweep(self.root)
                stage = Stage(self)
                try:
                    yield stage
                    stage.commit()
                finally:
                    stage.discard()
        finally:
            with suppress(OSError):
                for folder in missing:
                    folder.rmdir()  # only succeeds where nothing has come in

    def last_import(self) -> str:
        """A name of the last import that changed anything; empty where none has."""
        return self._manifest().last_import

    def importer(self) -> str | None:
        """The process that imports into this lake now, if one does."""
        return locks.holder(self.root / IMPORT_LOCK)

    def leftovers(self) -> list[Path]:
        """Files that nobody reads, sorted: superseded, of an import that was killed, or of one that runs."""
        return sorted(leftovers(self.root, self._manifest()))

    @contextmanager
    def _changing_the_manifest(self) -> Iterator[None]:
        refusal = f"the manifest of {self.root} is being changed; try again"
        with locks.exclusive(self.root / MANIFEST_LOCK, refusal, PATIENCE_SECONDS):
            yield

    def _holder(self, table: str) -> tuple[Lake, Manifest]:
        """The lake that a table is read from, and its manifest: the topmost that holds it, or the lowest of all."""
        manifest = self._manifest()
        if self.beneath is None or self._holds(manifest, table):
            return self, manifest
        return self.beneath._holder(table)

    def _holds(self, manifest: Manifest, table: str) -> bool:
        return bool(manifest.files.get(table)) or has_direct_files(self.root, table)

    def _file(self, manifest: Manifest, table: str, key: str) -> Path:
        version = manifest.version(table, key)
        if version is None:
            return direct_file(self.root, table, key)
        return imported_file(self.root, table, key, version)

    def _sessions(self, manifest: Manifest, table: str, first: Day | None, last: Day | None) -> np.ndarray:
        imported = manifest.sessions(table)
        start = 0 if first is None else int(np.searchsorted(imported, as_day(first), side="left"))
        end = len(imported) if last is None else int(np.searchsorted(imported, as_day(last), side="right"))
        span = {name: str(as_day(day)) for name, day in (("first", first), ("last", last)) if day is not None}
        direct = np.array(direct_sessions(self.root, table, **span), dtype="datetime64[D]")
        return np.union1d(imported[start:end], direct)

    def _files(self, manifest: Manifest, table: str, first: Day | None = None, last: Day | None = None) -> list[Path]:
        whole = self._file(manifest, table, WHOLE)
        if whole.exists():
            return [whole]
        return [self._file(manifest, table, str(day)) for day in self._sessions(manifest, table, first, last)]


class _Snapshot(Lake):
    """A lake as its imports stood at one moment."""

    def __init__(self, root: Path, manifest: Manifest, beneath: Lake | None) -> None:
        super().__init__(root, beneath)
        self._held = manifest

    def _manifest(self) -> Manifest:
        return self._held


class Stage(Lake):
    """The lake as it will be after an import: what that has written so far, over what is there.

    An import within it (`staging`) is a part of it.
    """

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake.root, lake.beneath)
        self._before = read_manifest(lake.root)
        # Versions by table and key: what this import has brought, over what is in force. Views, not copies, because an
        # importer may read a static table again for each of thousands of files.
        self._views: dict[str, ChainMap[str, str]] = {}
        self._made: list[tuple[str, str, str]] = []
        self._at_commit: list[Callable[[str], None]] = []

    def _manifest(self) -> Manifest:
        return Manifest({**self._before.files, **self._views})

    def write(self, table: str, data: pa.Table, session: Day | None = None) -> int:
        """Write one session of a table (or the whole table), which comes into force with the others; returns the rows.

        A file that holds the same rows stays in force.
        """
        key, content = key_of(session), encoded(data)
        held = self._before.files.get(table, {})
        brought = self._views.setdefault(table, ChainMap({}, dict(held))).maps[0]
        if key not in held and holds(direct_file(self.root, table, key), content):
            brought.pop(key, None)
        else:
            version = version_of(content)
            if put(imported_file(self.root, table, key, version), content):
                self._made.append((table, key, version))
            brought[key] = version
        return int(data.num_rows)

    @contextmanager
    def staging(self) -> Iterator[Stage]:
        """This import itself."""
        yield self

    def replaced(self) -> Iterator[tuple[str, str, Path, Path]]:
        """Table, key, the file in force and the one that takes its place, of all that the import brings anew."""
        for table, key, version in self._brought():
            before, after = Lake._file(self, self._before, table, key), imported_file(self.root, table, key, version)
            if before != after and before.exists():
                yield table, key, before, after

    def added(self) -> Iterator[tuple[str, str, bool]]:
        """Table, key, and whether later sessions of the table are there already, of what was not in the lake before."""
        newest: dict[str, str] = {}
        for table, key, _ in self._brought():
            if Lake._file(self, self._before, table, key).exists():
                continue
            if table not in newest:
                held = Lake._sessions(self, self._before, table, None, None)
                newest[table] = str(held[-1]) if len(held) else ""
            yield table, key, key != WHOLE and key < newest[table]

    def keep(self, table: str, key: str) -> None:
        """Leave the file in force that is there, in place of the one that the import brings."""
        self._views[table].maps[0].pop(key, None)

    def _brought(self) -> list[tuple[str, str, str]]:
        """Table, key and version of what was written."""
        return [
            (table, key, version)
            for table, view in self._views.items()
            for key, version in sorted(view.maps[0].items())
        ]

    def at_commit(self, action: Callable[[str], None]) -> None:
        """Do something right before the import comes into force, which `Manifest.last_import` will then be told by.

        Where the import changes nothing, the action is given the name of the last one that did.
        """
        self._at_commit.append(action)

    def commit(self) -> None:
        """Put all that was written in force."""
        with self._changing_the_manifest():
            held = read_manifest(self.root)
            manifest = held.after_import({table: view.maps[0] for table, view in self._views.items()})
            for action in self._at_commit:
                action(manifest.last_import)
            if manifest is not held:
                # A machine that loses its power must not keep the manifest and lose what it names. Most of a long
                # import has reached the disk by now, so that this is quick.
                with ThreadPoolExecutor(WRITERS) as pool:
                    list(pool.map(lambda made: to_disk(imported_file(self.root, *made)), self._made))
                write_manifest(self.root, manifest)

    def discard(self) -> None:
        """Take away what was written and is not in force."""
        manifest = read_manifest(self.root)
        for table, key, version in self._made:
            if manifest.version(table, key) != version:
                path = imported_file(self.root, table, key, version)
                path.unlink(missing_ok=True)
                self._remove_empty(path.parent)

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent


def _no_table(lake: Lake, table: str, span: str = "") -> MissingDataError:
    return MissingDataError(f"the lake {lake.root} has no table '{table}'{span}; materialise or import it first")


def _version(path: Path) -> str:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ""
    return f"{path.name} {stat.st_size} {stat.st_mtime_ns}"


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_wildcards(path: Path) -> str:
    """A path as a pattern of DuckDB's that nothing else fits."""
    return re.sub(r"([*?[])", r"[\1]", str(path))
