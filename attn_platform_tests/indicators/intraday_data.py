"""Random sessions of intraday tables, as the lake holds them, and the rows of one stock as plain Python reads them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from attn_platform.market.contract import BOOK_SNAPSHOT, MINUTE_BAR, TRANSACTION
from attn_platform.market.intraday import bar_ends, label_of

SESSION = np.datetime64("2023-02-01")
SYMBOLS = ("000001.SZ", "000002.SZ", "300001.SZ", "600000.SH", "688001.SH")


def random_bars(seed: int, bar_minutes: int = 1, symbols: tuple[str, ...] = SYMBOLS) -> pa.Table:
    """Bars of a session: the first stock has an auction of its own, others miss bars, some stand still."""
    random = np.random.default_rng(seed)
    rows = []
    for number, symbol in enumerate(symbols):
        ends = [565, *bar_ends(bar_minutes)] if number == 0 else list(bar_ends(bar_minutes))
        price = 10.0 + number
        for end in ends:
            if number > 1 and random.random() < 0.1:
                continue
            open_ = price * np.exp(0.002 * random.standard_normal())
            price = open_ * np.exp(0.002 * random.standard_normal() * (random.random() > 0.1))
            trades = int(random.integers(0, 40)) if random.random() > 0.05 else 0
            volume = 100.0 * trades * random.integers(1, 9)
            high, low = max(open_, price) * 1.001, min(open_, price) * 0.999
            rows.append((symbol, label_of(end), open_, high, low, price, volume, volume * (open_ + price) / 2, trades))
    names = ("symbol", "minute", "open", "high", "low", "close", "volume", "amount", "trades")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    length = len(rows)
    columns |= {"date": [SESSION.item()] * length, "bar_minutes": [bar_minutes] * length}
    return pa.table({field.name: pa.array(columns[field.name]).cast(field.type) for field in MINUTE_BAR.schema})


def random_trades(seed: int, flagged: float = 0.5, symbols: tuple[str, ...] = SYMBOLS) -> pa.Table:
    """Trades of a session with orders that fill in several, some of them with a flag, some without order numbers."""
    random = np.random.default_rng(seed)
    parts = []
    for number, symbol in enumerate(symbols):
        count = int(random.integers(200, 900))
        time = np.sort(random.integers(9 * 60 + 24, 11 * 60, count)) * 60_000 + random.integers(0, 60_000, count)
        time = np.sort(time)
        price = np.round((10 + number) * np.exp(np.cumsum(0.0005 * random.standard_normal(count))), 2)
        buy, sell = (np.abs(np.arange(count) + random.integers(-60, 60, count)) // 3 for _ in range(2))
        side = np.where(random.random(count) < flagged, np.where(random.random(count) < 0.5, "buy", "sell"), None)
        parts.append(
            pa.table(
                {
                    "date": pa.array([SESSION.item()] * count),
                    "symbol": [symbol] * count,
                    "time": pa.array(time.astype(np.int32)).cast(pa.time32("ms")),
                    "price": price,
                    "volume": 100.0 * random.integers(1, 50, count),
                    "buy_order": buy.astype(np.int64),
                    "sell_order": sell.astype(np.int64),
                    "side": pa.array(side.tolist(), pa.string()),
                    "sequence": pa.array(np.arange(count)),
                }
            )
        )
    return pa.concat_tables(parts).select(TRANSACTION.schema.names).cast(TRANSACTION.schema)


def random_book(seed: int, symbols: tuple[str, ...] = SYMBOLS) -> pa.Table:
    """Snapshots from 09:20 to 10:30, one side empty now and then; the second stock's begin at 09:31 only."""
    random = np.random.default_rng(seed)
    parts = []
    for number, symbol in enumerate(symbols):
        begin = 9 * 60 + (31 if number == 1 else 20)
        time = np.sort(random.integers(begin * 60_000, 10.5 * 3_600_000, 600))
        time = np.unique(time)
        count = len(time)
        middle = np.round((10 + number) * np.exp(np.cumsum(0.0003 * random.standard_normal(count))), 2)
        table = {
            "date": pa.array([SESSION.item()] * count),
            "symbol": [symbol] * count,
            "time": pa.array(time.astype(np.int32)).cast(pa.time32("ms")),
        }
        for side, sign in (("bid", -1), ("ask", 1)):
            empty = random.random(count) < 0.02
            for level in range(1, 6):
                table[f"{side}_price_{level}"] = np.where(empty, 0.0, middle + 0.01 * sign * level)
                table[f"{side}_volume_{level}"] = np.where(empty, 0.0, 100.0 * random.integers(1, 90, count))
        parts.append(pa.table(table))
    return pa.concat_tables(parts).select(BOOK_SNAPSHOT.schema.names).cast(BOOK_SNAPSHOT.schema)


def rows_of(table: pa.Table, symbol: str) -> list[dict]:
    """Rows of one stock, with `end` of a bar, or `minute` of a trade or snapshot, in minutes since midnight."""
    rows = [row for row in table.to_pylist() if row["symbol"] == symbol]
    for row in rows:
        if "minute" in row:
            row["end"] = int(row["minute"][:2]) * 60 + int(row["minute"][3:])
        else:
            row["minute"] = row["time"].hour * 60 + row["time"].minute
    return rows
