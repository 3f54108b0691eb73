"""Files that a vendor delivers into a folder, by themselves: which of them are there, and whether they are whole.

A delivery is named by its newest file and by names, sizes and times of all of its files, so that the same files are the
same delivery and a corrected one is another. It is whole where its marker came after all others, or, without a marker,
once nothing in the folder has changed for some time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attn_platform.automation.configuration import DeliveryConfig

DIGITS = 8


@dataclass(frozen=True)
class Delivery:
    """The files of a folder: when the newest came, a name of them all, and the file that is still to come, if any."""

    newest: datetime
    fingerprint: str
    unmarked: Path | None

    @property
    def name(self) -> str:
        """Names in the order of their newest files."""
        return f"{self.newest:%Y-%m-%dT%H%M%S} {self.fingerprint}"

    def missing(self, config: DeliveryConfig, now: datetime) -> str | None:
        """Why the files may not be whole yet; None where they are."""
        if config.marker is not None:
            return f"waiting for {self.unmarked}" if self.unmarked is not None else None
        settled = self.newest + timedelta(seconds=config.settled_seconds)
        return f"files are coming into {config.folder}" if now < settled else None


def delivery_in(folder: Path, config: DeliveryConfig) -> Delivery | None:
    """What lies in a folder and the folders within; None where there is no file (or no folder)."""
    marker = None if config.marker is None else folder / config.marker
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != marker)
    if not files:
        return None
    names = hashlib.blake2b(digest_size=DIGITS // 2)
    newest = 0.0
    for path in files:
        stat = path.stat()
        names.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        newest = max(newest, stat.st_ctime)  # when it came: a copy may keep the time of its original
    is_marked = marker is None or (marker.is_file() and marker.stat().st_ctime >= newest)
    return Delivery(datetime.fromtimestamp(newest, UTC), names.hexdigest(), None if is_marked else marker)
