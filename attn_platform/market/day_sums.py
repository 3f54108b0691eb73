"""Daily bars of the rows within a session: what bars, or trades taken as bars of one price, come to over the day.

Definitions: data contract (table daily_bar). The first open, the highest high, the lowest low, the last close; volume
in shares and amount in CNY are sums.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from attn_platform.market.lake import days
from attn_platform.market.settle import numbers

PRICES = ("open", "high", "low", "close")
QUANTITIES = ("volume", "amount")


def day_sums(rows: pa.Table) -> pa.Table:
    """One row for each session and stock of `rows`: `PRICES`, `QUANTITIES`, and `rows`, how many there were.

    `rows` has date, symbol, prices and quantities, those of a stock and session together and in the order of their
    time.
    """
    code = rows["symbol"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    date = days(rows["date"])
    first = np.flatnonzero(np.append(True, (code[1:] != code[:-1]) | (date[1:] != date[:-1]))[: len(code)])
    last = np.append(first[1:], len(code))[: len(first)] - 1
    values = {name: numbers(rows[name]) for name in (*PRICES, *QUANTITIES)}
    of_day: dict[str, np.ndarray] = {
        "open": values["open"][first],
        "high": _over_days(np.maximum, values["high"], first),
        "low": _over_days(np.minimum, values["low"], first),
        "close": values["close"][last],
        **{name: _over_days(np.add, values[name], first) for name in QUANTITIES},
        "rows": last - first + 1,
    }
    keys = {name: rows[name].take(pa.array(first)) for name in ("date", "symbol")}
    return pa.table({**keys, **{name: pa.array(cells) for name, cells in of_day.items()}})


def _over_days(function: np.ufunc, values: np.ndarray, first: np.ndarray) -> np.ndarray:
    return function.reduceat(values, first) if len(first) else np.empty(0)
