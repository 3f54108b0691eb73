"""The index beside a backtest: its returns with or without dividends, and the weights of its members.

A price index leaves out the dividends of its members, while a portfolio in adjusted prices has them: the excess over it
is flattered by about the index's dividend yield. Where the lake has no total-return index, one is made as the index
company makes it (CSI: index points of dividends are added on the ex-right session):

    r_total(T) = r_price(T) + Σ b(T − 1) · d(T)

with b the weights of the members at the close before and d the cash dividend over that close. The data contract knows
no dividends; d is inferred from the adjustment factor by the rule of `entitlements`, so a bonus issue is none, and an
account of whole shares and its benchmark see the same dividends.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.entitlements import FACTOR_TOLERANCE
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import DenseMarket, columns_of, numeric
from attn_platform.market.lake import Lake, days


def benchmark_returns(lake: Lake, market: DenseMarket, index: str, config: BacktestConfig) -> np.ndarray:
    """[T] close-to-close returns of an index over the market's sessions as `config.benchmark_return` says; NaN first.

    `market` holds close and adj_factor. `MissingDataError` where the lake has no bars of the index, or no weights for
    its dividends.
    """
    returns = price_returns(lake, market, index)
    if config.benchmark_return == "price":
        return returns
    return returns + index_dividends(market, member_weights(lake, market, index), config.bonus_threshold)


def price_returns(lake: Lake, market: DenseMarket, index: str) -> np.ndarray:
    """[T] close-to-close returns of an index as published; NaN in the first session and where a close is missing."""
    bars = lake.read("index_bar", market.sessions[0], market.sessions[-1], ["date", "index", "close"]).to_pandas()
    closes = bars[bars["index"] == index].set_index("date")["close"]
    if closes.empty:
        raise MissingDataError(f"index_bar has no {index} from {market.sessions[0]} on; import it")
    closes.index = pd.DatetimeIndex(closes.index)
    aligned = closes.reindex(pd.DatetimeIndex(market.sessions)).to_numpy(dtype=float)
    return np.concatenate([[np.nan], aligned[1:] / aligned[:-1] - 1.0])


def member_weights(lake: Lake, market: DenseMarket, index: str) -> np.ndarray:
    """[T, N] weights of an index at the close of each session, summing to 1 over the market's stocks.

    Between sessions that the lake has weights of, the last ones drift with the adjusted closes. `market` holds close
    and adj_factor; `MissingDataError` where the first session has no weights.
    """
    data = lake.read("index_weight", market.sessions[0], market.sessions[-1], ["date", "index", "symbol", "weight"])
    data = data.filter(pc.equal(data["index"], index))
    row = np.searchsorted(market.sessions, days(data["date"]))
    column = columns_of(data["symbol"], market.symbols)
    kept = column >= 0
    weights = np.zeros(market.shape)
    weights[row[kept], column[kept]] = numeric(data["weight"])[kept]
    known = weights.sum(axis=1) > 0
    if not known[0]:
        raise MissingDataError(f"index_weight has no weights of {index} on {market.sessions[0]}; import them")
    growth = 1.0 + close_returns(booked_prices(market)) if not known.all() else np.empty(0)
    for t in range(len(weights)):
        if not known[t]:
            weights[t] = weights[t - 1] * growth[t]
        weights[t] /= weights[t].sum()
    return weights


def index_dividends(market: DenseMarket, weights: np.ndarray, bonus_threshold: float) -> np.ndarray:
    """[T] what the dividends of its members add to the return of an index with `weights` [T, N] at the closes."""
    dividends = dividend_yields(market["adj_factor"], bonus_threshold)
    return np.concatenate([[np.nan], (weights[:-1] * dividends[1:]).sum(axis=1)])


def dividend_yields(adj_factor: np.ndarray, bonus_threshold: float) -> np.ndarray:
    """[T, N] cash dividends over the last close before, from adjustment factors [T, N]; 0 where there is none.

    A step of the factor from a to a · r takes 1 − 1 / r of the price; below `bonus_threshold` it is cash, from there
    on new shares, which an index has in its weights (`entitlements`). Sessions without a row have the last factor.
    """
    factor = pd.DataFrame(adj_factor).ffill().to_numpy()
    yields = np.zeros_like(factor)
    with np.errstate(invalid="ignore"):
        drop = 1.0 - factor[:-1] / factor[1:]
        yields[1:] = np.where((drop > FACTOR_TOLERANCE) & (drop < bonus_threshold), drop, 0.0)
    return yields


def booked_prices(market: DenseMarket) -> np.ndarray:
    """[T, N] adjusted closes as an account is valued by: the last one where a stock has no row or is delisted.

    NaN before the first.
    """
    prices = market["close"] * market["adj_factor"]
    for symbol, date in market.delist_dates.items():
        column = int(np.searchsorted(market.symbols, symbol))
        if column < len(market.symbols) and market.symbols[column] == symbol:
            prices[np.searchsorted(market.sessions, date) :, column] = np.nan
    return pd.DataFrame(prices).ffill().to_numpy()


def close_returns(prices: np.ndarray) -> np.ndarray:
    """[T, N] returns from close to close; 0 where a stock has no price before, and in the first session."""
    returns = np.zeros_like(prices)
    returns[1:] = np.nan_to_num(prices[1:] / prices[:-1] - 1.0)
    return returns
