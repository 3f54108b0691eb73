"""The three shapes of a check: of cells, of whole sessions, of tables without sessions.

A check looks at one stretch of the market after the other and keeps what it saw; at the end it judges all of it. The
severity of faulty cells follows from how many they are and how they lie: a session or a stock of which a good part is
wrong is an error, however small its share of twenty years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.quality.config import QualityConfig, Tolerance
from attn_platform.market.quality.findings import EXAMPLES, Finding, Severity
from attn_platform.market.quality.stretch import Statics, Stretch


class Check(Protocol):
    """What the registry holds."""

    @property
    def name(self) -> str:
        """The same wherever it is spoken of, in snake case."""
        ...

    @property
    def table(self) -> str:
        """The table that it is mainly about."""
        ...

    @property
    def states(self) -> str:
        """What must hold, as a sentence without a full stop."""
        ...

    def start(self, config: QualityConfig) -> Examination:
        """A new examination, which has seen nothing."""
        ...


class Examination(Protocol):
    """One check at work on one market."""

    def look(self, stretch: Stretch) -> None:
        """See a stretch; stretches come in the order of time."""
        ...

    def findings(self, statics: Statics) -> Iterator[Finding]:
        """What was found in all that was seen."""
        ...


@dataclass(frozen=True)
class Faults:
    """Cells [T, N] that break an invariant, of those that were examined; `kinds` are causes that parts of them show."""

    faulty: np.ndarray
    examined: np.ndarray
    kinds: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class CellCheck:
    """A check of every row by itself, or beside the rows before it.

    `faults` gives None where the stretch lacks what it reads. `fault` reads "… of 11,270,000 rows" after a count.
    """

    name: str
    table: str
    states: str
    fault: str
    remedy: str
    shown: tuple[str, ...]
    faults: Callable[[Stretch, QualityConfig], Faults | None]
    tolerance: Callable[[QualityConfig], Tolerance]
    worst: Severity = "error"

    def start(self, config: QualityConfig) -> Examination:
        """A new examination."""
        return _CellExamination(self, config)


@dataclass(frozen=True)
class SessionCheck:
    """A check of figures of whole sessions: `look` makes them of a stretch, `judge` reads those of all stretches."""

    name: str
    table: str
    states: str
    look: Callable[[Stretch, QualityConfig], pd.DataFrame | None]
    judge: Callable[[pd.DataFrame, Statics, QualityConfig], Iterable[Verdict]]

    def start(self, config: QualityConfig) -> Examination:
        """A new examination."""
        return _SessionExamination(self, config)


@dataclass(frozen=True)
class StaticCheck:
    """A check of a table without sessions."""

    name: str
    table: str
    states: str
    judge: Callable[[Statics, QualityConfig], Iterable[Verdict]]

    def start(self, config: QualityConfig) -> Examination:
        """A new examination."""
        return _StaticExamination(self, config)


@dataclass(frozen=True)
class Verdict:
    """A finding less the names that its check gives it; `table` where it lies in another table than the check's."""

    severity: Severity
    text: str
    remedy: str
    count: int
    examined: int
    examples: Sequence[Mapping[str, object]] = ()
    table: str | None = None


def is_grave(sessions: pd.DataFrame, stocks: pd.DataFrame, tolerance: Tolerance) -> bool:
    """Whether the faulty cells, all of them or those of one session or one stock, are more than an honest exception.

    `sessions` and `stocks` have the counts `faulty` and `examined` by session and by stock.
    """

    count = sessions["faulty"].sum()
    if count < tolerance.crowd or count <= tolerance.few:
        return False

    def crowded(counts: pd.DataFrame, share: float) -> bool:
        crowd = (counts["faulty"] >= tolerance.crowd) & (counts["faulty"] > share * counts["examined"])
        return bool(crowd.any())

    return (
        bool(count > tolerance.error_share * sessions["examined"].sum())
        or crowded(sessions, tolerance.crowd_share)
        or crowded(stocks, tolerance.stock_crowd_share)
    )


@dataclass
class _CellExamination:
    check: CellCheck
    config: QualityConfig
    by_session: list[pd.DataFrame] = field(default_factory=list)
    by_stock: pd.DataFrame | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    examples: list[Mapping[str, object]] = field(default_factory=list)

    def look(self, stretch: Stretch) -> None:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.check.faults(stretch, self.config)
        if found is None:
            return
        new = slice(stretch.lead, None)
        faulty, examined = found.faulty[new], found.examined[new]
        counts = [faulty.sum(axis=1), examined.sum(axis=1)]
        self.by_session.append(pd.DataFrame(dict(zip(("faulty", "examined"), counts, strict=True)), stretch.fresh))
        stocks = {"faulty": faulty.sum(axis=0), "examined": examined.sum(axis=0)}
        frame = pd.DataFrame(stocks, stretch.symbols)
        self.by_stock = frame if self.by_stock is None else self.by_stock + frame
        for name, cells in found.kinds.items():
            self.kinds[name] = self.kinds.get(name, 0) + int((cells[new] & faulty).sum())
        rows, columns = np.nonzero(faulty)
        for row, column in zip(rows[:EXAMPLES], columns[:EXAMPLES], strict=True):
            if len(self.examples) < EXAMPLES:
                self.examples.append(example(stretch, row + stretch.lead, column, self.check.shown))

    def findings(self, statics: Statics) -> Iterator[Finding]:
        if self.by_stock is None:
            return
        sessions, stocks = pd.concat(self.by_session), self.by_stock
        count, of = int(sessions["faulty"].sum()), int(sessions["examined"].sum())
        if not count:
            return
        tolerance = self.check.tolerance(self.config)
        grave = is_grave(sessions, stocks, tolerance)
        known = max(tolerance.few, tolerance.note_share * of)
        severity: Severity = self.check.worst if grave else "warning" if count > known else "note"
        yield Finding(
            check=self.check.name,
            table=self.check.table,
            severity=severity,
            text=f"{self.check.fault}: {share(count, of)} {_where(sessions, stocks)}{self._causes(count)}",
            remedy=self.check.remedy,
            count=count,
            examined=of,
            examples=tuple(self.examples),
        )

    def _causes(self, count: int) -> str:
        """The causes that a good part of the cells show, the most frequent first."""
        shown = [(n, name) for name, n in self.kinds.items() if n >= self.config.cause_share * count]
        return "".join(f"; {name} ({n:,})" for n, name in sorted(shown, key=lambda each: -each[0]))


@dataclass
class _SessionExamination:
    check: SessionCheck
    config: QualityConfig
    seen: list[pd.DataFrame] = field(default_factory=list)

    def look(self, stretch: Stretch) -> None:
        with np.errstate(invalid="ignore", divide="ignore"):
            frame = self.check.look(stretch, self.config)
        if frame is not None and len(frame):
            self.seen.append(frame)

    def findings(self, statics: Statics) -> Iterator[Finding]:
        if self.seen:
            verdicts = self.check.judge(pd.concat(self.seen, ignore_index=True), statics, self.config)
            yield from (_finding(self.check, verdict) for verdict in verdicts)


@dataclass
class _StaticExamination:
    check: StaticCheck
    config: QualityConfig

    def look(self, stretch: Stretch) -> None:
        """Nothing: the table has no sessions."""

    def findings(self, statics: Statics) -> Iterator[Finding]:
        if self.check.table in statics:
            yield from (_finding(self.check, verdict) for verdict in self.check.judge(statics, self.config))


def _finding(check: SessionCheck | StaticCheck, verdict: Verdict) -> Finding:
    return Finding(
        check=check.name,
        table=verdict.table or check.table,
        severity=verdict.severity,
        text=verdict.text,
        remedy=verdict.remedy,
        count=verdict.count,
        examined=verdict.examined,
        examples=tuple(verdict.examples)[:EXAMPLES],
    )


def example(stretch: Stretch, row: int, column: int, shown: Sequence[str]) -> dict[str, object]:
    """The cells of one row that a reader wants to see; "previous close" is the close of the row before."""
    found: dict[str, object] = {"date": str(stretch.sessions[row]), "symbol": str(stretch.symbols[column])}
    for name in shown:
        if name.startswith(PREVIOUS):
            found[name] = float(stretch.previous(name.removeprefix(PREVIOUS))[row, column])
        elif stretch.has(name):
            found[name] = _meaning(name, float(stretch[name][row, column]))
    return found


def _meaning(name: str, value: float) -> object:
    """A cell of the dense arrays as the contract has it."""
    if name == "trading_status":
        return None if np.isnan(value) else TRADING_STATUSES[int(value)]
    return bool(value) if name == "is_suspended" else value


PREVIOUS = "previous "


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The first rows of a frame as examples; dates as text."""
    head = frame.head(EXAMPLES)
    dates = {name: head[name].dt.strftime("%Y-%m-%d") for name in head.columns if head[name].dtype.kind == "M"}
    return [{str(name): cell for name, cell in row.items()} for row in head.assign(**dates).to_dict("records")]


def share(count: int, of: int) -> str:
    """ "3 of 1,000 (0.3%)"."""
    percent = 100 * count / of if of else 0.0
    return f"{count:,} of {of:,} ({percent:.2g} %)" if percent < 10 else f"{count:,} of {of:,} ({percent:.0f} %)"


def span(sessions: Iterable[object]) -> str:
    """Sessions in words: how many, the first and the last of them."""
    days = pd.DatetimeIndex(pd.to_datetime(pd.Series(list(sessions)))).sort_values()
    if len(days) == 1:
        return f"{days[0]:%Y-%m-%d}"
    return f"{len(days):,} sessions from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"


def _where(sessions: pd.DataFrame, stocks: pd.DataFrame) -> str:
    hit, concerned = sessions[sessions["faulty"] > 0], int((stocks["faulty"] > 0).sum())
    worst = hit["faulty"].idxmax()
    text = f"in {concerned:,} {'stock' if concerned == 1 else 'stocks'} on {span(hit.index)}"
    return text if len(hit) == 1 else f"{text}, most ({hit['faulty'].max():,}) on {worst:%Y-%m-%d}"
