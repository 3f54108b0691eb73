"""The simulated market's records, and their tables under the names and types of the data contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attn_platform.market.contract import BOARDS, TABLES, TRADING_STATUSES
from attn_platform.market.simulation.bars import VWAP_PER_FEN, Bars
from attn_platform.market.simulation.corporate import Actions
from attn_platform.market.simulation.indices import IndexBar
from attn_platform.market.simulation.industries import INDUSTRIES, SCHEME
from attn_platform.market.simulation.signals import SIGNALS
from attn_platform.market.simulation.stocks import Stocks
from attn_platform.market.trading_rules import FEN_PER_CNY

VWAP_PER_CNY = VWAP_PER_FEN * FEN_PER_CNY
NO_LIMIT = 0

PRICES = ("open", "high", "low", "close")
RECORD = np.dtype(
    [
        ("stock", "i4"),
        *((name, "i4") for name in (*PRICES, "pre_close", "up_limit", "down_limit", "vwap")),
        ("volume", "i8"),
        ("adj_factor", "f8"),
        ("total_shares", "i8"),
        ("float_shares", "i8"),
        ("trading_status", "i1"),
        ("is_suspended", "?"),
        *((name, "f4") for name in ("book", "earnings", "operating_cash_flow", "net_profit_fy1")),
        ("dividend_12m", "i8"),
        *((name, "f4") for name in SIGNALS),
    ]
)
"""One stock on one session: prices in fen, vwap in 0.0001 CNY, dividends in fen, accounts in CNY."""


@dataclass(frozen=True)
class IndustryEntry:
    """Stock `stock` belongs to industry `industry` from `since` on."""

    stock: int
    industry: int
    since: np.datetime64


@dataclass(frozen=True)
class SessionRecords:
    """All that a session leaves behind."""

    day: np.datetime64
    stocks: np.ndarray
    index_bars: dict[str, IndexBar]
    index_weights: dict[str, tuple[np.ndarray, np.ndarray]]
    """Members (positions of stocks) and weights after the close."""


def record_stocks(
    stocks: Stocks,
    order: np.ndarray,
    actions: Actions,
    limits: tuple[np.ndarray, np.ndarray],
    bars: Bars,
    traded: np.ndarray,
    signals: dict[str, np.ndarray],
) -> np.ndarray:
    """`RECORD`s of the listed stocks, in the order of `order` (positions of all stocks, by symbol)."""
    listed = order[stocks.listed[order]]
    columns = {
        **{name: getattr(bars, name) for name in (*PRICES, "vwap", "volume")},
        "pre_close": actions.reference,
        "down_limit": np.nan_to_num(limits[0], nan=NO_LIMIT),
        "up_limit": np.nan_to_num(limits[1], nan=NO_LIMIT),
        "trading_status": stocks.status,
        "is_suspended": ~traded,
        "net_profit_fy1": np.where(stocks.covered, stocks.forecast_level * np.exp(stocks.revision), np.nan),
        **{
            name: getattr(stocks, name)
            for name in ("adj_factor", "total_shares", "float_shares", "book", "earnings", "operating_cash_flow")
        },
        "dividend_12m": stocks.dividend_12m,
        **signals,
    }
    records = np.empty(len(listed), dtype=RECORD)
    records["stock"] = listed
    for name, values in columns.items():
        records[name] = values[listed]
    return records


class StockColumns:
    """Columns of consecutive sessions' records, in the units of the contract."""

    def __init__(self, sessions: Sequence[SessionRecords], symbols: np.ndarray) -> None:
        self._sessions = sessions
        self._symbols = symbols

    def raw(self, field: str) -> np.ndarray:
        """A field as recorded, one session after the other."""
        empty = np.empty(0, dtype=RECORD)[field]
        return np.concatenate([empty, *(session.stocks[field] for session in self._sessions)])

    def keys(self) -> dict[str, pa.Array]:
        """Columns date and symbol."""
        lengths = [len(session.stocks) for session in self._sessions]
        return {
            "date": dates([session.day for session in self._sessions], lengths),
            "symbol": words(self.raw("stock"), self._symbols.tolist()),
        }

    def price(self, field: str) -> np.ndarray:
        """A price in CNY."""
        return self.raw(field) / (VWAP_PER_CNY if field == "vwap" else FEN_PER_CNY)

    def value(self, shares: str) -> np.ndarray:
        """Close × a number of shares, CNY."""
        return self.raw("close") * self.raw(shares) / FEN_PER_CNY


def daily_bar(sessions: Sequence[SessionRecords], symbols: np.ndarray) -> pa.Table:
    """Contract table daily_bar."""
    columns = StockColumns(sessions, symbols)
    suspended, volume = columns.raw("is_suspended"), columns.raw("volume")
    traded_prices = {name: _known(columns.price(name), ~suspended) for name in ("open", "high", "low", "vwap")}
    limits = {name: _known(columns.price(name), columns.raw(name) != NO_LIMIT) for name in ("up_limit", "down_limit")}
    return contract_table(
        "daily_bar",
        {
            **columns.keys(),
            **traded_prices,
            **limits,
            "close": columns.price("close"),
            "pre_close": columns.price("pre_close"),
            "volume": volume.astype(float),
            "amount": columns.raw("vwap").astype(np.int64) * volume / VWAP_PER_CNY,
            "turnover_rate": volume / columns.raw("float_shares"),
            "adj_factor": columns.raw("adj_factor"),
            "is_suspended": suspended,
            "trading_status": words(columns.raw("trading_status"), list(TRADING_STATUSES)),
        },
    )


def valuation(sessions: Sequence[SessionRecords], symbols: np.ndarray) -> pa.Table:
    """Contract table valuation; ratios of what is not positive are null."""
    columns = StockColumns(sessions, symbols)
    total = columns.value("total_shares")

    def ratio(field: str) -> pa.Array:
        base = columns.raw(field).astype(float)
        return _known(total / np.where(base > 0, base, 1.0), base > 0)

    return contract_table(
        "valuation",
        {
            **columns.keys(),
            "total_mv": total,
            "float_mv": columns.value("float_shares"),
            "pb_lf": ratio("book"),
            "pe_ttm": ratio("earnings"),
            "pcf_ocf_ttm": ratio("operating_cash_flow"),
            "dividend_12m": columns.raw("dividend_12m") / FEN_PER_CNY,
        },
    )


def consensus(sessions: Sequence[SessionRecords], symbols: np.ndarray) -> pa.Table:
    """Contract table consensus; null for stocks that no analyst covers."""
    columns = StockColumns(sessions, symbols)
    profit = columns.raw("net_profit_fy1").astype(float)
    covered = ~np.isnan(profit)
    return contract_table(
        "consensus",
        {
            **columns.keys(),
            "eps_fy1": _known(profit / columns.raw("total_shares"), covered),
            "roe_fy1": _known(profit / columns.raw("book"), covered),
            "net_profit_fy1": _known(profit, covered),
        },
    )


def index_bar(sessions: Sequence[SessionRecords], symbols: np.ndarray) -> pa.Table:
    """Contract table index_bar."""
    rows = [(session.day, name, bar) for session in sessions for name, bar in sorted(session.index_bars.items())]
    return contract_table(
        "index_bar",
        {
            "date": dates([day for day, _, _ in rows], [1] * len(rows)),
            "index": pa.array([name for _, name, _ in rows], type=pa.string()),
            **{
                field: np.array([getattr(bar, field) for _, _, bar in rows], dtype=float)
                for field in (*PRICES, "volume", "amount")
            },
        },
    )


def index_weight(sessions: Sequence[SessionRecords], symbols: np.ndarray) -> pa.Table:
    """Contract table index_weight."""
    rows = [
        (session.day, name, *_by_symbol(*session.index_weights[name], symbols))
        for session in sessions
        for name in sorted(session.index_weights)
    ]
    lengths = [len(members) for _, _, members, _ in rows]
    no_members, no_weights = np.empty(0, dtype=np.int64), np.empty(0)
    return contract_table(
        "index_weight",
        {
            "date": dates([day for day, _, _, _ in rows], lengths),
            "index": pa.array(np.repeat([name for _, name, _, _ in rows], lengths).tolist(), type=pa.string()),
            "symbol": words(np.concatenate([no_members, *(members for _, _, members, _ in rows)]), symbols.tolist()),
            "weight": np.concatenate([no_weights, *(weight for _, _, _, weight in rows)]),
        },
    )


def security(stocks: Stocks) -> pa.Table:
    """Contract table security, as known after the last simulated session."""
    order = np.argsort(stocks.symbol)
    symbols = stocks.symbol[order]
    return contract_table(
        "security",
        {
            "symbol": pa.array(symbols.tolist(), type=pa.string()),
            "name": pa.array([f"Simulated {symbol[:6]}" for symbol in symbols.tolist()], type=pa.string()),
            "board": words(stocks.board[order], list(BOARDS)),
            "list_date": pa.array(stocks.listed_day[order]),
            "delist_date": pa.array(stocks.delisted_day[order]),
            "successor": pa.nulls(len(symbols), pa.string()),
        },
    )


def industry(entries: Sequence[IndustryEntry], symbols: np.ndarray) -> pa.Table:
    """Contract table industry, as known after the last simulated session."""
    ordered = sorted(entries, key=lambda entry: (symbols[entry.stock], entry.since))
    stock = np.array([entry.stock for entry in ordered])
    since = np.array([entry.since for entry in ordered], dtype="datetime64[D]")
    until = np.append(since[1:], np.datetime64("NaT"))
    until[np.append(stock[1:] != stock[:-1], True)] = np.datetime64("NaT")
    kinds = [INDUSTRIES[entry.industry] for entry in ordered]
    return contract_table(
        "industry",
        {
            "symbol": words(stock, symbols.tolist()),
            "scheme": pa.array([SCHEME] * len(ordered), type=pa.string()),
            "code": pa.array([kind.code for kind in kinds], type=pa.string()),
            "name": pa.array([kind.name for kind in kinds], type=pa.string()),
            "sector": pa.array([kind.sector for kind in kinds], type=pa.string()),
            "in_date": pa.array(since),
            "out_date": pa.array(until),
        },
    )


def fundamental(columns: Mapping[str, np.ndarray], symbols: np.ndarray) -> pa.Table:
    """Contract table fundamental, as known after the last simulated session."""
    order = np.lexsort((columns["announced"], columns["report_period"], symbols[columns["stock"]]))
    ordered = {name: values[order] for name, values in columns.items()}
    return contract_table("fundamental", {"symbol": words(ordered.pop("stock"), symbols.tolist()), **ordered})


SESSION_TABLES: dict[str, Callable[[Sequence[SessionRecords], np.ndarray], pa.Table]] = {
    "daily_bar": daily_bar,
    "valuation": valuation,
    "consensus": consensus,
    "index_bar": index_bar,
    "index_weight": index_weight,
}


def contract_table(name: str, columns: Mapping[str, pa.Array | np.ndarray]) -> pa.Table:
    """A table of the contract from its columns, in its order and types."""
    schema = TABLES[name].schema
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)


def _known(values: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~known)


def dates(days: Sequence[np.datetime64], lengths: Sequence[int]) -> pa.Array:
    """Each of the days as often as `lengths` says."""
    return pa.array(np.repeat(np.array(days, dtype="datetime64[D]"), lengths))


def words(codes: np.ndarray, vocabulary: list[str]) -> pa.Array:
    """Texts of a vocabulary by their positions in it."""
    words = pa.array(vocabulary, type=pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), words).cast(pa.string())


def _by_symbol(members: np.ndarray, weight: np.ndarray, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(symbols[members])
    return members[order], weight[order]
