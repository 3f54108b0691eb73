"""Inspection of rows on their way into the lake: a row that fails a check stops the import, or is put aside.

Without a quarantine the first row that fails is an error with its file, row, columns and remedy, and nothing is
written. With one, rows that fail are put aside with the reason, the rest goes on; where more than a stated share of the
rows fails, the fault is the file's and stops the import all the same. What is done to rows beyond copying them (filled,
scaled, taken for something else) is noted here, so that the import can say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.errors import ContractError
from attn_platform.market.quality.findings import EXAMPLES, Finding

DATE, TEXT = pa.date32(), pa.string()
TABLE = "quarantine"
SCHEMA = pa.schema(
    [
        ("table", TEXT),
        ("date", DATE),
        ("symbol", TEXT),
        ("source", TEXT),
        ("row", pa.int64()),
        ("check", TEXT),
        ("reason", TEXT),
        ("content", TEXT),
    ]
)
"""The lake's table of rows put aside: of which table, where they stood (rows counted from 1), why, and their cells."""

ORDER = [(name, "ascending") for name in ("table", "date", "symbol", "source", "row")]
DATE_SHAPES = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


class QuarantineConfig(BaseModel):
    """How many rows may be put aside before it is the file that is at fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_share: float = Field(default=0.01, gt=0, lt=1)
    """Of a table's rows in one file or on one session; a choice of ours: vendors' single errors are far rarer."""
    few_rows: int = Field(default=10, ge=0)
    """So many may always be put aside, however small the file is."""


@dataclass
class Note:
    """What was done to rows of one table for one reason: how many of how many, and the first of them."""

    table: str
    count: int = 0
    examined: int = 0
    examples: list[Mapping[str, object]] = field(default_factory=list)


class Journal:
    """What an import did to rows beyond copying them; becomes findings that the import says in its closing lines."""

    def __init__(self) -> None:
        self.notes: dict[tuple[str, str], Note] = {}

    def add(self, check: str, data: pa.Table, concerned: np.ndarray, table: str, columns: Sequence[str] = ()) -> None:
        """Note the rows of `data` in which `concerned` [R] is true; examples show the key and `columns`."""
        note = self.notes.setdefault((table, check), Note(table))
        note.count += int(concerned.sum())
        note.examined += len(concerned)
        if (lacking := EXAMPLES - len(note.examples)) > 0 and concerned.any():
            shown = [name for name in ("date", "index", "symbol", *columns) if name in data.column_names]
            note.examples += data.select(shown).take(pa.array(np.flatnonzero(concerned)[:lacking])).to_pylist()

    def findings(self, texts: Mapping[str, tuple[str, str]]) -> list[Finding]:
        """The notes as findings, by table and check; `texts` has what a check says, and the remedy."""
        return [
            Finding(check, note.table, "note", *texts[check], note.count, note.examined, tuple(note.examples))
            for (_, check), note in sorted(self.notes.items())
            if note.count
        ]


class Quarantine:
    """Rows put aside in one import, by table."""

    def __init__(self, config: QuarantineConfig | None = None) -> None:
        self.config = config or QuarantineConfig()
        self._parts: list[pa.Table] = []
        self._seen: dict[tuple[str, object], int] = {}

    def put(self, rows: pa.Table) -> None:
        """Put rows of `SCHEMA` aside."""
        self._parts.append(rows)

    def rows(self) -> pa.Table:
        """All rows put aside so far, in order."""
        return pa.concat_tables(self._parts or [SCHEMA.empty_table()]).sort_by(ORDER)

    def saw(self, table: str, date: pa.ChunkedArray | None, count: int) -> None:
        """Count the rows that passed, by session where the table has sessions."""
        by_day = [] if date is None else pc.value_counts(date).to_pylist()
        for entry in by_day:
            self._seen[table, entry["values"]] = self._seen.get((table, entry["values"]), 0) + entry["counts"]
        self._seen[table, None] = self._seen.get((table, None), 0) + count

    def refuse_floods(self) -> None:
        """`ContractError` for the first table and session of which more rows were put aside than the limit allows."""
        rows = self.rows()
        for keys in (["table"], ["table", "date"]):
            for group in rows.group_by(keys).aggregate([("row", "count")]).to_pylist():
                aside, day = group["row_count"], group.get("date")
                if "date" in keys and day is None:
                    continue
                examined = aside + self._seen.get((group["table"], day), 0)
                if self.is_flood(aside, examined):
                    of = pc.equal(rows["table"], group["table"])
                    first = rows.filter(of if day is None else pc.and_(of, pc.equal(rows["date"], day))).slice(0, 1)
                    raise ContractError(
                        f"{first['reason'][0].as_py()}; {self.flood(aside, examined)}"
                        + ("" if day is None else f" on {day}")
                    )

    def is_flood(self, aside: int, examined: int) -> bool:
        """Whether so many rows of a file or a session are bad that it is the file that is at fault."""
        return aside > self.config.few_rows and aside > self.config.most_share * examined

    def flood(self, aside: int, examined: int) -> str:
        """That limit in words."""
        return (
            f"{aside} of {examined} rows of the table would have to be put aside, more than "
            f"{self.config.most_share:.0%}: this is no matter of single rows"
        )


class Inspection:
    """The rows of one table from one or several files while they are checked.

    `sources` and `numbers` say where each row stands: one file name for all, or one a row; numbers counted from 1,
    header not counted. Rows that have failed stay in place, marked, until `passed` drops them; a later check does not
    look at them.
    """

    def __init__(
        self,
        table: str,
        sources: str | np.ndarray,
        quarantine: Quarantine | None = None,
        journal: Journal | None = None,
        numbers: np.ndarray | None = None,
    ) -> None:
        self.table, self.sources, self.quarantine = table, sources, quarantine
        self.journal = Journal() if journal is None else journal
        self.numbers = numbers
        self.failed: np.ndarray | None = None
        self.marks: dict[str, np.ndarray] = {}
        """What a later step must know of the rows, by its name for it [R]."""
        self._raw: pa.Table | None = None

    def watch(self, raw: pa.Table) -> None:
        """From now on, `raw` holds the cells of rows that are put aside as the file has them."""
        if self._raw is None:
            self._raw = raw

    def number(self, at: int) -> int:
        """Number of a row in its file."""
        return at + 1 if self.numbers is None else int(self.numbers[at])

    def source(self, at: int) -> str:
        """File of a row."""
        return self.sources if isinstance(self.sources, str) else str(self.sources[at])

    def require(
        self,
        holds: pa.ChunkedArray | pa.Array | np.ndarray,
        data: pa.Table,
        columns: tuple[str, ...],
        wanted: str,
        remedy: str | Callable[[int], str],
        guess: Callable[[], str] | None = None,
        check: str = "row",
    ) -> None:
        """Every row of `data` must fulfil a condition (null counts as fulfilled).

        `remedy` may be another one for each row. `guess` says what such rows look like, where one can tell: that comes
        first. `ContractError` for the first that does not, or (with a quarantine) where too many do not.
        """
        failed = self._failed(holds)
        if not failed.any():
            return
        positions = np.flatnonzero(failed)
        looks = f"{found}; " if guess is not None and (found := guess()) else ""

        def reason(at: int) -> str:
            where = ", ".join(
                f"{key} {shown(data[key][at])}"
                for key in ("date", "index", "symbol")
                if key in data.column_names and key not in columns
            )
            cells = ", ".join(shown(data[name][at]) for name in columns)
            return (
                f"{self.source(at)}: {looks}row {self.number(at)}{f' ({where})' if where else ''}, {named(columns)}: "
                f"{cells}, where the contract wants {wanted}; {remedy if isinstance(remedy, str) else remedy(at)}"
            )

        if self.quarantine is None:
            more = f" ({len(positions) - 1} more such rows)" if len(positions) > 1 else ""
            raise ContractError(reason(int(positions[0])) + more)
        self.put_aside(data, positions, reason, check)

    def put_aside(self, data: pa.Table, positions: np.ndarray, reason: Callable[[int], str], check: str) -> None:
        """Mark the rows at `positions` as failed and put them into the quarantine; errors where they are too many."""
        assert self.quarantine is not None
        if self.failed is None:
            self.failed = np.zeros(data.num_rows, dtype=bool)
        self.failed[positions] = True
        total = int(self.failed.sum())
        if self.quarantine.is_flood(total, data.num_rows):
            raise ContractError(f"{reason(int(positions[0]))}; {self.quarantine.flood(total, data.num_rows)}")
        raw = (data if self._raw is None else self._raw).take(pa.array(positions))
        self.quarantine.put(
            pa.table(
                [
                    pa.array([self.table] * len(positions), TEXT),
                    _dates(raw),
                    _symbols(raw),
                    pa.array([self.source(int(at)) for at in positions], TEXT),
                    pa.array([self.number(int(at)) for at in positions], pa.int64()),
                    pa.array([check] * len(positions), TEXT),
                    pa.array([reason(int(at)) for at in positions], TEXT),
                    pa.array([as_text(raw.slice(at, 1)) for at in range(len(positions))], TEXT),
                ],
                schema=SCHEMA,
            )
        )

    def put_unread_aside(self, numbers: np.ndarray, reasons: list[str], texts: list[str], total: int) -> None:
        """Put rows into the quarantine that are not even cells; of `total` rows of the file."""
        assert self.quarantine is not None
        if self.quarantine.is_flood(len(numbers), total):
            raise ContractError(f"{reasons[0]}; {self.quarantine.flood(len(numbers), total)}")
        count = len(numbers)
        self.quarantine.put(
            pa.table(
                [
                    pa.array([self.table] * count, TEXT),
                    pa.nulls(count, DATE),
                    pa.nulls(count, TEXT),
                    pa.array([self.source(0)] * count, TEXT),
                    pa.array(numbers.tolist(), pa.int64()),
                    pa.array(["shape"] * count, TEXT),
                    pa.array(reasons, TEXT),
                    pa.array(texts, TEXT),
                ],
                schema=SCHEMA,
            )
        )

    def passed(self, data: pa.Table) -> pa.Table:
        """The rows that no check has failed; from now on they are all there are."""
        if self.failed is None:
            return data
        kept = ~self.failed
        if not isinstance(self.sources, str):
            self.sources = self.sources[kept]
        self.marks = {name: marked[kept] for name, marked in self.marks.items()}
        self.numbers = np.flatnonzero(kept) + 1 if self.numbers is None else self.numbers[kept]
        self._raw = None if self._raw is None else self._raw.filter(pa.array(kept))
        self.failed = None
        return data.filter(pa.array(kept))

    def leave_out(self, unwanted: np.ndarray, data: pa.Table) -> pa.Table:
        """The rows that no check has failed, less some [R] that are no fault and not wanted."""
        self.failed = unwanted if self.failed is None else self.failed | unwanted
        return self.passed(data)

    def _failed(self, holds: pa.ChunkedArray | pa.Array | np.ndarray) -> np.ndarray:
        if isinstance(holds, np.ndarray):
            failed = ~holds
        elif pc.all(holds, min_count=0).as_py() is not False:
            return np.zeros(0, dtype=bool)
        else:
            failed = pc.fill_null(pc.invert(holds), False).to_numpy(zero_copy_only=False)
        return failed if self.failed is None else failed & ~self.failed


def shown(cell: pa.Scalar) -> str:
    """A cell as errors show it."""
    try:
        return str(cell.as_py()) if cell.is_valid else "nothing"
    except (OverflowError, ValueError):  # Arrow's dates reach further than Python's
        return "a day out of range"


def named(columns: tuple[str, ...]) -> str:
    """Columns as errors name them."""
    return f"column{'s' if len(columns) > 1 else ''} " + " and ".join(f"'{name}'" for name in columns)


def as_text(row: pa.Table) -> str:
    """The cells of a table's only row, as one line of JSON."""
    return json.dumps({name: shown(row[name][0]) for name in row.column_names}, ensure_ascii=False)


def _dates(raw: pa.Table) -> pa.Array:
    """The sessions of rows where one can tell them, whatever type the file gives them; else null."""
    if "date" not in raw.column_names:
        return pa.nulls(raw.num_rows, DATE)
    column = raw["date"].combine_chunks()
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return pc.cast(column, DATE, safe=False)
    text = pc.utf8_trim_whitespace(column.cast(TEXT))
    shapes = [pc.strptime(text, format=shape, unit="s", error_is_null=True) for shape in DATE_SHAPES]
    return pc.coalesce(*shapes).cast(DATE)


def _symbols(raw: pa.Table) -> pa.Array:
    if "symbol" not in raw.column_names:
        return pa.nulls(raw.num_rows, TEXT)
    column = raw["symbol"].combine_chunks()
    return column.cast(TEXT)
