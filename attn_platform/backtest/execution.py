"""One session's trades: from target weights, or from open orders, to the account after them.

Every stock is traded at most once in a session, at one price, so nothing that is bought is sold on the same day (T+1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account
from attn_platform.backtest.allocation import affordable, allocate
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.quotes import Quotes
from attn_platform.backtest.tradability import RESTRICTION_NAMES, Restriction, can_buy, can_sell
from attn_platform.backtest.whole_shares import in_lots, settle, within_cash, worthwhile
from attn_platform.errors import SimulationError
from attn_platform.market.tolerance import VALUE_ROUNDING
from attn_platform.market.trading_rules import board_of

# Target weights are solutions of a linear program, exact to this; less than this of the equity is no wish to trade.
WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Fills:
    """What one session's trading did, arrays [n] over held, ordered and targeted stocks; money in CNY."""

    symbols: np.ndarray
    target: np.ndarray  # target weight; of an open order, its goal at the execution price over the equity
    held: np.ndarray  # value before trading
    values: np.ndarray  # value after trading
    traded: np.ndarray  # units, negative: sold
    prices: np.ndarray  # of a unit
    amount: np.ndarray  # bought or sold for, before costs
    cost: np.ndarray
    unfilled: np.ndarray  # value that was wanted and kept from being traded, negative: not sold
    restriction: np.ndarray
    is_blocked: np.ndarray
    equity: float  # before trading
    equity_after: float

    @property
    def turnover(self) -> float:
        """Two-sided: traded value, bought and sold, over the equity before trading."""
        return float(abs(self.values - self.held).sum()) / self.equity

    @property
    def cost_share(self) -> float:
        """Costs over the equity before trading."""
        return float(self.cost.sum()) / self.equity

    def columns(self) -> dict[str, np.ndarray]:
        """The trades, and the wishes that a restriction or the cap kept from being traded; one row a stock.

        symbol, held_weight (before trading), target_weight, weight (after trading and costs), traded_weight (signed,
        over the equity before trading), cost (same), unfilled_weight (same), restriction, is_blocked, units (traded,
        signed), price (CNY a unit), amount and fee (CNY).
        """
        rows = (self.values != self.held) | self.is_blocked | (self.restriction == Restriction.VOLUME_CAP)
        change = self.values - self.held
        columns = {
            "symbol": self.symbols,
            "held_weight": self.held / self.equity,
            "target_weight": self.target,
            "weight": self.values / self.equity_after,
            "traded_weight": change / self.equity,
            "cost": self.cost / self.equity,
            "unfilled_weight": self.unfilled / self.equity,
            "restriction": RESTRICTION_NAMES[self.restriction],
            "is_blocked": self.is_blocked,
            "units": self.traded,
            "price": self.prices,
            "amount": self.amount,
            "fee": self.cost,
        }
        return {name: values[rows] for name, values in columns.items()}


@dataclass(frozen=True)
class _Book:
    """The account beside the session's quotes, arrays [n] in the quotes' order."""

    symbols: np.ndarray
    units: np.ndarray
    goals: np.ndarray
    factors: np.ndarray
    prices: np.ndarray  # execution price of a unit; the last one where it does not trade
    held: np.ndarray  # value
    most: np.ndarray  # units that the volume lets one trade
    cash: float
    equity: float
    buyable: np.ndarray
    sellable: np.ndarray
    is_leaving: np.ndarray
    has_price: np.ndarray  # and is listed: can be ordered

    def interval(self, most: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest value after trading that restrictions leave where at most `most` units can be traded."""
        reach = most * self.prices
        lower = np.where(self.sellable, np.maximum(self.held - reach, 0.0), self.held)
        upper = np.where(self.buyable, self.held + reach, self.held)
        return lower, np.where(self.is_leaving, lower, upper)


@dataclass(frozen=True)
class _Plan:
    """What is wanted in a session, arrays [n]."""

    weights: np.ndarray
    wish: np.ndarray  # value that is wanted
    reachable: np.ndarray  # of it, the value that restrictions and the cap leave
    goals: np.ndarray  # units that the trades of this session, or of this and the next ones, aim at


@dataclass(frozen=True)
class _Trades:
    """What was done in a session, arrays [n]."""

    reached: np.ndarray  # value after trading
    units: np.ndarray
    goals: np.ndarray
    amount: np.ndarray
    cost: np.ndarray
    cash: float


def execute(
    account: Account, target: pd.Series | None, quotes: Quotes, rates: CostRates, config: BacktestConfig
) -> tuple[Account, Fills]:
    """Trade towards target weights (by symbol, Σ ≤ 1) at the execution prices of a session.

    `quotes` cover what is held, ordered and targeted, sorted by symbol. A target replaces all open orders; with None
    they go on. Holdings in the delisting-consolidation period are sold unless `buy_delisting`. Stocks that cannot trade
    keep their units and are valued at their last price; one that has none, since it is neither held nor has a row, is
    not ordered.
    """
    book = _open_book(account, quotes, config)
    plan = _orders(book) if target is None else _towards(book, _aligned(target, book.symbols), rates, config)
    trades = _trade_whole_shares(book, plan, rates) if config.whole_shares else _trade_fractions(book, plan, rates)
    goals = trades.goals if config.unfilled == "carry" else trades.units
    is_ordered = goals != trades.units
    keep = (trades.units > 0) | is_ordered
    after = replace(
        account,
        cash=trades.cash,
        symbols=book.symbols[keep],
        units=trades.units[keep],
        prices=book.prices[keep],
        goals=goals[keep] if is_ordered.any() else None,
        factors=book.factors[keep] if config.whole_shares else None,
    )
    return after, _fills(book, plan, trades, quotes.restriction)


def _open_book(account: Account, quotes: Quotes, config: BacktestConfig) -> _Book:
    if len(account.symbols) and (account.factors is not None) != config.whole_shares:
        raise SimulationError(
            f"the account of {account.session} and the backtest's whole_shares = {config.whole_shares} do not fit; "
            "an account changes its kind of shares by being rebuilt from the first rebalance only"
        )
    count = len(quotes.symbols)
    places = np.searchsorted(quotes.symbols, account.symbols)
    units, last, factors = np.zeros(count), np.full(count, np.nan), quotes.adj_factor.copy()
    units[places], last[places] = account.units, account.prices
    goals = units.copy()
    if account.goals is not None:
        goals[places] = account.goals
    if account.factors is not None:
        factors[places] = account.factors

    untraded = np.isin(quotes.restriction, (Restriction.SUSPENDED, Restriction.NO_ROW, Restriction.DELISTED))
    prices = np.where(untraded, np.where(np.isnan(last), quotes.close, last), quotes.execution)
    held = np.where(units > 0, units * prices, 0.0)
    if config.volume_cap is None:
        most = np.full(count, np.inf)
    else:
        most = np.where(untraded | np.isnan(quotes.volume), 0.0, config.volume_cap * quotes.volume)
    return _Book(
        symbols=quotes.symbols,
        units=units,
        goals=goals,
        factors=factors,
        prices=prices,
        held=held,
        most=most,
        cash=account.cash,
        equity=account.cash + float(held.sum()),
        buyable=can_buy(quotes.restriction) & ~quotes.is_leaving,
        sellable=can_sell(quotes.restriction),
        is_leaving=quotes.is_leaving,
        has_price=~np.isnan(prices) & (quotes.restriction != Restriction.DELISTED),
    )


def _orders(book: _Book) -> _Plan:
    """The open orders go on; nothing else is traded but what has to be sold."""
    goals = np.where(book.is_leaving, 0.0, book.goals)
    wish = np.where(goals == book.units, book.held, goals * book.prices)
    return _Plan(wish / book.equity, wish, np.clip(wish, *book.interval(book.most)), goals)


def _towards(book: _Book, weights: np.ndarray, rates: CostRates, config: BacktestConfig) -> _Plan:
    """A new target: what can be had of it at once, or what is to be reached in this session and the next ones."""
    if config.unfilled == "drop":
        values, scale = allocate(book.held, weights, *book.interval(np.inf), book.equity, rates)
        wish = scale * weights
    else:
        end = np.where(book.is_leaving | ~book.has_price, 0.0, np.inf)
        wish, _ = allocate(book.held, weights, np.zeros_like(end), end, book.equity, rates)
        values = wish
    reachable = np.clip(values, *book.interval(book.most))
    aim = reachable if config.unfilled == "drop" else wish
    goals = np.where(aim == book.held, book.units, aim / book.prices)
    if config.whole_shares and config.unfilled == "carry":
        anything = np.full(len(goals), np.inf)
        goals = book.units + in_lots(goals - book.units, book.units, anything, board_of(book.symbols))
    return _Plan(weights, wish, reachable, goals)


def _trade_fractions(book: _Book, plan: _Plan, rates: CostRates) -> _Trades:
    values = _without_noise(book, plan.reachable)
    change = values - book.held
    is_vain = (change < 0) & (rates.order_costs(change) >= -change)
    values = affordable(book.held, np.where(is_vain, book.held, values), book.cash, rates)
    values = _without_noise(book, values)
    cost = rates.order_costs(values - book.held)
    # Rounding alone can leave the cash a few units in the last place below nothing.
    cash = max(book.equity - float(values.sum()) - float(cost.sum()), 0.0)
    units = np.where(values == book.held, book.units, values / book.prices)
    is_short = abs(plan.wish - values) > WEIGHT_TOLERANCE * book.equity
    return _Trades(values, units, np.where(is_short, plan.goals, units), abs(values - book.held), cost, cash)


def _without_noise(book: _Book, values: np.ndarray) -> np.ndarray:
    """`values` [n] less what rounding alone would trade, or would leave of a sale."""
    noise, change = VALUE_ROUNDING * book.equity, values - book.held
    values = np.where((change < 0) & (values <= noise), 0.0, values)
    return np.where((abs(change) <= noise) & (values > 0), book.held, values)


def _trade_whole_shares(book: _Book, plan: _Plan, rates: CostRates) -> _Trades:
    boards = board_of(book.symbols)
    wanted = plan.goals - book.units
    wanted = np.where(np.where(wanted > 0, book.buyable, book.sellable), wanted, 0.0)
    traded = worthwhile(in_lots(wanted, book.units, book.most, boards), book.prices, rates)
    traded = within_cash(traded, book.prices, book.units, boards, book.cash, rates)
    money = settle(traded, book.prices, rates)
    values = np.where(traded != 0, book.held + traded * book.prices, book.held)
    cash = to_fen(book.cash - money.spent)
    return _Trades(values, book.units + traded, plan.goals, abs(money.amount), money.fee, cash)


def _fills(book: _Book, plan: _Plan, trades: _Trades, restriction: np.ndarray) -> Fills:
    wanted = plan.weights - book.held / book.equity
    is_blocked = ((wanted > WEIGHT_TOLERANCE) & ~book.buyable) | ((wanted < -WEIGHT_TOLERANCE) & ~book.sellable)
    unfilled = plan.wish - plan.reachable
    unfilled = np.where(abs(unfilled) > WEIGHT_TOLERANCE * book.equity, unfilled, 0.0)
    is_capped = ((unfilled > 0) & book.buyable) | ((unfilled < 0) & book.sellable)
    is_free = restriction == Restriction.NONE
    reasons = np.where(is_free & book.is_leaving, Restriction.DELISTING_PERIOD, restriction)
    return Fills(
        symbols=book.symbols,
        target=plan.weights,
        held=book.held,
        values=trades.reached,
        traded=trades.units - book.units,
        prices=book.prices,
        amount=trades.amount,
        cost=trades.cost,
        unfilled=unfilled,
        restriction=np.where(is_capped, Restriction.VOLUME_CAP, reasons),
        is_blocked=is_blocked,
        equity=book.equity,
        equity_after=trades.cash + float(trades.reached.sum()),
    )


def _aligned(target: pd.Series, symbols: np.ndarray) -> np.ndarray:
    """Target weights [n] in the order of `symbols`, without rounding dust below 0; SimulationError if no portfolio."""
    names, given = target.index.to_numpy(dtype=str), target.to_numpy(dtype=np.float64)
    places = np.searchsorted(symbols, names)
    if len(np.unique(places)) < len(places):
        raise SimulationError(f"target weights name {target.index[target.index.duplicated()][0]} twice")
    total = float(given.sum())
    if not np.isfinite(given).all() or total > 1.0 + WEIGHT_TOLERANCE or (given < -WEIGHT_TOLERANCE).any():
        raise SimulationError(
            "target weights must be finite, at least 0 and sum to at most 1: "
            f"their sum is {total:.8f}, the least {given.min():.8f}"
        )
    weights = np.zeros(len(symbols))
    weights[places] = np.maximum(given, 0.0)
    return weights
