"""Files of the reports appear whole or not at all."""

import os
import uuid
from pathlib import Path


def write_atomically(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write `text` to `path` through a temporary file in the same folder, which is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(text.encode(encoding))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
