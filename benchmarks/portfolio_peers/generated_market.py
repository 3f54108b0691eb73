"""A market for weekly portfolios: daily bars with suspensions, one-price boards and ex-rights, and what a week needs.

Thirty industries of uneven size, a benchmark of the largest stocks by float value, which is chosen anew every half
year, and the z-score of log float value as the style. A suspension lasts from a rebalance to the next; 3 % of the
stocks are suspended at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.market.dense import DenseMarket

SESSIONS_A_WEEK = 5
WEEKS_BETWEEN_REVIEWS = 26
MEMBERS_SHARE = 0.2  # of the stocks: 500 of 2,500
INDUSTRIES = 30
SUSPENDED = 0.03
ONE_PRICE = 0.003  # a side
EX_RIGHTS, EX_RIGHTS_FACTOR = 0.004, 1.02
DAILY_LIMIT = 0.1
FIRST_PRICES, LOWEST_PRICE = (20, 200), 1.0
VOLUME = 1e7  # shares a session
LARGEST_MEMBER = 0.97  # quantile of the members' values above which they count no more
FORECAST_MEMORY = 0.8  # correlation of a forecast with last week's
FORECAST_SCALE = 0.01
FILES = ("open", "high", "low", "close", "vwap", "adj_factor", "up_limit", "down_limit", "is_suspended")


@dataclass(frozen=True, eq=False)
class GeneratedMarket:
    """Daily bars [T, N]; benchmark weights and style [W, N] and rows [W] of the rebalances; industry codes [N]."""

    bars: DenseMarket
    rebalances: np.ndarray
    benchmark: np.ndarray
    style: np.ndarray
    industry: np.ndarray

    def benchmark_returns(self) -> np.ndarray:
        """[T] returns of the benchmark as it was at the last rebalance; NaN in the first session."""
        adjusted = self.bars["close"] * self.bars["adj_factor"]
        returns = np.full(len(adjusted), np.nan)
        for week, row in enumerate(self.rebalances):
            after = slice(row, row + SESSIONS_A_WEEK + 1)
            index = (adjusted[after] / adjusted[row]) @ self.benchmark[week]
            returns[row + 1 : row + len(index)] = index[1:] / index[:-1] - 1
        return returns


def forecasts(stocks: int, seed: int) -> Iterator[np.ndarray]:
    """[N] forecasts of one week after the other, each like the week before to `FORECAST_MEMORY`."""
    random = np.random.default_rng(seed)
    forecast = random.standard_normal(stocks)
    fresh = np.sqrt(1 - FORECAST_MEMORY**2)
    while True:
        yield FORECAST_SCALE * forecast
        forecast = FORECAST_MEMORY * forecast + fresh * random.standard_normal(stocks)


def write_market(folder: Path, stocks: int, weeks: int, seed: int = 0, hazards: float = 1.0) -> None:
    """Draw a market and keep its arrays under `folder`, for all processes to map.

    Suspensions, one-price boards and ex-rights are `hazards` times as frequent as usual.
    """
    random = np.random.default_rng(seed)
    sessions = weeks * SESSIONS_A_WEEK + 1
    rebalances = np.arange(weeks) * SESSIONS_A_WEEK
    suspended = np.repeat(random.random((weeks, stocks)) < hazards * SUSPENDED, SESSIONS_A_WEEK, axis=0)
    suspended = np.vstack([suspended, suspended[-1:]])

    returns = 0.01 * random.standard_normal((sessions, 1)) + 0.02 * random.standard_normal((sessions, stocks))
    returns = np.clip(returns, -0.9 * DAILY_LIMIT, 0.9 * DAILY_LIMIT)
    board = random.random((sessions, stocks))
    one_price = np.where(board < hazards * ONE_PRICE, 1.0, np.where(board > 1 - hazards * ONE_PRICE, -1.0, 0.0))
    returns = np.where(one_price != 0, DAILY_LIMIT * one_price, returns)
    returns = np.where(suspended, 0.0, returns)
    is_ex = (random.random((sessions, stocks)) < hazards * EX_RIGHTS) & ~suspended
    factor = np.cumprod(np.where(is_ex, EX_RIGHTS_FACTOR, 1.0), axis=0)
    adjusted = random.uniform(*FIRST_PRICES, stocks) * np.cumprod(1 + returns, axis=0)

    close = np.maximum(np.round(adjusted / factor, 2), LOWEST_PRICE)
    before = close / (1 + returns)
    spread = np.where(one_price != 0, 0.0, np.round(0.004 * close, 2))
    traded = {
        "open": close,
        "high": close + spread,
        "low": close - spread,
        "vwap": close - spread / 4,
        "up_limit": np.where(one_price > 0, close, np.round(before * (1 + DAILY_LIMIT), 2)),
        "down_limit": np.where(one_price < 0, close, np.round(before * (1 - DAILY_LIMIT), 2)),
    }
    fields = {name: np.where(suspended, np.nan, values) for name, values in traded.items()}
    fields |= {"close": close, "adj_factor": factor, "is_suspended": suspended.astype(float)}

    shares = np.exp(2.2 * np.abs(random.standard_normal(stocks)) * 0.6 + 17 + 0.8 * random.standard_normal(stocks))
    log_value = np.log(shares * adjusted[rebalances])
    sizes = random.random(INDUSTRIES) + 0.2
    arrays = {
        "rebalances": rebalances,
        "benchmark": np.stack(list(_benchmarks(log_value))),
        "style": (log_value - log_value.mean(axis=1, keepdims=True)) / log_value.std(axis=1, keepdims=True),
        "industry": random.choice(INDUSTRIES, stocks, p=sizes / sizes.sum()),
    }
    folder.mkdir(parents=True)
    for name, values in (fields | arrays).items():
        np.save(folder / f"{name}.npy", values)


def load_market(folder: Path) -> GeneratedMarket:
    """The market of a folder, memory-mapped."""
    fields = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FILES}
    shape = fields["close"].shape
    constant = {"volume": np.broadcast_to(VOLUME, shape), "trading_status": np.broadcast_to(0.0, shape)}
    constant["amount"] = VOLUME * fields["vwap"]
    bars = DenseMarket(
        sessions=pd.bdate_range("2010-01-04", periods=shape[0]).to_numpy().astype("datetime64[D]"),
        symbols=np.array([f"{600000 + i}.SH" for i in range(shape[1])]),
        fields={name: np.asarray(values) for name, values in fields.items()} | constant,
    )
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("rebalances", "benchmark", "style", "industry")}
    return GeneratedMarket(bars, **arrays)


def _benchmarks(log_value: np.ndarray) -> Iterator[np.ndarray]:
    """[N] weights of each week: the members' float values, the largest of them cut."""
    count = int(MEMBERS_SHARE * log_value.shape[1])
    member = np.zeros(log_value.shape[1], dtype=bool)
    for week, values in enumerate(log_value):
        if week % WEEKS_BETWEEN_REVIEWS == 0:
            member = np.zeros(len(values), dtype=bool)
            member[np.argsort(-values)[:count]] = True
        value = np.where(member, np.exp(values), 0.0)
        value = np.minimum(value, np.quantile(value[member], LARGEST_MEMBER))
        yield value / value.sum()
