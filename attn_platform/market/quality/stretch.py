"""What a check looks at: consecutive sessions of the raw tables, dense, with the sessions before them.

The market is walked a stretch (a year) at a time, so that twenty years of it need the memory of one. Each stretch
starts with the last sessions of the one before, its lead, which was counted there: whatever compares a session with
earlier ones finds them, and a fault at a year's border is found like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.contract import BOARDS, TABLES
from attn_platform.market.dense import DENSE_TABLES, load_dense
from attn_platform.market.lake import Lake
from attn_platform.market.schema import DATE

FRAME_TABLES = ("index_bar", "index_weight")
STATIC_TABLES = ("security", "industry", "fundamental")
KEYS = ("date", "symbol")
LEAD = 20
"""Sessions before a stretch that it can be compared with: a month, in which most repeated files repeat another."""
ONE_STRETCH = 25
"""Sessions up to which a new year begins no stretch: a month, as the doctor looks at."""

_FAR = np.datetime64("2262-01-01", "D")


@dataclass(frozen=True)
class Statics:
    """Tables without sessions, as frames; those that the lake does not hold are absent. Dates are timestamps."""

    tables: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.tables[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tables


@dataclass(frozen=True)
class Stretch:
    """Sessions [T] and stocks [N] of a market; the first `lead` sessions are there to be compared with.

    `fields` are the columns of the dense tables [T, N], NaN where there is no row (booleans 0 and 1, statuses their
    position in the contract's list); `before` [N] their last known values before the first session; `frames` the other
    tables by session. Intraday tables are no fields: a check reads them from `lake`, one session at a time.
    """

    sessions: np.ndarray
    symbols: np.ndarray
    fields: Mapping[str, np.ndarray]
    before: Mapping[str, np.ndarray]
    frames: Mapping[str, pd.DataFrame]
    security: pd.DataFrame
    calendar: Calendar
    lake: Lake
    lead: int = 0
    _previous: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.fields[name]

    def has(self, *names: str) -> bool:
        """Whether all of these columns, or tables of `frames`, are there."""
        return all(name in self.fields or name in self.frames for name in names)

    @property
    def shape(self) -> tuple[int, int]:
        """Sessions and stocks."""
        return len(self.sessions), len(self.symbols)

    @property
    def fresh(self) -> np.ndarray:
        """Sessions that this stretch is to tell of."""
        return self.sessions[self.lead :]

    @cached_property
    def present(self) -> np.ndarray:
        """[T, N]: whether the stock has a bar."""
        return ~np.isnan(self["close"])

    @cached_property
    def traded(self) -> np.ndarray:
        """[T, N]: whether the stock has a bar that is not suspended."""
        return self["is_suspended"] == 0

    def previous(self, name: str) -> np.ndarray:
        """[T, N]: the value of the newest row before each session that has one, NaN where there is none."""
        if name not in self._previous:  # several checks compare with the same column
            shifted = np.vstack([self.before[name][None], self[name][:-1]])
            self._previous[name] = pd.DataFrame(shifted).ffill().to_numpy()
        return self._previous[name]

    @cached_property
    def listed(self) -> np.ndarray:
        """First day of trading of each stock [N]; NaT where the table does not say."""
        return self._dates("list_date")

    @cached_property
    def begins(self) -> np.ndarray:
        """First day of each stock under its code [N]: the list date, or that on which its company got another code."""
        return np.fmax(self.listed, self._dates("coded_date"))

    @cached_property
    def delisted(self) -> np.ndarray:
        """First day without listing of each stock [N]; far away while it is listed."""
        days = self._dates("delist_date")
        return np.where(np.isnat(days), _FAR, days)

    @cached_property
    def board(self) -> np.ndarray:
        """Position of each stock's board in the contract's list [N]; that of its code where the table lacks it."""
        code = pd.Index(BOARDS).get_indexer(pd.Index(self.security["board"]))
        return np.where(code < 0, 0, code)

    def _dates(self, name: str) -> np.ndarray:
        return self.security[name].to_numpy().astype("datetime64[D]")


def load_statics(lake: Lake) -> Statics:
    """The tables without sessions."""
    return Statics({name: _frame(lake, name) for name in STATIC_TABLES if lake.has(name)})


def walk(lake: Lake, calendar: Calendar, statics: Statics, first: Day, last: Day) -> Iterator[Stretch]:
    """The sessions from `first` to `last` (both included), a calendar year a stretch; a month or so is one stretch.

    `MissingDataError` where the lake has no daily bars there.
    """
    sessions = calendar.between(first, last)
    if not len(lake.sessions("daily_bar", first, last)):
        raise MissingDataError(
            f"the lake {lake.root} has no daily_bar from {first} to {last}; materialise or import it first"
        )
    symbols = _symbols(lake, statics, sessions)
    columns = [c.name for table in DENSE_TABLES for c in TABLES[table].columns if c.name not in KEYS]
    before = {name: np.full(len(symbols), np.nan) for name in columns}
    listed = statics["security"].set_index("symbol") if "security" in statics else pd.DataFrame()
    if "successor" in listed:
        listed["coded_date"] = listed.dropna(subset="successor").set_index("successor")["delist_date"]
    security = listed.reindex(symbols, columns=["name", "board", "list_date", "delist_date", "coded_date"])
    year = sessions.astype("datetime64[Y]")
    together = [sessions] if len(sessions) <= ONE_STRETCH else [sessions[year == each] for each in np.unique(year)]
    for fresh in together:
        earlier = calendar.sessions[calendar.sessions < fresh[0]][-LEAD:]
        lead = earlier[np.isin(earlier, lake.sessions("daily_bar"))] if len(earlier) else earlier
        start = lead[0] if len(lead) else fresh[0]
        market = load_dense(lake, calendar, start, fresh[-1], columns, symbols)
        known = {name: before.get(name, np.full(len(symbols), np.nan)) for name in market.fields}
        yield Stretch(
            sessions=market.sessions,
            symbols=symbols,
            fields=market.fields,
            before=known,
            frames={name: _frame(lake, name, start, fresh[-1]) for name in FRAME_TABLES if lake.has(name)},
            security=security,
            calendar=calendar,
            lake=lake,
            lead=int(np.searchsorted(market.sessions, fresh[0])),
        )
        # What the next stretch takes as known lies before its lead, which holds the end of this one again.
        rest = max(len(market.sessions) - LEAD, 0)
        before = {
            name: pd.DataFrame(np.vstack([known[name][None], values[:rest]])).ffill().to_numpy()[-1]
            for name, values in market.fields.items()
        }


def _symbols(lake: Lake, statics: Statics, sessions: np.ndarray) -> np.ndarray:
    """All stocks of the list and of the bars, sorted."""
    found: set[str] = set(statics["security"]["symbol"]) if "security" in statics else set()
    for year in np.unique(sessions.astype("datetime64[Y]")):
        within = sessions[sessions.astype("datetime64[Y]") == year]
        if len(lake.sessions("daily_bar", within[0], within[-1])):
            found |= set(pc.unique(lake.read("daily_bar", within[0], within[-1], ["symbol"])["symbol"]).to_pylist())
    return np.array(sorted(found), dtype=str)


def _frame(lake: Lake, table: str, first: Day | None = None, last: Day | None = None) -> pd.DataFrame:
    """A table as a frame, with its dates as timestamps; empty where it holds no session of the range."""
    dates = [column.name for column in TABLES[table].columns if column.type == DATE]
    try:
        frame = lake.read(table, first, last).to_pandas()
    except MissingDataError:
        if first is None or len(lake.sessions(table, first, last)):
            raise
        frame = TABLES[table].schema.empty_table().to_pandas()
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in dates})
