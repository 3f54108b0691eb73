"""Quotes of a few stocks by hand."""

import numpy as np

from attn_platform.backtest.quotes import Closes, Quotes
from attn_platform.backtest.tradability import Restriction


def quotes(
    symbols: list[str],
    price: list[float],
    restriction: list[int] | None = None,
    close: list[float] | None = None,
    volume: list[float] | None = None,
    leaving: list[str] | None = None,
) -> Quotes:
    return Quotes(
        symbols=np.array(symbols),
        close=np.array(price if close is None else close, dtype=float),
        execution=np.array(price, dtype=float),
        adj_factor=np.ones(len(symbols)),
        volume=np.full(len(symbols), 1e9) if volume is None else np.array(volume, dtype=float),
        restriction=np.array(restriction or [Restriction.NONE] * len(symbols), dtype=np.int8),
        is_leaving=np.isin(symbols, leaving or []),
    )


def closes(
    symbols: list[str], close: list[float], factor: list[float] | None = None, delisted: list[str] | None = None
) -> Closes:
    values = np.array(close, dtype=float)
    return Closes(
        symbols=np.array(symbols),
        close=values,
        adj_factor=np.ones(len(symbols)) if factor is None else np.array(factor, dtype=float),
        has_row=~np.isnan(values),
        is_suspended=np.isnan(values),
        is_delisted=np.isin(symbols, delisted or []),
        is_leaving=np.zeros(len(symbols), dtype=bool),
    )
