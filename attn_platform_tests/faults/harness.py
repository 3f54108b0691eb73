"""What the platform makes of a delivery: import, report, and a strict verdict on each planted fault.

A fault counts as caught only by words about it: a refusal has to name the table, and a planted stock, day or file; a
finding has to be one that the clean delivery does not have (or has less of), on the fault's table, and to show a
planted row or the planted number of rows. The platform is used through its command line alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.market.lake import Lake
from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.planting import Fault, Harm, Kind, write_fault

ATTN = (sys.executable, "-c", "from attn_platform.cli import main; main()")
FINDINGS, EXAMPLES = "reports/data/tables/findings.csv", "reports/data/tables/examples.csv"
COLUMNS = ("check", "table", "severity", "count", "examined", "text", "remedy")
LOUD = ("error", "warning")
SYMBOL, DAY = re.compile(r"\d{6}\.(?:SH|SZ|BJ)"), re.compile(r"\d{4}-\d{2}-\d{2}")
SAME_COUNT = 0.02  # counts of rows that differ by less are the same: a check may leave out a stock's first session
EQUAL_CELLS = 1e-6  # relative: single precision and no more
KEYS = ("date", "index", "symbol", "scheme", "in_date", "report_period", "announced")
FEW = 0.01  # share of a table's rows up to which the quarantine is tried, as the platform's own default


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
class Trial:
    """What the platform made of one delivery: the line of a refusal, or what the import said and the report found."""

    refusal: str | None
    said: tuple[str, ...]
    findings: pd.DataFrame
    examples: pd.DataFrame
    import_seconds: float
    report_seconds: float


@dataclass(frozen=True)
class Verdict:
    """What became of a kind of fault; `by` is the check or "import", `evidence` its words.

    `unlike` counts the rows of the fault's tables in the lake that differ from the clean copy's (None where refused);
    `beside` names findings of weight that are new and not about the fault; `put_aside` says what a quarantine made of
    a refusal.
    """

    kind: str
    outcome: str
    by: str
    evidence: str
    planted: int
    unlike: int | None
    beside: tuple[str, ...]
    put_aside: str
    seconds: float


def attn(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run([*ATTN, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False)


def trial(delivery: Path, home: Path, quarantine: bool = False) -> Trial:
    """Import a delivery into a new home and report on its data."""
    started = time.perf_counter()
    options = ["--quarantine"] if quarantine else []
    done = attn("import", "contract", delivery, "--home", home, *options)
    middle = time.perf_counter()
    nothing = pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(columns=["check", "table", "example"])
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Trial(lines[-1] if lines else "no message", (), *nothing, middle - started, 0.0)
    said = tuple(line.strip() for line in done.stdout.splitlines() if re.match(r"\w+: ", line.strip()))
    reported = attn("report", "data", "--home", home)
    if reported.returncode:
        raise RuntimeError(f"attn report data failed on {delivery}: {reported.stderr.strip()[-2000:]}")
    findings, examples = (pd.read_csv(home / name, encoding="utf-8-sig") for name in (FINDINGS, EXAMPLES))
    return Trial(None, said, findings, examples, middle - started, time.perf_counter() - middle)


def judge(kind: Kind, fault: Fault, found: Trial, clean: Trial, home: Path, clean_home: Path) -> Verdict:
    """The verdict on a fault from what became of its delivery and of the clean one."""
    about = Subject.of(kind, fault)
    seconds = found.import_seconds + found.report_seconds

    def verdict(
        outcome: Outcome, by: str = "", evidence: str = "", unlike: int | None = None, **more: object
    ) -> Verdict:
        beside = tuple(more.get("beside", ()))  # type: ignore[arg-type]
        return Verdict(kind.name, outcome, by, evidence, len(fault.rows), unlike, beside, "", seconds)

    if found.refusal is not None:
        if kind.harm is Harm.HARMLESS:
            return verdict(Outcome.FALSE_ALARM, "import", found.refusal)
        outcome = Outcome.REFUSED if about.is_named_in(found.refusal) else Outcome.ELSEWHERE
        return verdict(outcome, "import", found.refusal)
    unlike = sum(rows_unlike(clean_home, home, table) for table in fault.frames)
    new = new_findings(found, clean)
    loud, quiet = new[new["severity"].isin(LOUD)], new[~new["severity"].isin(LOUD)]
    ours = [row for row in loud.itertuples() if about.is_shown_by(row, found.examples)]
    beside = [f"{row.check} ({row.count:,})" for row in loud.itertuples() if row.Index not in {o.Index for o in ours}]
    if kind.harm is Harm.HARMLESS:
        if len(loud):
            first = next(loud.itertuples())
            return verdict(Outcome.FALSE_ALARM, str(first.check), _words(first), unlike, beside=beside)
        return verdict(Outcome.ACCEPTED, unlike=unlike)
    if ours:
        best = max(ours, key=lambda row: (row.severity == "error", row.count))
        return verdict(Outcome.WARNED, str(best.check), _words(best), unlike, beside=beside)
    notes = [*[line for line in found.said if line not in clean.said], *[_words(row) for row in quiet.itertuples()]]
    telling = [line for line in notes if about.is_told_by(line)]
    if telling and not unlike:
        return verdict(Outcome.REPAIRED, "import", telling[0], unlike, beside=beside)
    if not unlike:
        return verdict(Outcome.SILENT, unlike=unlike, beside=beside)
    if telling:
        return verdict(Outcome.SAID, "import", telling[0], unlike, beside=beside)
    return verdict(Outcome.MISSED, unlike=unlike, beside=beside)


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
        days = [rows[name].dropna().dt.strftime("%Y-%m-%d") for name in ("date", "announced") if name in rows]
        date = days[0] if days else pd.Series(dtype=str)
        both = [(s, d) for name in ("date", "announced") if name in rows
                for s, d in zip(symbol, rows[name].dt.strftime("%Y-%m-%d"), strict=False)]  # fmt: skip
        by_table = rows.groupby("table")
        counts = {len(rows), *by_table.size(), symbol.nunique(), date.nunique()}
        if "symbol" in rows:
            counts |= set(by_table["symbol"].nunique())
        return cls(
            tables=tuple(dict.fromkeys((*kind.tables, *rows["table"]))),
            columns=kind.columns,
            symbols=frozenset(symbol.dropna()),
            days=frozenset(day for each in days for day in each),
            pairs=frozenset(both),
            counts=tuple(sorted(int(count) for count in counts if count)),
        )

    def is_named_in(self, message: str) -> bool:
        """Whether the line of a refusal names a table (or its file) and a planted stock, day, file or count."""
        if not any(table in message for table in self.tables):
            return False
        months = {day[:7] for day in self.days}
        place = (
            any(found in self.symbols for found in SYMBOL.findall(message))
            or any(symbol in message for symbol in list(self.symbols)[:5000])
            or any(found in self.days for found in DAY.findall(message))
            or any(month in message for month in months)
            or self._has_count(message)
        )
        return place and self._names_a_column(message)

    def is_told_by(self, line: str) -> bool:
        """Whether a line that the import says is about the table, a column and the planted rows."""
        return (
            any(table in line for table in self.tables)
            and self._names_a_column(line)
            and (self._has_count(line) or self._is_planted(line, strict=True))
        )

    def is_shown_by(self, finding: object, examples: pd.DataFrame) -> bool:
        """Whether a finding's examples show a planted row, or its count is the planted one, on the fault's table."""
        words = f"{finding.check} {finding.text}"  # type: ignore[attr-defined]
        table = str(finding.table)  # type: ignore[attr-defined]
        if table not in self.tables and not any(each in words for each in self.tables):
            return False
        of = examples[(examples["check"] == finding.check) & (examples["table"] == table)]["example"]  # type: ignore[attr-defined]
        shown = [str(example) for example in of]
        by_place = any(self._is_planted(example, strict=bool(self.pairs)) for example in shown)
        by_count = any(abs(finding.count - n) <= SAME_COUNT * n for n in self.counts)  # type: ignore[attr-defined]
        return (by_place or by_count) and self._names_a_column(" ".join([words, *shown]))

    def _is_planted(self, text: str, strict: bool) -> bool:
        """Whether a text shows the stock and the day of one planted row; not `strict`: the stock, or the day."""
        symbols, days = SYMBOL.findall(text), DAY.findall(text)
        if strict:
            return any((symbol, day) in self.pairs for symbol in symbols for day in days)
        return any(symbol in self.symbols for symbol in symbols) or any(day in self.days for day in days)

    def _names_a_column(self, text: str) -> bool:
        """True for a fault of whole rows, which every row that is shown names by its date and symbol."""
        of_cells = [column for column in self.columns if column not in ("date", "symbol")]
        return len(of_cells) < len(self.columns) or not of_cells or any(column in text for column in of_cells)

    def _has_count(self, text: str) -> bool:
        numbers = {int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", text) if found.strip(",")}
        return any(count in numbers for count in self.counts)


def new_findings(found: Trial, clean: Trial) -> pd.DataFrame:
    """Findings that the clean delivery does not have, or of which it has fewer or milder ones."""
    known = clean.findings.groupby(["check", "table"])["count"].sum()
    gravity = (
        clean.findings.assign(loud=clean.findings["severity"].isin(LOUD)).groupby(["check", "table"])["loud"].max()
    )
    keys = list(zip(found.findings["check"], found.findings["table"], strict=True))
    before = np.array([known.get(key, 0) for key in keys], dtype=float)
    was_loud = np.array([bool(gravity.get(key, False)) for key in keys])
    worse = found.findings["severity"].isin(LOUD).to_numpy() & ~was_loud
    more = found.findings["count"].to_numpy(dtype=float) - before
    fresh = found.findings.assign(count=np.where(worse, found.findings["count"], more).astype(int))
    return fresh[(more > 0) | worse]


def rows_unlike(clean_home: Path, home: Path, table: str) -> int:
    """Rows of a table in one of two homes' lakes that the other has not, or has with other values."""
    frames = []
    for root in (clean_home, home):
        lake = Lake(root / "lake")
        frames.append(_comparable(lake.read(table)) if lake.has(table) else None)
    left, right = frames
    if left is None or right is None:
        return 0 if left is right else len(left if right is None else right)
    by = [name for name in KEYS if name in left]
    both = left.merge(right, on=by, how="outer", suffixes=("", "_other"), indicator=True)
    differs = (both["_merge"] != "both").to_numpy()
    for name in left.columns:
        if name in by:
            continue
        first, second = both[name], both[f"{name}_other"]
        if pd.api.types.is_float_dtype(first):
            a, b = first.to_numpy(), second.to_numpy()
            same = np.isclose(a, b, rtol=EQUAL_CELLS, atol=0, equal_nan=True)
        else:
            same = ((first == second) | (first.isna() & second.isna())).to_numpy(dtype=bool)
        differs = differs | ~same
    return int(differs.sum())


def try_kind(
    kind: Kind, frames: Frames, clean_files: Path, clean: Trial, clean_home: Path, work: Path, seed: int
) -> Verdict:
    """Plant, import, report and judge one kind; leaves nothing in `work`."""
    fault = kind.planted(frames, seed)
    files, home = work / "files", work / "home"
    for folder in (files, home):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        write_fault(fault, clean_files, files)
        verdict = judge(kind, fault, trial(files, home), clean, home, clean_home)
        if verdict.outcome == Outcome.REFUSED and _may_be_put_aside(fault, frames):
            shutil.rmtree(home, ignore_errors=True)
            return Verdict(**{**asdict(verdict), "put_aside": _quarantined(fault, trial(files, home, True), home)})
        return verdict
    finally:
        for folder in (files, home):
            shutil.rmtree(folder, ignore_errors=True)


def record(verdict: Verdict) -> dict[str, object]:
    """A verdict for JSON."""
    return json.loads(json.dumps(asdict(verdict)))


def _may_be_put_aside(fault: Fault, frames: Frames) -> bool:
    """Whether so few rows are wrong that a quarantine may take them."""
    return fault.damage is None and all(
        count <= FEW * len(frames[table]) for table, count in fault.rows.groupby("table").size().items()
    )


def _quarantined(fault: Fault, found: Trial, home: Path) -> str:
    """How many of the planted rows a quarantine put aside, and how many others."""
    if found.refusal is not None:
        return "refused all the same"
    lake = Lake(home / "lake")
    aside = lake.read("quarantine").to_pandas() if lake.has("quarantine") else pd.DataFrame(columns=["table", "symbol"])
    by = [name for name in ("table", "date", "symbol") if name in fault.rows and name in aside]
    keys = [set(_texts(each, by)) for each in (fault.rows, aside)]
    return f"{len(keys[0] & keys[1])} of {len(keys[0])} put aside, {len(keys[1] - keys[0])} others"


def _texts(frame: pd.DataFrame, by: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [
        pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d") if name == "date" else frame[name].astype(str)
        for name in by
    ]
    return list(zip(*columns, strict=True))


def _comparable(data: pa.Table) -> pd.DataFrame:
    return data.to_pandas(date_as_object=False)


def _words(finding: object) -> str:
    return f"{finding.table}: {finding.count:,} of {finding.examined:,} {finding.text}"  # type: ignore[attr-defined]
