"""Dense [session, stock] arrays of the raw tables: what factors, universe, labels and backtests compute on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar, Day, as_day
from attn_platform.market.contract import TABLES, TRADING_STATUSES
from attn_platform.market.lake import Lake, days

DENSE_TABLES = ("daily_bar", "valuation", "consensus")
STATUS_CODES = {status: float(code) for code, status in enumerate(TRADING_STATUSES)}


@dataclass(frozen=True)
class DenseMarket:
    """`fields[name]` is [T, N] float64, NaN where there is no row; booleans are 0 and 1.

    `trading_status` holds the position in the contract's list of statuses (0 = normal).
    """

    sessions: np.ndarray
    symbols: np.ndarray
    fields: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self.fields[name]
        except KeyError:
            raise MissingDataError(f"field '{name}' was not loaded or its table is absent") from None

    @property
    def shape(self) -> tuple[int, int]:
        """Sessions and stocks."""
        return len(self.sessions), len(self.symbols)

    def rows(self, selection: slice) -> DenseMarket:
        """The same stocks over some of the sessions (views, no copies)."""
        fields = {name: values[selection] for name, values in self.fields.items()}
        return replace(self, sessions=self.sessions[selection], fields=fields)

    def position(self, session: Day) -> int:
        """Row of a session."""
        day = as_day(session)
        at = int(np.searchsorted(self.sessions, day))
        if at == len(self.sessions) or self.sessions[at] != day:
            raise MissingDataError(f"session {day} was not loaded")
        return at


def load_dense(
    lake: Lake,
    calendar: Calendar,
    first: Day,
    last: Day,
    fields: Sequence[str] | Mapping[str, int],
    symbols: np.ndarray | None = None,
) -> DenseMarket:
    """Fields of daily_bar, valuation and consensus from session `first` to `last` (both included).

    `fields` may map each field to the sessions before `first` that are loaded as well: rows then begin with the longest
    look-back, and a field is NaN before its own. Columns are all stocks that have a daily bar in the range, or
    `symbols` (sorted) where given. Sessions without a file are rows of NaN; a field whose table is absent is left out
    (ask `fields` of the result). `MissingDataError` where the lake has no daily bar in the range, `CalendarError` where
    it has one on a day that is no session.
    """
    look_back = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields, 0)
    reach = max(look_back.values(), default=0)
    wanted = calendar.between(first, last)
    start = calendar.position(wanted[0]) if reach else 0
    earlier = calendar.sessions[max(start - reach, 0) : start] if reach else wanted[:0]
    sessions = np.concatenate([earlier, wanted])
    loaded: dict[str, list[pa.Table]] = {}
    if symbols is None:
        loaded["daily_bar"] = _read(lake, "daily_bar", sessions, len(wanted), look_back)
        if not loaded["daily_bar"]:
            lake.read("daily_bar", sessions[0], sessions[-1], ["symbol"])
        symbols = np.unique(np.concatenate([_unique(part["symbol"]) for part in loaded["daily_bar"]]))
    shape = len(sessions), len(symbols)
    arrays: dict[str, np.ndarray] = {}
    for table in DENSE_TABLES:
        names = _columns_of(table, look_back)
        if not names or not lake.has(table):
            continue
        arrays |= {name: np.full(shape, np.nan) for name in names}
        for data in loaded.pop(table) if table in loaded else _read(lake, table, sessions, len(wanted), look_back):
            row, column, keep = _coordinates(data, calendar, sessions, symbols)
            for name in names:
                if name in data.column_names:
                    arrays[name][row[keep], column[keep]] = numeric(data[name])[keep]
    return DenseMarket(sessions, symbols, arrays)


def _columns_of(table: str, fields: Iterable[str]) -> list[str]:
    return [name for name in fields if any(column.name == name for column in TABLES[table].columns)]


def _read(lake: Lake, table: str, sessions: np.ndarray, wanted: int, look_back: Mapping[str, int]) -> list[pa.Table]:
    """The table's rows on `sessions`, in parts: on sessions further back only the columns that look back so far.

    The last `wanted` sessions have them all. Parts without any file are left out.
    """
    names = _columns_of(table, look_back)
    reaches = sorted({0, *(look_back[name] for name in names)}, reverse=True)
    parts = []
    for furthest, nearest in pairwise([*reaches, -wanted]):
        low, high = (max(len(sessions) - wanted - reach, 0) for reach in (furthest, nearest))
        columns = ["date", "symbol", *(name for name in names if look_back[name] >= furthest)]
        if low < high and len(lake.sessions(table, sessions[low], sessions[high - 1])):
            parts.append(lake.read(table, sessions[low], sessions[high - 1], columns))
    return parts


def _unique(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.unique(column).to_pylist(), dtype=str)


def numeric(values: pa.ChunkedArray) -> np.ndarray:
    """A column as float64: null as NaN, booleans as 0 and 1, trading statuses as their position in the contract."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    elif pa.types.is_string(values.type):
        values = pc.index_in(values, value_set=pa.array(TRADING_STATUSES))
    return values.cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)


def dense_array(
    values: np.ndarray, row: np.ndarray, column: np.ndarray, keep: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Scatter `values` to [row, column]; NaN elsewhere."""
    out = np.full(shape, np.nan)
    out[row[keep], column[keep]] = values[keep]
    return out


def _coordinates(
    data: pa.Table, calendar: Calendar, sessions: np.ndarray, symbols: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of each row of `data`, and whether it belongs to one of `symbols`."""
    date = days(data["date"])
    row = np.searchsorted(sessions, date)
    known = row < len(sessions)
    known[known] = sessions[row[known]] == date[known]
    if not known.all():
        calendar.position(date[~known][0])
    code = pc.index_in(data["symbol"], value_set=pa.array(symbols.tolist(), type=pa.string()))
    column = code.cast(pa.float64()).to_numpy()
    keep = ~np.isnan(column)
    return row, np.where(keep, column, 0).astype(np.int64), keep
