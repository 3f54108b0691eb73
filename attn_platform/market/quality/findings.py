"""A finding: one kind of fault in raw tables, how bad and how often it is, examples, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""error: what is computed from it is wrong, so an import refuses it; warning: to be looked at; note: said and done."""

EXAMPLES = 5
"""Rows that a finding shows."""


@dataclass(frozen=True)
class Finding:
    """What one check found in one table.

    `check` is the name of the check (snake case, the same wherever it is spoken of); `text` says in a sentence what
    was found, with a guess at the cause where there is one; `remedy` what to do; `count` rows (or stocks, sessions) of
    `examined` are concerned; `examples` are the first of them, column by column.
    """

    check: str
    table: str
    severity: Severity
    text: str
    remedy: str
    count: int
    examined: int
    examples: tuple[Mapping[str, object], ...] = ()

    @property
    def sentence(self) -> str:
        """The finding on one line: how many of how many, what, the first of them, and the remedy."""
        first = ", ".join(f"{name} {value}" for name, value in self.examples[0].items()) if self.examples else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.count:,} of {self.examined:,} {self.text}{f' (first: {first})' if first else ''}{remedy}"
