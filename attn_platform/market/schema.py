"""What a raw table is stated in: columns with types, units and ranges, rules over rows, keys.

The tables themselves are in `market.contract`; `market.conform` checks rows against them on their way into the lake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market.settle import Settled


@dataclass(frozen=True)
class Column:
    """One column: its type, whether it may be null, and the range or the values that it may take."""

    name: str
    type: pa.DataType
    unit: str
    nullable: bool = False
    minimum: float | None = None
    above: float | None = None
    values: tuple[str, ...] | None = None
    pattern: str | None = None
    optional: bool = False
    """The vendor may leave the column out; it then enters the lake as null."""
    is_symbol: bool = False
    """The codes of A shares, in any style (`codes`)."""
    is_exception: bool = False
    """Few rows have a value: files without any lack nothing."""


@dataclass(frozen=True)
class RowRule:
    """A condition over several columns; `holds` returns one boolean a row (null counts as fulfilled)."""

    columns: tuple[str, ...]
    states: str
    remedy: str
    holds: Callable[[pa.Table], pa.Array]
    guess: Callable[[pa.Table], str] | None = None
    """What the table looks like where many rows break the rule; "" where one cannot tell."""


@dataclass(frozen=True)
class Table:
    """Schema of one raw table. `by_session` tables are stored one file a session, the others as one file."""

    name: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns that no two rows have the same values in; none where a file may repeat rows."""
    by_session: bool
    required: bool = False
    rules: tuple[RowRule, ...] = ()
    dates: tuple[str, ...] = ()
    """Columns whose dates must be sessions."""
    settle: Callable[[pa.Table], Settled] | None = None
    """Gives cells that say the same in another way, or are off by rounding, the form that the checks know."""
    is_intraday: bool = False
    """Many rows a stock and session: by far larger than memory, so that one session is read at a time."""

    @property
    def is_panel(self) -> bool:
        """One row a stock and session: its numbers are [session, stock] arrays."""
        return self.by_session and self.key == ("date", "symbol")

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored table."""
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])


TYPE_NAMES = {
    pa.date32(): "a date (YYYY-MM-DD)",
    pa.time32("ms"): "a time of the day (HH:MM:SS.mmm)",
    pa.timestamp("us"): "a date with its time",
    pa.string(): "text",
    pa.float64(): "a number",
    pa.int64(): "a whole number",
    pa.bool_(): "true or false",
}
DATE, TEXT, FLOAT, INTEGER, BOOL = pa.date32(), pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME, MOMENT = pa.time32("ms"), pa.timestamp("us")


def symbol_column() -> Column:
    """The column that names a stock."""
    return Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ of an A share", is_symbol=True)


def not_less(greater: str, less: str) -> RowRule:
    """The rule greater >= less of two prices of a bar."""
    return RowRule(
        columns=(greater, less),
        states=f"{greater} >= {less}",
        remedy="correct the bar at its source",
        holds=lambda t: pc.greater_equal(t[greater], t[less]),
    )


def within_bar(unit: str = "") -> tuple[RowRule, ...]:
    """The rules of a bar's four prices: high is the highest and low the lowest; `unit` ends the columns' names."""
    open_, high, low, close = (f"{name}{unit}" for name in ("open", "high", "low", "close"))
    pairs = ((high, low), (high, open_), (high, close), (open_, low), (close, low))
    return tuple(not_less(greater, less) for greater, less in pairs)
