"""One session of bars, trades and snapshots of many stocks, as the lake holds them: sorted by stock and time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from attn_platform.market.contract import BOOK_LEVELS, BOOK_SNAPSHOT, MINUTE_BAR, TRANSACTION
from attn_platform.market.intraday import bar_ends, label_of
from attn_platform.market.lake import Lake

SESSION = np.datetime64("2024-08-30")
SEED = 0


def symbols_of(stocks: int) -> list[str]:
    """So many codes of the Shanghai main board, and beyond them of Shenzhen's."""
    shanghai = [f"{600000 + n}.SH" for n in range(min(stocks, 3_000))]
    return sorted([*shanghai, *(f"{1 + n:06d}.SZ" for n in range(stocks - len(shanghai)))])


def write_bars(folder: Path, stocks: int) -> int:
    """240 one-minute bars of each stock; returns the rows."""
    random, ends = np.random.default_rng(SEED), bar_ends(1)
    shape = (stocks, len(ends))
    close = 10 * np.exp(np.cumsum(0.001 * random.standard_normal(shape), axis=1))
    open_ = close * np.exp(0.0005 * random.standard_normal(shape))
    volume = 100.0 * random.integers(0, 900, shape)
    flat = {
        "open": open_, "high": np.maximum(open_, close) * 1.0005, "low": np.minimum(open_, close) * 0.9995,
        "close": close, "volume": volume, "amount": volume * close, "trades": np.ceil(volume / 700),
    }  # fmt: skip
    labels = pa.array([label_of(int(end)) for end in ends] * stocks)
    data = pa.table(
        {
            **_keys(symbols_of(stocks), np.full(stocks, len(ends))),
            "minute": labels,
            **{name: values.ravel() for name, values in flat.items()},
            "bar_minutes": np.ones(stocks * len(ends), dtype=np.int64),
        }
    )
    return Lake(folder).write(MINUTE_BAR.name, data.select(MINUTE_BAR.schema.names).cast(MINUTE_BAR.schema), SESSION)


def write_flow(folder: Path, stocks: int, trades: int, snapshots: int) -> tuple[int, int]:
    """Trades and snapshots, spread over the stocks by a heavy tail; returns the rows of both."""
    random, codes = np.random.default_rng(SEED), symbols_of(stocks)
    weight = random.lognormal(0, 1, stocks)
    of_stock = np.maximum((trades * weight / weight.sum()).astype(np.int64), 2)
    rows = int(of_stock.sum())
    step = np.arange(rows) - np.repeat(np.cumsum(of_stock) - of_stock, of_stock)
    price = np.round(10 * np.exp(0.0004 * np.cumsum(random.standard_normal(rows))) % 90 + 5, 2)
    buy, sell = (np.maximum(step + random.integers(-40, 40, rows), 0) // 2 + 1 for _ in range(2))
    data = pa.table(
        {
            **_keys(codes, of_stock),
            "time": _times(random, of_stock),
            "price": price,
            "volume": 100.0 * random.integers(1, 60, rows),
            "buy_order": 2 * buy,
            "sell_order": 2 * sell + 1,
            "side": pa.nulls(rows, pa.string()),
            "sequence": step,
        }
    )
    lake = Lake(folder)
    lake.write(TRANSACTION.name, data.select(TRANSACTION.schema.names).cast(TRANSACTION.schema), SESSION)
    of_book = np.full(stocks, snapshots // stocks)
    rows = int(of_book.sum())
    middle = np.round(np.repeat(10 + np.arange(stocks) % 80, of_book) + 0.01 * random.integers(-20, 20, rows), 2)
    book: dict[str, object] = {**_keys(codes, of_book), "time": _times(random, of_book)}
    for side, sign in (("bid", -1), ("ask", 1)):
        for level in BOOK_LEVELS:
            book[f"{side}_price_{level}"] = middle + 0.01 * sign * level
            book[f"{side}_volume_{level}"] = 100.0 * random.integers(1, 90, rows)
    data = pa.table(book)
    lake.write(BOOK_SNAPSHOT.name, data.select(BOOK_SNAPSHOT.schema.names).cast(BOOK_SNAPSHOT.schema), SESSION)
    return int(of_stock.sum()), rows


def _keys(codes: list[str], counts: np.ndarray) -> dict[str, pa.Array]:
    positions = pa.array(np.repeat(np.arange(len(codes), dtype=np.int32), counts))
    symbol = pa.DictionaryArray.from_arrays(positions, pa.array(codes)).cast(pa.string())
    return {"date": pa.array(np.full(int(counts.sum()), SESSION)), "symbol": symbol}


def _times(random: np.random.Generator, counts: np.ndarray) -> pa.Array:
    """Times of continuous trading, ascending within each stock."""
    rows = int(counts.sum())
    stock = np.repeat(np.arange(len(counts)), counts)
    at = random.integers(0, 4 * 3_600_000 - 200_000, rows)
    at = np.where(at < 2 * 3_600_000, at + int(9.5 * 3_600_000), at + 11 * 3_600_000)
    order = np.lexsort((at, stock))
    return pa.array(at[order].astype(np.int32)).cast(pa.time32("ms"))
