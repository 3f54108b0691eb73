"""Random markets with every hazard that a backtest meets, and random targets for them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from attn_platform.market.dense import STATUS_CODES, DenseMarket

FIELDS = (
    *("open", "high", "low", "close", "vwap", "adj_factor", "up_limit", "down_limit", "is_suspended"),
    *("volume", "amount", "trading_status"),
)
CODES = ("600{:03d}.SH", "688{:03d}.SH", "300{:03d}.SZ", "830{:03d}.BJ")
CONSOLIDATION_SESSIONS = 6
# CNY. Prices are pulled to the usual one, so that a tick is a small step after ten years too.
USUAL_PRICE, PULL, EX_RIGHT_FROM = 20.0, 0.02, 4.0


def sessions_of(count: int) -> np.ndarray:
    return pd.bdate_range("2015-01-05", periods=count).to_numpy().astype("datetime64[D]")


def random_market(rng: np.random.Generator, sessions: int, stocks: int, ex_rights: float = 0.05) -> DenseMarket:
    """Suspensions, one-price boards, dividends, splits, late listings, delistings, thin days; prices in ticks of 0.01.

    `ex_rights` is the chance of an ex-right session. Some stocks go through a delisting-consolidation period first;
    some are suspended without a row between their last session and their delisting, and of some no date of delisting is
    known. Rows are missing, vwaps are missing, and what nobody traded lacks its flag. The first stock is there all the
    time: a session without any row is missing data, not a market.
    """
    fields = {name: np.full((sessions, stocks), np.nan) for name in FIELDS}
    days, delisted = sessions_of(sessions), {}
    names = sorted(CODES[i % len(CODES)].format(i) for i in range(stocks))
    for i in range(stocks):
        listed = int(rng.integers(0, sessions // 2)) if i and rng.random() < 0.2 else 0
        gone = int(rng.integers(sessions // 3, sessions)) if i and rng.random() < 0.3 else sessions
        if gone < sessions and rng.random() < 0.8:
            delisted[names[i]] = days[min(gone + int(rng.choice([0, 0, 1, 7])), sessions - 1)]
        leaves = gone - CONSOLIDATION_SESSIONS if gone < sessions and rng.random() < 0.7 else sessions
        close, factor, suspended = round(float(rng.uniform(5, 50)), 2), 1.0, False
        for t in range(listed, gone):
            suspended = rng.random() < (0.7 if suspended else 0.06)
            status = STATUS_CODES["delisting" if t >= leaves else "normal"]
            if suspended:
                row = {"close": close, "adj_factor": factor, "is_suspended": 1.0, "volume": 0.0, "amount": 0.0}
                if rng.random() < 0.1:
                    row |= {"open": close, "high": close, "low": close, "vwap": close, "is_suspended": 0.0}
            else:
                if rng.random() < ex_rights and close > EX_RIGHT_FROM:
                    ratio = float(rng.choice([1.013, 1.04, 1.25, 2.0, 1.537]))
                    factor, close = factor * ratio, close / ratio
                up, down = round(close * 1.1, 2), round(close * 0.9, 2)
                kind = rng.random()
                if kind < 0.08:
                    open_ = high = low = vwap = close = up
                elif kind < 0.16:
                    open_ = high = low = vwap = close = down
                else:
                    pull = PULL * math.log(USUAL_PRICE / close)
                    moves = rng.normal(pull, 0.02, 2)
                    open_, close = (round(min(max(close * math.exp(x), down), up), 2) for x in moves)
                    if rng.random() < 0.15:  # opened or closed at a limit, having traded elsewhere
                        limit = up if rng.random() < 0.5 else down
                        open_, close = (limit, close) if rng.random() < 0.5 else (open_, limit)
                    high = round(min(max(open_, close) + 0.02, up), 2)
                    low = round(max(min(open_, close) - 0.02, down), 2)
                    vwap = low + (high - low) * float(rng.uniform(0, 1))
                row = {
                    "open": open_,
                    "high": high,
                    "low": low,
                    "close": close,
                    "vwap": vwap,
                    "adj_factor": factor,
                    "up_limit": up,
                    "down_limit": down,
                    "is_suspended": 0.0,
                    "volume": float(rng.integers(100, 40_000)),
                }
                row["amount"] = round(vwap * row["volume"], 2)
                if rng.random() < 0.05:
                    row["vwap"] = math.nan
                    row["amount"] = math.nan if rng.random() < 0.3 else row["amount"]
            if i and rng.random() < 0.04:
                continue
            for name, value in {**row, "trading_status": status}.items():
                fields[name][t, i] = value
    return DenseMarket(days, np.array(names), fields, delisted)


def random_targets(rng: np.random.Generator, market: DenseMarket, every: int = 5) -> dict[np.datetime64, pd.Series]:
    targets = {}
    for t in range(1, len(market.sessions), every):
        chosen = np.sort(rng.choice(market.symbols, size=int(rng.integers(1, len(market.symbols) + 1)), replace=False))
        weights = rng.dirichlet(np.ones(len(chosen))) * (1.0 if rng.random() < 0.8 else 0.9)
        targets[market.sessions[t]] = pd.Series(weights, index=chosen)
    return targets
