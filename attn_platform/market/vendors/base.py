"""What every vendor's importer has in common: check the source, convert, stage, move into the lake at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from attn_platform.market.calendar import Calendar, Day, as_day
from attn_platform.market.lake import Lake


@dataclass(frozen=True)
class ImportReport:
    """What an import brought: rows by table, the sessions covered, the scheme of the industries.

    `absent_tables` and `absent_columns` (`table.column`) say what the vendor lacks, and why or what stands in.
    """

    vendor: str
    description: str
    rows: Mapping[str, int]
    first_session: str
    last_session: str
    industry_scheme: str
    absent_tables: Mapping[str, str] = field(default_factory=dict)
    absent_columns: Mapping[str, str] = field(default_factory=dict)


Accept = Callable[[Lake], None]
"""Looks at what is about to move into the lake; what it raises leaves the lake as it was."""


def accept_all(stage: Lake) -> None:
    """Whatever the files hold."""


class Importer(Protocol):
    """Read a vendor's folder, write tables of the contract into `lake`; nothing is written where anything is wrong."""

    def __call__(
        self,
        folder: Path,
        lake: Lake,
        calendar: Calendar,
        first: Day | None = None,
        last: Day | None = None,
        accept: Accept = accept_all,
    ) -> ImportReport:
        """Import sessions from `first` to `last` (all that the vendor has without them), where `accept` lets them."""
        ...


def bounds(calendar: Calendar, first: Day | None, last: Day | None) -> tuple[np.datetime64, np.datetime64]:
    """The range asked for, in days; the calendar's ends where it is open."""
    return (
        as_day(first if first is not None else calendar.sessions[0]),
        as_day(last if last is not None else calendar.sessions[-1]),
    )
