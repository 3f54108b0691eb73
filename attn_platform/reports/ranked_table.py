"""A terminal's table whose columns have an order of importance, by which those are chosen that a narrow one shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Column, Table


class RankedTable(Table):
    """A table that says which of its columns matter most.

    `importance` names headers, the most important first; columns that it does not name follow in their own order. A
    column of sentences says `overflow="fold"` and may be wrapped between words; every other one is shown whole or not
    at all.
    """

    def __init__(self, *headers: Column | str, importance: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*headers, **options)
        self.importance = tuple(importance)


def by_importance(table: Table) -> list[Column]:
    """The columns of a table, the most important first; those of a plain one from left to right."""
    first = table.importance if isinstance(table, RankedTable) else ()
    ranks = {name: rank for rank, name in enumerate(first)}
    return sorted(table.columns, key=lambda column: ranks.get(str(column.header), len(ranks)))
