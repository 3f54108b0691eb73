"""The backtest's rules stock by stock with dicts and loops, in words of its own: what the simulator is held against.

The scale of a target is found by bisection, lots by counting, fen by decimal arithmetic.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from attn_platform.backtest.config import BacktestConfig
from attn_platform.market.dense import STATUS_CODES, DenseMarket

DUST = 1e-6  # of the equity: less is no wish to trade
Row = dict[str, float]


def fen(amount: float, times: float = 1.0) -> float:
    """The product in whole fen, half up, of the numbers as they are written but for the noise of floats."""
    exact = (Decimal(str(amount)) * Decimal(str(times))).quantize(Decimal("1e-10"))
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def order_to_buy(wanted: float, symbol: str) -> int:
    wanted += 1e-6
    if symbol.startswith("688"):
        return int(wanted) if wanted >= 200 else 0
    if symbol.endswith(".BJ"):
        return int(wanted) if wanted >= 100 else 0
    return int(wanted) // 100 * 100


def order_to_sell(wanted: float, held: int, most: float, symbol: str) -> int:
    most = min(most + 1e-6, held)
    wanted = min(wanted if abs(wanted - round(wanted)) > 1e-6 else round(wanted), most)
    if symbol.startswith("688") or symbol.endswith(".BJ"):
        minimum = 200 if symbol.startswith("688") else 100
        sales = {0, held, minimum, *(max(int(wanted) + more, minimum) for more in (0, 1))}
    else:
        sales = {lots * 100 + odd for lots in range(held // 100 + 1) for odd in (0, held % 100)} | {held}
    return min((sale for sale in sales if 0 <= sale <= most), key=lambda sale: (abs(sale - wanted), -sale))


class PlainSimulator:
    """One account; `session` is called for every session, with the target decided the evening before or None."""

    def __init__(self, market: DenseMarket, config: BacktestConfig) -> None:
        self.config, self.cost, self.whole = config, config.cost_per_side, config.whole_shares
        self.days: list[dict[str, Row]] = [
            {
                str(symbol): {name: float(values[t, i]) for name, values in market.fields.items()}
                for i, symbol in enumerate(market.symbols)
                if not math.isnan(market.fields["is_suspended"][t, i])
            }
            for t in range(len(market.sessions))
        ]
        self.cash = config.initial_capital
        self.units: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.factor: dict[str, float] = {}
        self.orders: dict[str, float] = {}  # units to hold
        self.traded = 0.0

    def equity(self) -> float:
        return self.cash + math.fsum(self.units[s] * self.last[s] for s in self.units)

    def price(self, row: Row, name: str) -> float:
        return row[name] if self.whole else row[name] * row["adj_factor"]

    def session(self, t: int, target: dict[str, float] | None) -> None:
        day = self.days[t]
        self.traded = 0.0
        if self.whole:
            self.ex_rights(day)
        for symbol in [s for s in {*self.units, *self.orders} if s not in day]:
            self.orders.pop(symbol, None)
            proceeds = self.units.pop(symbol, 0.0) * self.last.get(symbol, 0.0) * self.config.delisting_recovery
            if self.whole:
                self.cash = fen(self.cash + fen(proceeds) - fen(fen(proceeds), self.cost))
            else:
                self.cash += proceeds * (1 - self.cost)
        leaving = {
            s
            for s in {*self.units, *self.orders, *(target or {})}
            if s in day and day[s]["trading_status"] == STATUS_CODES["delisting"] and not self.config.buy_delisting
        }
        if target is not None or self.orders or any(s in self.units for s in leaving):
            self.trade(day, target, leaving)
        for symbol in {*self.units, *self.orders}:
            self.last[symbol] = self.price(day[symbol], "close")

    def ex_rights(self, day: dict[str, Row]) -> None:
        for symbol in [s for s in {*self.units, *self.orders} if s in day]:
            ratio = day[symbol]["adj_factor"] / self.factor[symbol]
            if abs(ratio - 1) < 1e-6:
                continue
            self.factor[symbol] = day[symbol]["adj_factor"]
            held = self.units.get(symbol, 0.0)
            reference = self.last[symbol] / ratio
            if 0 < 1 - 1 / ratio < self.config.bonus_threshold:
                self.cash = fen(self.cash + fen(held * (self.last[symbol] - reference)))
            else:
                if held:
                    self.units[symbol] = float(math.floor(held * ratio + 1e-6))
                    self.cash = fen(self.cash + fen(max(held * ratio - self.units[symbol], 0.0) * reference))
                if symbol in self.orders:
                    self.orders[symbol] = float(math.floor(self.orders[symbol] * ratio + 1e-6))
            self.last[symbol] = reference

    def trade(self, day: dict[str, Row], target: dict[str, float] | None, leaving: set[str]) -> None:
        names = sorted({*self.units, *self.orders, *(target or {})})
        buy, sell, price, held, most = {}, {}, {}, {}, {}
        for s in names:
            row = day.get(s)
            trades = row is not None and row["is_suspended"] == 0.0
            board = trades and row["open"] == row["high"] == row["low"] == row["close"]
            buy[s] = trades and not (board and row["close"] == row["up_limit"]) and s not in leaving
            sell[s] = trades and not (board and row["close"] == row["down_limit"])
            if trades:
                price[s] = self.price(row, "vwap")
            elif s in self.units or s in self.orders:
                price[s] = self.last[s]
            else:
                price[s] = self.price(row, "close") if row is not None else 1.0
            held[s] = self.units.get(s, 0.0) * price[s]
            most[s] = math.inf
            if self.config.volume_cap is not None:
                volume = row["volume"] / (1.0 if self.whole else row["adj_factor"]) if trades else 0.0
                most[s] = self.config.volume_cap * volume
        equity = self.cash + math.fsum(held.values())
        low = {s: max(held[s] - most[s] * price[s], 0.0) if sell[s] else held[s] for s in names}
        high = {s: held[s] + most[s] * price[s] if buy[s] else held[s] for s in names}
        high |= {s: low[s] for s in leaving if s in names}

        if target is None:
            goal = {s: 0.0 if s in leaving else self.orders.get(s, self.units.get(s, 0.0)) for s in names}
            value = {s: min(max(goal[s] * price[s], low[s]), high[s]) for s in names}
        elif self.config.unfilled == "drop":
            least = {s: 0.0 if sell[s] else held[s] for s in names}
            largest = {s: math.inf if buy[s] else least[s] if s in leaving else held[s] for s in names}
            spread = self.spread(target, held, least, largest, equity)
            value = {s: min(max(spread[s], low[s]), high[s]) for s in names}
            goal = {s: value[s] / price[s] for s in names}
        else:
            none = dict.fromkeys(names, 0.0)
            end = {s: 0.0 if s in leaving or s not in day else math.inf for s in names}
            wish = self.spread(target, held, none, end, equity)
            goal = {s: wish[s] / price[s] for s in names}
            value = {s: min(max(wish[s], low[s]), high[s]) for s in names}
            if self.whole:
                for s in names:
                    units = self.units.get(s, 0.0)
                    more = goal[s] - units
                    goal[s] = units + (
                        order_to_buy(more, s) if more > 0 else -order_to_sell(-more, int(units), math.inf, s)
                    )
        if self.whole:
            self.trade_shares(goal, buy, sell, price, most, equity, held)
        else:
            self.trade_fractions(value, held, price, equity)
        for s in names:
            self.last[s] = price[s]
            self.factor.setdefault(s, day[s]["adj_factor"] if s in day else 1.0)
        self.orders = {}
        if self.config.unfilled == "carry":
            for s in names:
                short = goal[s] - self.units.get(s, 0.0)
                if abs(short) > (0 if self.whole else DUST * equity / price[s]):
                    self.orders[s] = goal[s]
        for s in [s for s in self.factor if s not in self.units and s not in self.orders]:
            del self.factor[s]

    def spread(
        self,
        target: dict[str, float],
        held: dict[str, float],
        low: dict[str, float],
        high: dict[str, float],
        equity: float,
    ) -> dict[str, float]:
        idle = max(1.0 - math.fsum(target.values()), 0.0)

        def values(scale: float) -> dict[str, float]:
            return {s: min(max(scale * target.get(s, 0.0), low[s]), high[s]) for s in held}

        def money(scale: float) -> float:
            return scale * idle + math.fsum(v + self.cost * abs(v - held[s]) for s, v in values(scale).items())

        below, above = 0.0, equity
        while money(above) < equity and above < 1e12 * equity:
            above *= 2.0
        for _ in range(200):
            middle = (below + above) / 2
            below, above = (middle, above) if money(middle) < equity else (below, middle)
        return values(above)

    def trade_fractions(
        self, value: dict[str, float], held: dict[str, float], price: dict[str, float], equity: float
    ) -> None:
        bought = math.fsum(max(value[s] - held[s], 0.0) for s in held) * (1 + self.cost)
        money = self.cash + math.fsum(max(held[s] - value[s], 0.0) for s in held) * (1 - self.cost)
        if bought > money + 1e-12 * equity:
            value = {s: held[s] + max(v - held[s], 0) * money / bought if v > held[s] else v for s, v in value.items()}
        volume = math.fsum(abs(value[s] - held[s]) for s in held)
        self.traded = volume / equity
        self.cash = max(equity - math.fsum(value.values()) - volume * self.cost, 0.0)
        changed = {s: self.units.get(s, 0.0) if value[s] == held[s] else value[s] / price[s] for s in held}
        self.units = {s: units for s, units in changed.items() if units > 0}

    def trade_shares(
        self,
        goal: dict[str, float],
        buy: dict[str, bool],
        sell: dict[str, bool],
        price: dict[str, float],
        most: dict[str, float],
        equity: float,
        held: dict[str, float],
    ) -> None:
        units = {s: int(self.units.get(s, 0.0)) for s in goal}
        sales = dict.fromkeys(goal, 0)
        wanted = dict.fromkeys(goal, 0.0)
        for s in goal:
            if goal[s] < units[s] and sell[s]:
                sales[s] = order_to_sell(units[s] - goal[s], units[s], most[s], s)
            elif goal[s] > units[s] and buy[s]:
                wanted[s] = order_to_buy(min(goal[s] - units[s], most[s]), s)
        money = self.cash
        for s, count in sales.items():
            amount = fen(count, price[s]) if count else 0.0
            money = fen(money + amount - fen(amount, self.cost))

        def paid(orders: dict[str, float]) -> float:
            amounts = [fen(count, price[s]) for s, count in orders.items() if count]
            return fen(math.fsum(a + fen(a, self.cost) for a in amounts))

        full = math.fsum(count * price[s] for s, count in wanted.items() if count) * (1 + self.cost)
        orders = wanted
        for reserve in (0.0, 0.02 * sum(1 for count in wanted.values() if count)):
            if paid(orders) > money:
                cut = max((money - reserve) / full, 0.0)
                orders = {s: order_to_buy(count * cut, s) for s, count in wanted.items()}
        wanted = orders
        self.cash = fen(money - paid(wanted))
        after = {s: float(units[s] - sales[s] + wanted[s]) for s in goal}
        self.traded = math.fsum(abs(after[s] - units[s]) * price[s] for s in goal) / equity
        self.units = {s: count for s, count in after.items() if count > 0}
