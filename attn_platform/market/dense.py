"""Dense [session, stock] arrays of the raw tables: what factors, universe, labels and backtests compute on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar, Day, as_day
from attn_platform.market.contract import TABLES, TRADING_STATUSES
from attn_platform.market.lake import Lake, days

DENSE_TABLES = tuple(table.name for table in TABLES.values() if table.is_panel)
# Sessions that are read at a time: their rows take a few hundred MB, those of twenty years ten GB.
PIECE = 250
STATUS_CODES = {status: float(code) for code, status in enumerate(TRADING_STATUSES)}


@dataclass(frozen=True)
class DenseMarket:
    """`fields[name]` is [T, N] float64, NaN where there is no row; booleans are 0 and 1.

    `trading_status` holds the position in the contract's list of statuses (0 = normal). `delist_dates` has the first
    day without listing of every stock that is delisted by the last session, also of those that have no column here: a
    row that is missing before it is a suspension. A date may only be used from that day on. `successors` has the code
    under which a company went on from its delist date on, where it did.
    """

    sessions: np.ndarray
    symbols: np.ndarray
    fields: Mapping[str, np.ndarray]
    delist_dates: Mapping[str, np.datetime64] = field(default_factory=dict)
    successors: Mapping[str, str] = field(default_factory=dict)

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

    def new_codes(self, session: Day) -> dict[str, str]:
        """The code on `session` of each company that had another one before, by its former codes."""
        day = as_day(session)
        changed = {former: code for former, code in self.successors.items() if self.delist_dates[former] <= day}
        for former, code in changed.items():
            while code in changed:
                code = changed[code]
            changed[former] = code
        return changed

    def under_codes_of(self, session: Day) -> DenseMarket:
        """The market to look back on from `session`: companies stand under the codes that they have then.

        What a company did under a former code is in the column of the code it went on under; that of the former one is
        empty before the change. Sessions after `session` are not to be read.
        """
        known = set(self.symbols.tolist())
        changes = {former: code for former, code in self.new_codes(session).items() if {former, code} <= known}
        if not changes:
            return self
        fields = {name: values.copy() for name, values in self.fields.items()}
        for former, code in changes.items():
            until = int(np.searchsorted(self.sessions, self.delist_dates[former]))
            old, new = np.searchsorted(self.symbols, [former, code])
            for values in fields.values():
                rows = values[:until, old]
                values[:until, new] = np.where(np.isnan(rows), values[:until, new], rows)
                values[:until, old] = np.nan
        return replace(self, fields=fields)

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
    fields: Sequence[str],
    symbols: np.ndarray | None = None,
) -> DenseMarket:
    """Fields of daily_bar, valuation and consensus from session `first` to `last` (both included).

    A field `table.column` is the column of another table with a row a stock and session.

    Columns are all stocks that have a daily bar in that range, or `symbols` (sorted) where given. Dates of delisting
    are those of table security. Sessions without a file are rows of NaN; a field whose table is absent is left out (ask
    `fields` of the result). `MissingDataError` where the lake has no daily bar in the range, `CalendarError` where it
    has one on a day that is no session. All of it is of one import, whatever another process brings meanwhile.
    """
    lake, sessions = lake.snapshot(), calendar.between(first, last)
    wanted = {
        table: [name for name in fields if any(column.name == name for column in TABLES[table].columns)]
        for table in DENSE_TABLES
    }
    for name in fields:
        table, dot, _ = name.partition(".")
        if dot:
            wanted.setdefault(table, []).append(name)
    pieces = {table: _pieces(lake, table, first, last) for table in wanted}
    # One piece is read once, for symbols and values; of several the symbols first, which is less than to hold them all.
    loaded: dict[str, pa.Table] = {}
    if symbols is None:
        if len(pieces["daily_bar"]) <= 1:
            loaded["daily_bar"] = lake.read("daily_bar", first, last, ["date", "symbol", *wanted["daily_bar"]])
            found = [loaded["daily_bar"]["symbol"]]
        else:
            found = [_read(lake, "daily_bar", piece, ["symbol"])["symbol"] for piece in pieces["daily_bar"]]
        symbols = np.array(sorted({name for names in found for name in pc.unique(names).to_pylist()}), dtype=str)
    shape = len(sessions), len(symbols)
    arrays: dict[str, np.ndarray] = {}
    for table, names in wanted.items():
        if not names or not lake.has(table):
            continue
        arrays |= {name: np.full(shape, np.nan) for name in names}
        for piece in pieces[table]:
            columns = {name: name.rpartition(".")[2] for name in names}
            data = (
                loaded[table] if table in loaded else _read(lake, table, piece, ["date", "symbol", *columns.values()])
            )
            row, column, keep = _coordinates(data, calendar, sessions, symbols)
            places, has_all = _places(row, column, keep, shape), keep.all()
            for name in names:
                values = numeric(data[columns[name]])
                arrays[name].reshape(-1)[places] = values if has_all else values[keep]
    gone = delist_dates(lake, last)
    went_on = {former: code for former, code in code_successors(lake).items() if former in gone}
    return DenseMarket(sessions, symbols, arrays, gone, went_on)


def delist_dates(lake: Lake, last: Day) -> dict[str, np.datetime64]:
    """First day without listing of each stock that is delisted by `last`; nothing without the table security."""
    if not lake.has("security"):
        return {}
    security = lake.read("security", columns=["symbol", "delist_date"])
    known = security.filter(pc.less_equal(security["delist_date"], pa.scalar(as_day(last).item(), pa.date32())))
    return dict(zip(known["symbol"].to_pylist(), days(known["delist_date"]), strict=True))


def code_successors(lake: Lake) -> dict[str, str]:
    """The code under which a company goes on, by its former one; nothing where table security has no such column."""
    if not lake.has("security"):
        return {}
    security = lake.read("security")
    if "successor" not in security.column_names:  # imported before there was one
        return {}
    changed = security.filter(pc.is_valid(security["successor"]))
    return dict(zip(changed["symbol"].to_pylist(), changed["successor"].to_pylist(), strict=True))


def _pieces(lake: Lake, table: str, first: Day, last: Day) -> list[np.ndarray]:
    """The sessions that a table holds in a range, in runs of at most `PIECE`."""
    held = lake.sessions(table, first, last)
    return [held[start : start + PIECE] for start in range(0, len(held), PIECE)]


def _read(lake: Lake, table: str, piece: np.ndarray, columns: Sequence[str]) -> pa.Table:
    return lake.read(table, piece[0], piece[-1], columns)


def shared_dense(lake: Lake, calendar: Calendar, first: Day, last: Day, fields: Sequence[str]) -> DenseMarket:
    """`load_dense`, once for all in this process who ask for the same: the strategies of a study trade in one market.

    The last one asked for is kept until its files change. Its arrays are read-only.
    """
    lake, sessions = lake.snapshot(), calendar.between(first, last)
    stamps = (*(lake.stamp(table, first, last) for table in DENSE_TABLES), lake.stamp("security"))
    return _load_shared(_Request(sessions.tobytes(), tuple(fields), stamps, lake, calendar, first, last))


@dataclass(frozen=True)
class _Request:
    """What tells one shared market from another: its sessions, its fields, and the state of the files."""

    sessions: bytes
    fields: tuple[str, ...]
    stamps: tuple[int, ...]
    lake: Lake = field(compare=False)
    calendar: Calendar = field(compare=False)
    first: Day = field(compare=False)
    last: Day = field(compare=False)


@lru_cache(maxsize=1)
def _load_shared(request: _Request) -> DenseMarket:
    market = load_dense(request.lake, request.calendar, request.first, request.last, request.fields)
    for values in (market.sessions, market.symbols, *market.fields.values()):
        values.flags.writeable = False
    return market


def numeric(values: pa.ChunkedArray) -> np.ndarray:
    """A column as float64: null as NaN, booleans as 0 and 1, trading statuses as their position in the contract."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    elif pa.types.is_string(values.type):
        values = pc.index_in(values, value_set=pa.array(TRADING_STATUSES))
    return values.cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)


def columns_of(names: pa.ChunkedArray, symbols: np.ndarray) -> np.ndarray:
    """Where each name of a table's column stands among `symbols`; −1 where it does not.

    A name is looked up once, not once a session.
    """
    coded = names.combine_chunks().dictionary_encode()
    places = pd.Index(symbols).get_indexer(pd.Index(coded.dictionary.to_numpy(zero_copy_only=False)))
    return np.asarray(places[coded.indices.to_numpy()], dtype=np.intp)


def dense_array(
    values: np.ndarray, row: np.ndarray, column: np.ndarray, keep: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Scatter `values` to [row, column]; NaN elsewhere."""
    out = np.full(shape[0] * shape[1], np.nan)
    out[_places(row, column, keep, shape)] = values if keep.all() else values[keep]
    return out.reshape(shape)


def _places(row: np.ndarray, column: np.ndarray, keep: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Where the kept values lie in a flat panel; worked out once for all columns of a table."""
    places = row * shape[1] + column
    return places if keep.all() else places[keep]


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
