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
        self.config, self.whole = config, config.whole_shares
        self.dates = market.sessions
        self.gone = market.delist_dates
        assert config.transfer_fee != "statutory", "no market of the tests has its dates"
        assert not config.stamp_duty
        self.rate = config.cost_per_side + float(config.transfer_fee)
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

    def fill_price(self, row: Row) -> tuple[str, float]:
        """What the session's trades are made at; no name where nobody traded."""
        if row["is_suspended"] or row["volume"] == 0:
            return "", math.nan
        prices = {self.config.execution_price: row[self.config.execution_price]}
        for name, price in (("vwap", row["vwap"]), ("mean", row["amount"] / row["volume"]), ("close", row["close"])):
            prices.setdefault(name, price)
        return next(((name, price) for name, price in prices.items() if price > 0), ("", math.nan))

    def sealed(self, row: Row, name: str, limit: str) -> bool:
        bound = f"{row[limit]:.2f}"
        if name in ("open", "close"):
            return f"{row[name]:.2f}" == bound
        if self.config.limit_board == "sealed_close":
            return f"{row['close']:.2f}" == bound
        return all(f"{row[price]:.2f}" == bound for price in ("open", "high", "low", "close"))

    def fee(self, amount: float) -> float:
        if not amount:
            return 0.0
        commission = max(self.config.cost_per_side * amount, self.config.minimum_commission)
        return commission + float(self.config.transfer_fee) * amount

    def session(self, t: int, target: dict[str, float] | None) -> None:
        day = {s: row for s, row in self.days[t].items() if s not in self.gone or self.dates[t] < self.gone[s]}
        self.traded = 0.0
        if self.whole:
            self.ex_rights(day)
        for symbol in [s for s in {*self.units, *self.orders} if s in self.gone and self.dates[t] >= self.gone[s]]:
            self.orders.pop(symbol, None)
            proceeds = self.units.pop(symbol, 0.0) * self.last.get(symbol, 0.0) * self.config.delisting_recovery
            if self.whole:
                self.cash = fen(self.cash + fen(proceeds) - fen(fen(proceeds), self.rate))
            else:
                self.cash += proceeds * (1 - self.rate)
        leaving = {
            s
            for s in {*self.units, *self.orders, *(target or {})}
            if s in day and day[s]["trading_status"] == STATUS_CODES["delisting"] and not self.config.buy_delisting
        }
        if (target is not None or self.orders or any(s in self.units for s in leaving)) and self.equity() > 0:
            self.trade(day, target, leaving, {s for s in self.gone if self.dates[t] >= self.gone[s]})
        for symbol in {*self.units, *self.orders} & set(day):
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

    def trade(self, day: dict[str, Row], target: dict[str, float] | None, leaving: set[str], gone: set[str]) -> None:
        names = sorted({*self.units, *self.orders, *(target or {})})
        buy, sell, price, held, most = {}, {}, {}, {}, {}
        unknown = {s for s in names if s not in day and s not in self.units and s not in self.orders}
        for s in names:
            row = day.get(s)
            at, raw = self.fill_price(row) if row is not None else ("", math.nan)
            trades = at != ""
            buy[s] = trades and not self.sealed(row, at, "up_limit") and s not in leaving
            sell[s] = trades and not self.sealed(row, at, "down_limit")
            if trades:
                price[s] = raw if self.whole else raw * row["adj_factor"]
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
            end = {s: 0.0 if s in leaving or s in unknown or s in gone else math.inf for s in names}
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
            return scale * idle + math.fsum(v + self.rate * abs(v - held[s]) for s, v in values(scale).items())

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
        for s, v in value.items():
            nothing = v < held[s] and v <= 1e-12 * equity
            if (abs(v - held[s]) <= 1e-12 * equity and not nothing) or v < held[s] <= v + self.fee(held[s] - v):
                value[s] = held[s]
            elif nothing:
                value[s] = 0.0
        wanted = {s: v - held[s] for s, v in value.items() if v > held[s]}
        money = self.cash + math.fsum(held[s] - v - self.fee(held[s] - v) for s, v in value.items() if v < held[s])

        def paid(share: float) -> float:
            return math.fsum(share * more + self.fee(share * more) for more in wanted.values())

        if paid(1.0) > money + 1e-12 * equity:
            low, high = 0.0, 1.0
            for _ in range(200):
                middle = (low + high) / 2
                low, high = (middle, high) if paid(middle) <= money else (low, middle)
            value |= {s: held[s] + low * more for s, more in wanted.items() if low * more > 1e-12 * equity}
            value |= {s: held[s] for s, more in wanted.items() if low * more <= 1e-12 * equity}
        changes = {s: abs(value[s] - held[s]) for s in held}
        self.traded = math.fsum(changes.values()) / equity
        self.cash = max(
            equity - math.fsum(value.values()) - math.fsum(self.fee(change) for change in changes.values()), 0.0
        )
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
                sale = order_to_sell(units[s] - goal[s], units[s], most[s], s)
                brings = fen(sale, price[s]) if sale else 0.0
                sales[s] = sale if brings > fen(self.fee(brings)) else 0
            elif goal[s] > units[s] and buy[s]:
                wanted[s] = order_to_buy(min(goal[s] - units[s], most[s]), s)
        money = self.cash
        for s, count in sales.items():
            amount = fen(count, price[s]) if count else 0.0
            money = fen(money + amount - fen(self.fee(amount)))

        def paid(orders: dict[str, float]) -> float:
            amounts = [fen(count, price[s]) for s, count in orders.items() if count]
            return fen(math.fsum(a + fen(self.fee(a)) for a in amounts))

        full = math.fsum(count * price[s] for s, count in wanted.items() if count) * (1 + self.rate)
        orders = wanted
        each = 0.02 + self.config.minimum_commission
        for reserve in (0.0, each * sum(1 for count in wanted.values() if count)):
            if paid(orders) > money:
                cut = max((money - reserve) / full, 0.0)
                orders = {s: order_to_buy(count * cut, s) for s, count in wanted.items()}
        wanted = orders
        self.cash = fen(money - paid(wanted))
        after = {s: float(units[s] - sales[s] + wanted[s]) for s in goal}
        self.traded = math.fsum(abs(after[s] - units[s]) * price[s] for s in goal) / equity
        self.units = {s: count for s, count in after.items() if count > 0}
