"""A column as a rule reads it: the values, the rows that the rule refuses, and for each of these what it is instead.

The rules are those of codes (`codes`) and of dates (`session_dates`). Whoever reads decides what a refused row means:
an import stops, a quarantine puts the row aside, a file of positions leaves it out with a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Refusal:
    """Why a value is refused: as it is written, what it is instead (empty where nobody can tell), what to do."""

    found: str
    what: str
    remedy: str

    @property
    def advice(self) -> str:
        """What it is and what to do, where a message has already shown it."""
        return f"it is {self.what}: {self.remedy}" if self.what else self.remedy

    def __str__(self) -> str:
        return f"{self.found}: {self.advice}"


Reason = TypeVar("Reason", bound=Refusal)


@dataclass(frozen=True)
class Reading(Generic[Reason]):
    """What came of a column of n rows.

    `column` [n] is null where nothing stands, and where a row is refused; `refused` [n] are booleans; `explain(row)`
    says why a refused row is (rows are counted from 0).
    """

    column: pa.ChunkedArray
    refused: NDArray[np.bool_]
    explain: Callable[[int], Reason]

    @property
    def first_refused(self) -> int | None:
        """The first refused row, None where there is none."""
        return int(self.refused.argmax()) if self.refused.any() else None


def is_text(type_: pa.DataType) -> bool:
    """Whether an Arrow type is one of those that hold text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))
