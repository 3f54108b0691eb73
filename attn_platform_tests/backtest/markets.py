"""Random markets with every hazard a backtest meets, and a plain share-by-share simulator to compare with."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from attn_platform.market.dense import DenseMarket

FIELDS = ("open", "high", "low", "close", "vwap", "adj_factor", "up_limit", "down_limit", "is_suspended")


def sessions_of(count: int) -> np.ndarray:
    return pd.bdate_range("2015-01-05", periods=count).to_numpy().astype("datetime64[D]")


def random_market(rng: np.random.Generator, sessions: int, stocks: int) -> DenseMarket:
    """Suspensions, one-price boards, ex dates, late listings, delistings; prices in ticks of 0.01.

    The first stock is there all the time: a session without any row is missing data, not a market.
    """
    fields = {name: np.full((sessions, stocks), np.nan) for name in FIELDS}
    for i in range(stocks):
        listed = int(rng.integers(0, sessions // 2)) if i and rng.random() < 0.2 else 0
        gone = int(rng.integers(sessions // 3, sessions)) if i and rng.random() < 0.3 else sessions
        close, factor, suspended = round(float(rng.uniform(5, 50)), 2), 1.0, False
        for t in range(listed, gone):
            suspended = rng.random() < (0.7 if suspended else 0.06)
            if suspended:
                row = {"close": close, "adj_factor": factor, "is_suspended": 1.0}
            else:
                if rng.random() < 0.03:
                    factor, close = factor * 1.25, close / 1.25
                up, down = round(close * 1.1, 2), round(close * 0.9, 2)
                kind = rng.random()
                if kind < 0.08:
                    open_ = high = low = vwap = close = up
                elif kind < 0.16:
                    open_ = high = low = vwap = close = down
                else:
                    open_, close = (round(min(max(close * math.exp(x), down), up), 2) for x in rng.normal(0, 0.02, 2))
                    high, low = min(max(open_, close) + 0.02, up), max(min(open_, close) - 0.02, down)
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
                }
            for name, value in row.items():
                fields[name][t, i] = value
    symbols = np.array([f"{600000 + i}.SH" for i in range(stocks)])
    return DenseMarket(sessions_of(sessions), symbols, fields)


def random_targets(rng: np.random.Generator, market: DenseMarket, every: int = 5) -> dict[np.datetime64, pd.Series]:
    targets = {}
    for t in range(1, len(market.sessions), every):
        chosen = np.sort(rng.choice(market.symbols, size=int(rng.integers(1, len(market.symbols) + 1)), replace=False))
        weights = rng.dirichlet(np.ones(len(chosen))) * (1.0 if rng.random() < 0.8 else 0.9)
        targets[market.sessions[t]] = pd.Series(weights, index=chosen)
    return targets


class PlainSimulator:
    """The rules of AI-69, AI-55 stock by stock with dicts; the scale of the target is found by bisection."""

    def __init__(self, market: DenseMarket, cost: float, recovery: float = 1.0) -> None:
        self.cost, self.recovery = cost, recovery
        self.days = [
            {
                str(symbol): {name: float(market.fields[name][t, i]) for name in FIELDS}
                for i, symbol in enumerate(market.symbols)
                if not math.isnan(market.fields["is_suspended"][t, i])
            }
            for t in range(len(market.sessions))
        ]
        self.cash = 1.0
        self.units: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.paid = 0.0
        self.traded = 0.0

    def equity(self) -> float:
        return self.cash + math.fsum(self.units[s] * self.last[s] for s in self.units)

    def session(self, t: int, target: dict[str, float] | None) -> None:
        day = self.days[t]
        self.paid = self.traded = 0.0
        for symbol in [s for s in self.units if s not in day]:
            self.cash += self.units.pop(symbol) * self.last[symbol] * self.recovery * (1 - self.cost)
        if target is not None:
            self._trade(day, target)
        for symbol in self.units:
            self.last[symbol] = day[symbol]["close"] * day[symbol]["adj_factor"]

    def _trade(self, day: dict[str, dict[str, float]], target: dict[str, float]) -> None:
        names = sorted(set(self.units) | set(target))
        buy, sell, price, held = {}, {}, {}, {}
        for symbol in names:
            row = day.get(symbol)
            trades = row is not None and row["is_suspended"] == 0.0
            board = trades and row["open"] == row["high"] == row["low"] == row["close"]
            buy[symbol] = trades and not (board and row["close"] == row["up_limit"])
            sell[symbol] = trades and not (board and row["close"] == row["down_limit"])
            price[symbol] = row["vwap"] * row["adj_factor"] if trades else self.last.get(symbol, 1.0)
            held[symbol] = self.units.get(symbol, 0.0) * price[symbol]
        equity = self.cash + math.fsum(held.values())
        idle = max(1.0 - math.fsum(target.values()), 0.0)

        def wishes(scale: float) -> dict[str, float]:
            out = {}
            for symbol in names:
                wish = scale * target.get(symbol, 0.0)
                blocked = (wish > held[symbol] and not buy[symbol]) or (wish < held[symbol] and not sell[symbol])
                out[symbol] = held[symbol] if blocked else wish
            return out

        def money(scale: float) -> float:
            values = wishes(scale)
            return scale * idle + math.fsum(v + self.cost * abs(v - held[s]) for s, v in values.items())

        low, high = 0.0, 1.0
        while money(high) < equity and high < 1e12:
            high *= 2.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if money(middle) < equity else (low, middle)
        values = wishes(high)
        self.traded = math.fsum(abs(v - held[s]) for s, v in values.items()) / equity
        self.paid = self.traded * self.cost
        self.cash = equity - math.fsum(values.values()) - self.paid * equity
        self.units = {s: v / price[s] for s, v in values.items() if v > 0}
        self.last.update({s: price[s] for s in self.units})
