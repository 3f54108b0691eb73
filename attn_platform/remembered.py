"""What was computed from the package's own source, remembered as long as that stays as it is.

Hashes of source (`source_identity`) are the same in every process that runs the same source, and cost each of them one
to three seconds. Where somebody names a folder, they are kept there, in one file a state of the source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from hashlib import blake2b
from pathlib import Path

from attn_platform.writing import write_atomically

COMPILED = "__pycache__"
_DIGEST_BYTES = 16
_known: ContextVar[dict[str, str] | None] = ContextVar("remembered", default=None)


@contextmanager
def remembering_in(folder: Path | None) -> Iterator[None]:
    """Inside, what was computed before is taken from `folder`, and what is new is added to it; nothing without one.

    A folder that may only be read is read.
    """
    if folder is None:
        yield
        return
    file = folder / f"{source_state()}.json"
    known: dict[str, str] = {}
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
    count = len(known)
    token = _known.set(known)
    try:
        yield
    finally:
        _known.reset(token)
        if len(known) > count:
            with suppress(OSError):
                write_atomically(file, json.dumps(known, indent=0, sort_keys=True))


def remembered(key: str, compute: Callable[[], str]) -> str:
    """What `compute` gives, which the package's source and `key` decide."""
    known = _known.get()
    if known is None:
        return compute()
    if key not in known:
        known[key] = compute()
    return known[key]


def package_files(folder: Path) -> list[Path]:
    """Files of a package and of those in it, but for compiled ones."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.parent.name != COMPILED)


@cache
def source_state() -> str:
    """Hash over all files of the package, as they are on the disk when it is first asked for."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    root = Path(__file__).parent
    for file in package_files(root):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
