"""The manifest: which version of each session is in force, of all that imports have brought.

It is one small Parquet file of the columns table, session and version, replaced as a whole. An import writes its files
first, under names that nobody reads yet, and then the manifest that names them: that is the moment in which all of it
comes into force, and the only step that must be atomic. It grows with the sessions, not with the imports.

A session that it does not name is read from where direct writes put it. So is one that was written directly after its
import: that write takes the session out of the manifest (`Lake.write`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attn_platform.errors import MissingDataError
from attn_platform.market.lake.files import UNREADABLE, encoded, first_line, put
from attn_platform.market.lake.layout import WHOLE, version_of

MANIFEST = "manifest.parquet"
LAST_IMPORT = b"last_import"
COLUMNS = ("table", "session", "version")
# Lakes whose manifests a process keeps; one that changed is another one.
KEPT = 16


@dataclass(frozen=True)
class Manifest:
    """`files[table][key]` is the version in force; `last_import` names the import that changed it last."""

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    last_import: str = ""
    _sessions: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    def version(self, table: str, key: str) -> str | None:
        """The version in force, None where no import has brought it."""
        return self.files.get(table, {}).get(key)

    def sessions(self, table: str) -> np.ndarray:
        """Ascending sessions of a table, as datetime64[D]; read-only."""
        if table not in self._sessions:
            keys = sorted(key for key in self.files.get(table, {}) if key != WHOLE)
            found = np.array(keys, dtype="datetime64[D]")
            found.flags.writeable = False
            self._sessions[table] = found
        return self._sessions[table]

    def after_import(self, brought: Mapping[str, Mapping[str, str]]) -> Manifest:
        """With the versions that an import brought; the same one where they are all in force already."""
        changed = {name: {**self.files.get(name, {}), **versions} for name, versions in brought.items() if versions}
        files = {**self.files, **changed}
        if files == self.files:
            return self
        return Manifest(files, version_of(encoded(_as_table(files))))

    def without(self, table: str, key: str) -> Manifest:
        """Without one file, which is read from the place of direct writes from then on."""
        left = {held: version for held, version in self.files.get(table, {}).items() if held != key}
        others = {name: versions for name, versions in self.files.items() if name != table}
        return Manifest({**others, table: left} if left else others, self.last_import)


def read_manifest(root: Path) -> Manifest:
    """The manifest of a lake as it is now; an empty one where nothing was imported."""
    path = root / MANIFEST
    try:
        state = os.stat(path)
        return _loaded(path, state.st_ino, state.st_mtime_ns, state.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Put a manifest in force."""
    table = _as_table(manifest.files).replace_schema_metadata({LAST_IMPORT: manifest.last_import})
    put(root / MANIFEST, encoded(table), durable=True)


@lru_cache(maxsize=KEPT)
def _loaded(path: Path, *_: int) -> Manifest:
    """Content of a manifest, once for each state of the file."""
    content = path.read_bytes()
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        files: dict[str, dict[str, str]] = {}
        for name, key, version in zip(*(table[column].to_pylist() for column in COLUMNS), strict=True):
            files.setdefault(name, {})[key] = version
        return Manifest(files, (table.schema.metadata or {})[LAST_IMPORT].decode())
    except (KeyError, *UNREADABLE) as error:
        raise MissingDataError(
            f"{path}: damaged, no readable manifest ({first_line(error)}); delete it, and import everything again"
        ) from None


def _as_table(files: Mapping[str, Mapping[str, str]]) -> pa.Table:
    rows = sorted((name, key, version) for name, versions in files.items() for key, version in versions.items())
    return pa.table({column: pa.array([row[at] for row in rows], pa.string()) for at, column in enumerate(COLUMNS)})
