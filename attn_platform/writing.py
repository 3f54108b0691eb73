"""Files and folders appear whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` when the block ends well; its folder is made if it is not there.

    Its name begins with a dot and the name of `path` and ends in the suffix of `path`; it vanishes when the block does
    not end well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write `text` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode(encoding))


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder` when the block ends well, and vanishes when it does not.

    It is not made yet, but the block makes it. A parent of `folder` in which nothing is left goes as well.
    """
    made, old = (folder.with_name(f".{folder.name}-{uuid.uuid4().hex}") for _ in range(2))
    try:
        yield made
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
    finally:
        for left in (made, old):
            shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # only succeeds where nothing is left in it
