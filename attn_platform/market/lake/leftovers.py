"""Files of a lake that nobody reads any more, and when they may go.

An import leaves what it supersedes in place, since a reader may have learnt its name a moment ago; one that was killed
leaves files that no manifest names. The next import takes both away, once none has changed the lake for a while.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from attn_platform.market.lake.layout import HIDDEN, WHOLE, direct_file, direct_sessions, imported_files, tables_of
from attn_platform.market.lake.manifest import MANIFEST, Manifest, read_manifest

# Longer than any read or query takes, shorter than from one night's import to the next.
GRACE = timedelta(hours=6)


def leftovers(root: Path, manifest: Manifest) -> Iterator[Path]:
    """Files under `root` that nobody finds through the manifest, nor without it.

    They are versions that are not in force, direct writes that an import has superseded, and what was half written. A
    table that is a link belongs to another lake, and is left to it.
    """
    yield from root.glob(f"{HIDDEN}{MANIFEST}.*")
    for table in tables_of(root):
        if (root / table).is_symlink():
            continue
        yield from (
            folder / name
            for key, version, folder, name in imported_files(root, table)
            if manifest.version(table, key) != version
        )
        superseded = manifest.files.get(table, {}).keys() & {WHOLE, *direct_sessions(root, table)}
        yield from (path for key in sorted(superseded) if (path := direct_file(root, table, key)).exists())


def sweep(root: Path) -> None:
    """Delete what is left over, unless the manifest has changed within the time that a reader may take.

    Nobody else may import meanwhile, or change the manifest.
    """
    manifest = root / MANIFEST
    if manifest.exists() and time.time() - manifest.stat().st_mtime < GRACE.total_seconds():
        return
    for path in leftovers(root, read_manifest(root)):
        path.unlink(missing_ok=True)
