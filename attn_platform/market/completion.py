"""Completion of daily bars and market values: what the rules, the day itself or the session before say is filled in.

Definitions: data contract. Every listed stock has a row on every session: where the vendor has none, the stock is
suspended at the close, the factor and the market value of the session before. vwap is amount / volume, limit prices
follow from the exchanges' rules, a missing reference price is the last close in the terms of the new factor. Each
session is completed from itself and from the session before it alone, so that files may be cut and imported in any
way: all at once, or one session at a time, on top of what the lake holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market import trading_rules
from attn_platform.market.calendar import Calendar
from attn_platform.market.contract import BOARDS, DAILY_BAR, TRADING_STATUSES, VALUATION
from attn_platform.market.lake import days
from attn_platform.market.quality.units import average_price, outside_bar
from attn_platform.market.tolerance import TICK

DELISTING = TRADING_STATUSES.index("delisting")


@dataclass(frozen=True)
class Stocks:
    """Static facts of the stocks, sorted by symbol; boards are positions in the contract's list, dates may be NaT.

    `names` are the symbols once more, as an array of text.
    """

    symbols: pa.Array
    names: np.ndarray
    board: np.ndarray
    listed: np.ndarray
    delisted: np.ndarray

    @classmethod
    def of(cls, security: pa.Table) -> Stocks:
        """From table security."""
        security = security.sort_by("symbol")
        return cls(
            symbols=security["symbol"].combine_chunks(),
            names=np.array(security["symbol"].to_pylist(), dtype=str),
            board=pc.index_in(security["board"], value_set=pa.array(BOARDS)).to_numpy(),
            listed=_days(security["list_date"]),
            delisted=_days(security["delist_date"]),
        )

    def codes(self, symbols: pa.ChunkedArray) -> np.ndarray:
        """Position of each symbol; -1 where it is none of these."""
        return pc.fill_null(pc.index_in(symbols, value_set=self.symbols), -1).to_numpy()


@dataclass(frozen=True)
class Grid:
    """Where rows stand: `at[t, n]` is the row of stock n on session t, -1 where there is none.

    Session 0 is the one before the stretch, the last that is held; it may be empty.
    """

    sessions: np.ndarray
    symbols: np.ndarray
    at: np.ndarray

    def places(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Session and stock, as positions, of each of the `rows` rows."""
        session, stock = np.nonzero(self.at >= 0)
        places = np.empty((2, rows), dtype=np.int64)
        places[:, self.at[session, stock]] = session, stock
        return places[0], places[1]

    @classmethod
    def of(cls, rows: pa.Table, sessions: np.ndarray, stocks: Stocks) -> Grid:
        """The places of `rows` on `sessions`, which hold all their dates."""
        at = np.full((len(sessions), len(stocks.symbols)), -1, dtype=np.int64)
        at[np.searchsorted(sessions, days(rows["date"])), stocks.codes(rows["symbol"])] = np.arange(rows.num_rows)
        return cls(sessions, stocks.names, at)


def filled_cells(has_row: np.ndarray, unknown: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells [T, N] that are filled as suspended, and the session [T, N] that each takes its values from.

    `has_row` [T, N] says where there is a row; `unknown` [T, N] where there was one that is not to be believed: nothing
    is known of the stock from then on until its next row; `ended` [N] is the first session without listing (T while
    it lasts). Nothing is filled before a stock's first row.
    """
    rows = np.arange(len(has_row))[:, None]
    event = np.maximum.accumulate(np.where(has_row | unknown, rows, -1), axis=0)
    source = np.where(event >= 0, event, 0)
    known = (event >= 0) & np.take_along_axis(has_row, source, axis=0)
    return known & ~has_row & ~unknown & (rows < ended), source


def suspended_rows(bars: pa.Table, rows: np.ndarray, sessions: np.ndarray) -> pa.Table:
    """Rows `rows` of `bars`, as they stand on suspended `sessions` after them: close, factor and status go on."""
    carried = bars.take(pa.array(rows))
    nothing = {name: pa.nulls(len(rows), pa.float64()) for name in ("open", "high", "low", "vwap")}
    limits = {name: pa.nulls(len(rows), pa.float64()) for name in ("up_limit", "down_limit")}
    zero = {name: pa.array(np.zeros(len(rows))) for name in ("volume", "amount", "turnover_rate")}
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        **{name: carried[name] for name in DAILY_BAR.schema.names},
        **nothing,
        **limits,
        **zero,
        "date": pa.array(sessions, pa.date32()),
        "pre_close": carried["close"],
        "is_suspended": pa.array(np.ones(len(rows), dtype=bool)),
    }
    return pa.table(columns, schema=DAILY_BAR.schema)


def carried_values(values: pa.Table, rows: np.ndarray, sessions: np.ndarray) -> pa.Table:
    """Rows `rows` of the valuation table on later `sessions`: shares × close, and neither has changed."""
    carried = values.take(pa.array(rows))
    return pa.table(
        {name: carried[name] for name in VALUATION.schema.names} | {"date": pa.array(sessions, pa.date32())},
        schema=VALUATION.schema,
    )


def reference_prices(
    pre_close: np.ndarray, adj_factor: np.ndarray, last_close: np.ndarray, last_factor: np.ndarray
) -> np.ndarray:
    """`pre_close` in CNY, and where it is missing the last close in the terms of the new factor, rounded to a tick."""
    with np.errstate(invalid="ignore", divide="ignore"):
        derived = np.where(last_factor == adj_factor, last_close, last_close * last_factor / adj_factor)
    rounded = np.where(derived == last_close, last_close, np.round(derived / TICK) * TICK)
    return np.where(np.isnan(pre_close), np.round(rounded, 10), pre_close)


def average_prices(cells: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """vwap in CNY of each row: the vendor's, or amount / volume inside of the bar; and where it was worked out.

    Missing where amount / volume leaves the bar by more than rounding explains: then one of the two is wrong. What
    leaves it by rounding is the bar's edge.
    """
    amount, volume, low, high = (cells[name] for name in ("amount", "volume", "low", "high"))
    derived = np.where(outside_bar(amount, volume, low, high), np.nan, average_price(amount, volume))
    lacks = np.isnan(cells["vwap"])
    return np.clip(np.where(lacks, derived, cells["vwap"]), low, high), lacks & ~np.isnan(derived)


def rule_limits(
    cells: Mapping[str, np.ndarray],
    board: np.ndarray,
    sessions: np.ndarray,
    listed: np.ndarray,
    was_delisting: np.ndarray,
    calendar: Calendar,
) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower limit price in CNY of rows [R] by the exchanges' rules; NaN where the price is free.

    `board` and `cells["trading_status"]` are positions in the contract's lists; `listed` is the list date, NaT where it
    is unknown (the stock then counts as listed long ago); `was_delisting` says that the row before was in the
    delisting period already. NaN also where the reference price is missing.
    """
    ratios = _rule_ratios(cells["trading_status"], board, sessions, listed, was_delisting, calendar)
    return trading_rules.limit_prices(cells["pre_close"], *ratios)


def session_limits(
    cells: Mapping[str, np.ndarray],
    board: np.ndarray,
    sessions: np.ndarray,
    listed: np.ndarray,
    was_delisting: np.ndarray,
    calendar: Calendar,
) -> tuple[np.ndarray, np.ndarray]:
    """`rule_limits` of sessions that are over: where a session's own bar contradicts the rules, the bar is right."""
    ratios = _rule_ratios(cells["trading_status"], board, sessions, listed, was_delisting, calendar)
    bar = (cells[name] for name in ("open", "high", "low", "close"))
    return trading_rules.observed_limits(cells["pre_close"], *ratios, *bar)


def _rule_ratios(
    status: np.ndarray,
    board: np.ndarray,
    sessions: np.ndarray,
    listed: np.ndarray,
    was_delisting: np.ndarray,
    calendar: Calendar,
) -> tuple[np.ndarray, np.ndarray]:
    age = np.searchsorted(calendar.sessions, sessions) - np.searchsorted(calendar.sessions, listed)
    in_period = np.where(was_delisting, 1, 0)
    return trading_rules.limit_ratio(board, sessions, status.astype(np.int64), age, in_period)


def _days(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype("datetime64[D]")
