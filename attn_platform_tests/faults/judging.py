"""A strict verdict on what the platform made of a planted fault.

A fault counts as caught only by words about it. A refusal has to name the fault's table, one of its columns, and a
planted stock, day, file or count. A finding has to be one that the clean delivery does not have (or has less of), on
the fault's table and columns, and to show a planted row or the planted number of rows; so does a line of the import.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from attn_platform_tests.faults.planting import Fault, Harm, Kind
from attn_platform_tests.faults.trials import Record, Trial

LOUD = ("error", "warning")
SYMBOL, DAY, NUMBER = re.compile(r"\d{6}\.(?:SH|SZ|BJ)"), re.compile(r"\d{4}-\d{2}-\d{2}"), re.compile(r"\d[\d,]*")
SAME_COUNT = 0.02  # counts of rows that differ by less are the same: a check may leave out a stock's first session


class Outcome(StrEnum):
    """What became of a fault."""

    REFUSED = "refused"
    WARNED = "warned"
    REPAIRED = "repaired and said"
    SAID = "said"
    SILENT = "repaired, not said"
    ACCEPTED = "accepted"
    ELSEWHERE = "refused for another reason"
    MISSED = "missed"
    FALSE_ALARM = "false alarm"


CAUGHT = (Outcome.REFUSED, Outcome.WARNED, Outcome.REPAIRED, Outcome.SAID)


@dataclass(frozen=True)
class Verdict:
    """What became of a fault; `by` is the check or "import", `evidence` its words.

    `beside` names findings of weight that are new and not about the fault.
    """

    outcome: Outcome
    by: str = ""
    evidence: str = ""
    beside: tuple[str, ...] = ()

    def is_right(self, harm: Harm) -> bool:
        """Whether that is what has to become of such a fault."""
        if harm is Harm.HARMLESS:
            return self.outcome is Outcome.ACCEPTED
        return self.outcome in CAUGHT or (harm is Harm.MENDABLE and self.outcome is Outcome.SILENT)


def judge(kind: Kind, fault: Fault, found: Trial, clean: Trial) -> Verdict:
    """The verdict on a fault from what became of its delivery and of the clean one."""
    subject = Subject.of(kind, fault)
    if found.refusal is not None:
        if kind.harm is Harm.HARMLESS:
            return Verdict(Outcome.FALSE_ALARM, "import", found.refusal)
        named = subject.is_named_in(found.refusal)
        return Verdict(Outcome.REFUSED if named else Outcome.ELSEWHERE, "import", found.refusal)
    new = list(new_findings(found, clean))
    loud = [finding for finding in new if finding["severity"] in LOUD]
    if kind.harm is Harm.HARMLESS:
        if loud:
            return Verdict(Outcome.FALSE_ALARM, loud[0]["check"], words(loud[0]), _names(loud[1:]))
        return Verdict(Outcome.ACCEPTED)
    ours = [finding for finding in loud if subject.is_shown_by(finding, found.examples)]
    beside = _names([finding for finding in loud if finding not in ours])
    if ours:
        best = max(ours, key=lambda finding: (finding["severity"] == "error", finding["count"]))
        return Verdict(Outcome.WARNED, best["check"], words(best), beside)
    told = [line for line in found.said if line not in clean.said and subject.is_told_by(line)]
    told += [words(finding) for finding in new if subject.is_shown_by(finding, found.examples)]
    if told:
        return Verdict(Outcome.SAID if found.unlike else Outcome.REPAIRED, "import", told[0], beside)
    return Verdict(Outcome.MISSED if found.unlike else Outcome.SILENT, beside=beside)


def new_findings(found: Trial, clean: Trial) -> Iterator[Record]:
    """Findings that the clean delivery has not, or has fewer or milder ones of; `count` is what is more."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    loud: set[tuple[str, str]] = set()
    for finding in clean.findings:
        counts[finding["check"], finding["table"]] += finding["count"]
        if finding["severity"] in LOUD:
            loud.add((finding["check"], finding["table"]))
    for finding in found.findings:
        key = finding["check"], finding["table"]
        if finding["severity"] in LOUD and key not in loud:
            yield finding
        elif finding["count"] > counts[key]:
            yield {**finding, "count": finding["count"] - counts[key]}


def words(finding: Record) -> str:
    """A finding on one line."""
    return f"{finding['table']}: {finding['text']}"


@dataclass(frozen=True)
class Subject:
    """What words have to be about: tables, columns, and the keys of the planted rows."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    symbols: frozenset[str]
    days: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, kind: Kind, fault: Fault) -> Subject:
        """The subject of one planted fault."""
        rows = fault.rows
        symbol = rows["symbol"] if "symbol" in rows else pd.Series(dtype=str)
        days = {name: rows[name].dt.strftime("%Y-%m-%d") for name in ("date", "announced") if name in rows}
        by_table = rows.groupby("table")
        counts = {len(rows), *by_table.size(), symbol.nunique(), *(each.nunique() for each in days.values())}
        if "symbol" in rows:
            counts |= set(by_table["symbol"].nunique())
        return cls(
            tables=tuple(dict.fromkeys((*kind.tables, *rows["table"]))),
            # Whole rows are named by what is shown of them anyway: their dates and symbols.
            columns=() if set(kind.columns) & {"date", "symbol"} else kind.columns,
            symbols=frozenset(symbol.dropna()),
            days=frozenset(day for each in days.values() for day in each.dropna()),
            pairs=frozenset(pair for each in days.values() for pair in zip(symbol, each, strict=False)),
            counts=tuple(sorted(int(count) for count in counts if count)),
        )

    def is_named_in(self, message: str) -> bool:
        """Whether the line of a refusal is about the fault."""
        months = {day[:7] for day in self.days}
        words = set(re.findall(r"[\w.]+", message))
        place = self.symbols & words or self.days & set(DAY.findall(message)) or any(m in message for m in months)
        return self._names_table_and_column(message) and (bool(place) or self._has_count(message))

    def is_told_by(self, line: str) -> bool:
        """Whether a line that the import says is about the fault."""
        return self._names_table_and_column(line) and (self._has_count(line) or self._shows_a_row(line))

    def is_shown_by(self, finding: Record, examples: Sequence[Record]) -> bool:
        """Whether a finding, with its examples, is about the fault."""
        shown = [each["example"] for each in examples if all(each[k] == finding[k] for k in ("check", "table"))]
        told = " ".join([finding["table"], finding["check"], finding["text"], *shown])
        counted = any(abs(finding["count"] - count) <= SAME_COUNT * count for count in self.counts)
        return self._names_table_and_column(told) and (counted or any(map(self._shows_a_row, shown)))

    def _names_table_and_column(self, text: str) -> bool:
        return any(table in text for table in self.tables) and (
            not self.columns or any(column in text for column in self.columns)
        )

    def _shows_a_row(self, text: str) -> bool:
        """Whether a text shows the stock and the day of one planted row, or whichever of the two such rows have."""
        symbols, days = SYMBOL.findall(text), DAY.findall(text)
        if self.pairs and symbols and days:
            return any((symbol, day) in self.pairs for symbol in symbols for day in days)
        return bool(self.symbols & set(symbols) or (not self.symbols and self.days & set(days)))

    def _has_count(self, text: str) -> bool:
        """Whether a text has the planted number of rows, stocks or days; a one says nothing."""
        rest = DAY.sub(" ", SYMBOL.sub(" ", text))
        numbers = {int(found.replace(",", "")) for found in NUMBER.findall(rest)}
        return any(count in numbers for count in self.counts if count > 1)


def _names(findings: Sequence[Record]) -> tuple[str, ...]:
    return tuple(f"{finding['check']} ({finding['count']:,})" for finding in findings)
