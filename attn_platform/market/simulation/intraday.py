"""Intraday tables of the simulated market: each stock's session is drawn by itself, so none depends on what else is.

Trades agree with the daily bar to the share and the cent (`simulation.trades`). Minute bars sum them up: the opening
auction in a bar of its own, at 09:25, the closing auction in that of 15:00; a minute without trades carries the price.
Snapshots begin at 09:15, with an empty book until 09:25, and pause over midday (`simulation.books`). A suspended stock
has no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from attn_platform.jit import njit
from attn_platform.market.contract import BOOK_LEVELS, TABLES
from attn_platform.market.intraday import (
    AFTERNOON,
    AUCTION,
    CALL,
    MIDDAY,
    MS_A_MINUTE,
    OPEN,
    bar_ends,
    closing_auction_begins,
    label_of,
    session_end,
)
from attn_platform.market.simulation.books import fill_book
from attn_platform.market.simulation.config import IntradaySimulation, SimulationConfig
from attn_platform.market.simulation.streams import Purpose, generator
from attn_platform.market.simulation.tables import SessionRecords, contract_table, dates, words
from attn_platform.market.simulation.trades import BUY, SELL, Day, Hours, Trades, draw_trades
from attn_platform.market.trading_rules import FEN_PER_CNY

MS_A_SECOND = 1_000
SIDES = {BUY: "buy", SELL: "sell"}


def chosen_stocks(config: IntradaySimulation, start: SessionRecords) -> np.ndarray | None:
    """Positions of the stocks with intraday tables; None for all. `start` is the market's first session."""
    return None if config.stocks is None else start.stocks["stock"][: config.stocks]


def intraday_table(
    name: str,
    config: SimulationConfig,
    sessions: Sequence[SessionRecords],
    symbols: np.ndarray,
    chosen: np.ndarray | None,
) -> pa.Table:
    """Contract table `name` of these sessions and the chosen stocks, sorted by session, symbol and time."""
    settings = config.intraday
    assert settings is not None
    parts = [
        _MAKERS[name](_Session(config.seed, settings, session, symbols, chosen))
        for session in sessions
        if (settings.first_session is None or session.day >= np.datetime64(settings.first_session))
        and (settings.last_session is None or session.day <= np.datetime64(settings.last_session))
    ]
    return pa.concat_tables([TABLES[name].schema.empty_table(), *parts])


@dataclass(frozen=True)
class _Session:
    """One session of the chosen stocks."""

    seed: int
    settings: IntradaySimulation
    records: SessionRecords
    symbols: np.ndarray
    chosen: np.ndarray | None

    @cached_property
    def stocks(self) -> np.ndarray:
        """Records of the chosen stocks that trade."""
        stocks = self.records.stocks
        of_them = ~stocks["is_suspended"]
        return stocks[of_them if self.chosen is None else of_them & np.isin(stocks["stock"], self.chosen)]

    @property
    def end(self) -> int:
        """Minute in which the session ends."""
        return session_end(self.records.day)

    @cached_property
    def trades(self) -> list[Trades]:
        """Trades of each stock."""
        continuous_ends = closing_auction_begins(self.symbols[self.stocks["stock"]], self.records.day)
        return [
            draw_trades(
                self.random(Purpose.INTRADAY_TRADES, stock),
                Day(**{name: stock[name].item() for name in Day.__dataclass_fields__}),
                Hours(self.end, min(int(continuous_end), self.end)),
                self.settings.trades_a_day,
            )
            for stock, continuous_end in zip(self.stocks, continuous_ends, strict=True)
        ]

    def random(self, purpose: Purpose, stock: np.void) -> np.random.Generator:
        """The stock's own numbers."""
        return generator(self.seed, purpose, self.records.day, int(stock["stock"]))

    def column(self, name: str) -> np.ndarray:
        """A column of all stocks' trades."""
        return np.concatenate([np.empty(0, dtype=np.int64), *(getattr(each, name) for each in self.trades)])

    def keys(self, rows: np.ndarray) -> dict[str, pa.Array]:
        """Columns date and symbol, with that many rows for each stock."""
        return {
            "date": dates([self.records.day], [int(rows.sum())]),
            "symbol": words(np.repeat(self.stocks["stock"], rows), self.symbols.tolist()),
        }


def _transaction(session: _Session) -> pa.Table:
    rows = np.array([len(each.time) for each in session.trades], dtype=np.int64)
    side = session.column("side")
    code = pa.array(np.where(side == BUY, 0, 1).astype(np.int32), mask=(side != BUY) & (side != SELL))
    return contract_table(
        "transaction",
        {
            **session.keys(rows),
            "time": pa.array(session.column("time").astype(np.int32)),
            "price": session.column("price") / FEN_PER_CNY,
            "volume": session.column("volume"),
            "buy_order": session.column("buy_order"),
            "sell_order": session.column("sell_order"),
            "side": pa.DictionaryArray.from_arrays(code, [SIDES[BUY], SIDES[SELL]]).cast(pa.string()),
            "sequence": np.concatenate([np.empty(0, dtype=np.int64), *(np.arange(1, count + 1) for count in rows)]),
        },
    )


def _minute_bar(session: _Session) -> pa.Table:
    ends = bar_ends(1)
    ends = np.append(AUCTION, ends[ends <= session.end])
    offsets = np.cumsum([0, *(len(each.time) for each in session.trades)])
    minute = session.column("time") // MS_A_MINUTE
    # A bar holds what is traded before its end; the closing auction is traded at the end of the last one.
    bar = np.searchsorted(ends[1:], np.minimum(minute, session.end - 1), side="right") + 1
    bar[minute < OPEN] = 0
    sums = _bars(bar, session.column("price"), session.column("volume"), offsets, len(ends))
    stocks = len(session.trades)
    return contract_table(
        "minute_bar",
        {
            **session.keys(np.full(stocks, len(ends))),
            "minute": words(np.tile(np.arange(len(ends)), stocks), [label_of(int(end)) for end in ends]),
            **{name: sums[at] / FEN_PER_CNY for at, name in enumerate(("open", "high", "low", "close"))},
            "volume": sums[4],
            "amount": sums[5] / FEN_PER_CNY,
            "trades": sums[6],
            "bar_minutes": np.ones(stocks * len(ends), dtype=np.int64),
        },
    )


@njit(nogil=True, cache=True)
def _bars(bar, price, volume, offsets, count):  # type: ignore[no-untyped-def]
    """Open, high, low, close, volume, amount (fen) and number of trades of each stock's bars [7, S · count]."""
    out = np.zeros((7, (len(offsets) - 1) * count), dtype=np.int64)
    for s in range(len(offsets) - 1):
        i, last = offsets[s], 0
        for k in range(count):
            at = s * count + k
            out[:4, at] = last
            while i < offsets[s + 1] and bar[i] == k:
                last = price[i]
                if out[6, at] == 0:
                    out[:4, at] = last
                out[1, at] = max(out[1, at], last)
                out[2, at] = min(out[2, at], last)
                out[3, at] = last
                out[4, at] += volume[i]
                out[5, at] += volume[i] * last
                out[6, at] += 1
                i += 1
    return out


def _book_snapshot(session: _Session) -> pa.Table:
    times = _snapshot_times(session.settings, session.end)
    count = len(times)
    columns = np.zeros((4 * len(BOOK_LEVELS), len(session.trades) * count))
    for number, (stock, trades) in enumerate(zip(session.stocks, session.trades, strict=True)):
        random = session.random(Purpose.INTRADAY_BOOK, stock)
        noise = random.standard_normal((count, 2 * len(BOOK_LEVELS)), dtype=np.float32)
        fill_book(
            columns, number * count, times, trades.time, trades.price, trades.volume, trades.side,
            int(stock["up_limit"]), int(stock["down_limit"]), noise,
        )  # fmt: skip
    names = [
        f"{side}_{what}_{level}" for side in ("bid", "ask") for what in ("price", "volume") for level in BOOK_LEVELS
    ]
    stocks = len(session.trades)
    return contract_table(
        "book_snapshot",
        {
            **session.keys(np.full(stocks, count)),
            "time": pa.array(np.tile(times, stocks).astype(np.int32)),
            **dict(zip(names, columns, strict=True)),
        },
    )


def _snapshot_times(settings: IntradaySimulation, end: int) -> np.ndarray:
    """Milliseconds since midnight of a session's snapshots."""
    hour, minute = settings.book_until.split(":")
    last = min(60 * int(hour) + int(minute), end) * MS_A_MINUTE
    step = settings.book_seconds * MS_A_SECOND
    halves = [np.arange(begin * MS_A_MINUTE, last + 1, step) for begin in (CALL, AFTERNOON)]
    return np.concatenate([halves[0][halves[0] <= MIDDAY * MS_A_MINUTE], halves[1]])


_MAKERS: dict[str, Callable[[_Session], pa.Table]] = {
    "minute_bar": _minute_bar,
    "transaction": _transaction,
    "book_snapshot": _book_snapshot,
}
