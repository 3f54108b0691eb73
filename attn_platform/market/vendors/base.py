"""What every vendor's importer has in common: check the source, convert, stage, move into the lake at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from attn_platform.errors import SourceError
from attn_platform.market.calendar import Calendar
from attn_platform.market.lake import Lake


@dataclass(frozen=True)
class ImportReport:
    """What an import brought: rows by table, the sessions covered, the industry scheme, and why some tables or columns are absent."""

    vendor: str
    description: str
    rows: Mapping[str, int]
    first_session: str
    last_session: str
    industry_scheme: str
    absent_tables: Mapping[str, str] = field(default_factory=dict)
    absent_columns: Mapping[str, str] = field(default_factory=dict)


class Importer(Protocol):
    """Read a vendor's folder, write tables of the contract into `lake`; nothing is written where anything is wrong."""

    def __call__(
        self,
        folder: Path,
        lake: Lake,
        calendar: Calendar,
        first: np.datetime64 | None,
        last: np.datetime64 | None,
    ) -> ImportReport:
        """Import sessions from `first` to `last` (all that the vendor has without them)."""
        ...


def existing_folder(folder: Path) -> Path:
    """`folder`, or `SourceError` where it is none."""
    if not folder.exists():
        raise SourceError(f"{folder}: no such folder; check the path given to import")
    if not folder.is_dir():
        raise SourceError(f"{folder}: is a file, not a folder; give the folder that holds the vendor's files")
    return folder
