"""Where the files of the lake lie.

A direct write has one place for each session of a table, `<table>/year=YYYY/date=YYYY-MM-DD.parquet`, or for the whole
of a table without sessions, `<table>/all.parquet`. What an import brings lies beside it, under `<table>/imported/`, in
folders of the same kind and with a version in the name: `date=YYYY-MM-DD.<version>.parquet`. The version is a digest of
the content, so a name never means two contents; the manifest says which version is in force.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from attn_platform.market.calendar import Day, as_day

IMPORTED = "imported"
WHOLE = "all"
YEAR, DATE, SUFFIX = "year=", "date=", ".parquet"
HIDDEN = "."  # of a file that is being written
# 48 bits tell the few contents apart that one session of one table ever has; were two alike, the file is replaced.
VERSION_BYTES = 6


def key_of(session: Day | None) -> str:
    """What a file holds: a session as YYYY-MM-DD, or `all` for a table without sessions."""
    return WHOLE if session is None else str(as_day(session))


def version_of(content: bytes) -> str:
    """The version under which an import stores a content."""
    return blake2b(content, digest_size=VERSION_BYTES).hexdigest()


def direct_file(root: Path, table: str, key: str) -> Path:
    """Where a direct write puts what has this key."""
    return Path(root, table, *_place(key, ""))


def imported_file(root: Path, table: str, key: str, version: str) -> Path:
    """Where an import puts what has this key."""
    return Path(root, table, IMPORTED, *_place(key, f".{version}"))


def direct_sessions(root: Path, table: str, first: str = "", last: str = "9999-12-31") -> list[str]:
    """Sessions (YYYY-MM-DD) from `first` to `last` that direct writes have put there, in no order."""
    # Plain scans: a table has thousands of files, and a session's run lists several tables.
    found: list[str] = []
    for year in _inside(_names(root / table), YEAR, ""):
        if first[:4] <= year <= last[:4]:
            found += _inside(_names(root / table / f"{YEAR}{year}"), DATE, SUFFIX)
    return [day for day in found if first <= day <= last]


def has_direct_files(root: Path, table: str) -> bool:
    """Whether a direct write has put anything there."""
    names = _names(root / table)
    return f"{WHOLE}{SUFFIX}" in names or any(
        _inside(_names(root / table / f"{YEAR}{year}"), DATE, SUFFIX) for year in _inside(names, YEAR, "")
    )


def imported_files(root: Path, table: str) -> Iterator[tuple[str, str, Path, str]]:
    """Key and version of every file under a table's `imported/`, with its folder and its name.

    Both are empty for a file that has none in its name: what a writer that was killed in the middle of it leaves.
    """
    base = root / table / IMPORTED
    for folder in (base, *(base / name for name in _names(base) if name.startswith(YEAR))):
        for name in _names(folder):
            key, _, version = name.removeprefix(DATE).removesuffix(SUFFIX).partition(".")
            if name.endswith(SUFFIX):
                yield key, version, folder, name
            elif name.startswith(HIDDEN):
                yield "", "", folder, name


def tables_of(root: Path) -> list[str]:
    """Names of the folders of tables, whether they hold anything or not."""
    return [name for name in _names(root) if not name.startswith(HIDDEN) and (root / name).is_dir()]


def _place(key: str, version: str) -> tuple[str, ...]:
    if key == WHOLE:
        return (f"{WHOLE}{version}{SUFFIX}",)
    return f"{YEAR}{key[:4]}", f"{DATE}{key}{version}{SUFFIX}"


def _names(folder: Path) -> list[str]:
    """Names of a folder's entries; none where there is no folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _inside(names: list[str], prefix: str, suffix: str) -> list[str]:
    """What stands between prefix and suffix in the names that have both."""
    return [n[len(prefix) : len(n) - len(suffix)] for n in names if n.startswith(prefix) and n.endswith(suffix)]
