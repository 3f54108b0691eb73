"""The state of a portfolio, and what can happen to it in a session: a delisting, a trade, a new price.

Holdings are in adjusted shares: value = units × adjusted price, so dividends and splits are in the price and units
change by trading only. An account holds only what is held (symbols sorted), so it is small, it survives any change of
the market's columns, and sums over it do not depend on which other stocks were loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.backtest.allocation import allocate
from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.quotes import Quotes
from attn_platform.backtest.tradability import Restriction, can_buy, can_sell
from attn_platform.errors import SimulationError
from attn_platform.market.calendar import as_day

# Target weights are solutions of a linear program, exact to this.
WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Account:
    """Cash (CNY) and the holdings after the close of `session`; `prices` are the adjusted prices of the last mark."""

    session: np.datetime64
    cash: float
    symbols: np.ndarray
    units: np.ndarray
    prices: np.ndarray

    @property
    def equity(self) -> float:
        """Cash and holdings at the last mark."""
        return self.cash + float((self.units * self.prices).sum())

    def weights(self) -> pd.Series:
        """Drifted weights by symbol: values at the last mark over equity; one minus their sum is the cash."""
        return pd.Series(
            self.units * self.prices / self.equity, index=pd.Index(self.symbols, name="symbol"), name="weight"
        )

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable record; `from_record` gives back the same account, bit for bit."""
        return {
            "session": str(self.session),
            "cash": self.cash,
            "symbols": self.symbols.tolist(),
            "units": self.units.tolist(),
            "prices": self.prices.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Account:
        """The account of a record; SimulationError if it is not one."""
        try:
            account = cls(
                session=as_day(record["session"]),
                cash=float(record["cash"]),
                symbols=np.array(record["symbols"], dtype=str),
                units=np.array(record["units"], dtype=np.float64),
                prices=np.array(record["prices"], dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SimulationError(
                f"not the record of an account ({error!r}); rebuild it from the first rebalance"
            ) from error
        if not len(account.symbols) == len(account.units) == len(account.prices):
            raise SimulationError("the record of an account has columns of different lengths; rebuild it")
        return account


@dataclass(frozen=True)
class Fills:
    """What one rebalance did, arrays [n] over held and targeted stocks; money in CNY at the execution price."""

    symbols: np.ndarray
    target: np.ndarray  # target weight
    held: np.ndarray  # value before trading
    values: np.ndarray  # value after trading
    cost: np.ndarray
    restriction: np.ndarray
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

    def frame(self) -> pd.DataFrame:
        """The trades, and the wishes that a restriction blocked.

        Columns: symbol, held_weight (before trading), target_weight, weight (after trading and costs), traded_weight
        (signed, over the equity before trading), cost (same), restriction, is_blocked.
        """
        wanted = self.target - self.held / self.equity
        blocked = ((wanted > WEIGHT_TOLERANCE) & ~can_buy(self.restriction)) | (
            (wanted < -WEIGHT_TOLERANCE) & ~can_sell(self.restriction)
        )
        frame = pd.DataFrame(
            {
                "symbol": self.symbols,
                "held_weight": self.held / self.equity,
                "target_weight": self.target,
                "weight": self.values / self.equity_after,
                "traded_weight": (self.values - self.held) / self.equity,
                "cost": self.cost / self.equity,
                "restriction": [Restriction(code).name.lower() for code in self.restriction],
                "is_blocked": blocked,
            }
        )
        return frame[(self.values != self.held) | blocked].reset_index(drop=True)


@dataclass(frozen=True)
class Delisting:
    """A holding that had no row any more and was sold."""

    symbol: str
    weight: float  # over the equity before the sale
    price: float  # adjusted price received, before costs
    cost: float  # over the equity before the sale


def open_account(session: str | np.datetime64, capital: float) -> Account:
    """An account with nothing but cash."""
    empty = np.array([], dtype=np.float64)
    return Account(as_day(session), float(capital), np.array([], dtype=str), empty, empty)


def mark(account: Account, session: np.datetime64, quotes: Quotes) -> Account:
    """The account valued at the close of a session; `quotes` are those of its holdings."""
    missing = np.isnan(quotes.close)
    if missing.any():
        raise SimulationError(f"{account.symbols[missing][0]} is held and has no close on {session}: check daily_bar")
    return replace(account, session=session, prices=quotes.close)


def sell_delisted(
    account: Account, quotes: Quotes, recovery: float, rates: CostRates
) -> tuple[Account, list[Delisting]]:
    """Sell what has no row any more at `recovery` × its last price, less the cost of selling."""
    gone = quotes.restriction == Restriction.NO_ROW
    if not gone.any():
        return account, []
    equity = account.equity
    prices = account.prices[gone] * recovery
    proceeds = account.units[gone] * prices
    events = [
        Delisting(str(symbol), float(units * last / equity), float(price), float(value * rates.sell / equity))
        for symbol, units, last, price, value in zip(
            account.symbols[gone], account.units[gone], account.prices[gone], prices, proceeds, strict=True
        )
    ]
    kept = ~gone
    remaining = replace(
        account,
        cash=account.cash + float(proceeds.sum()) * (1.0 - rates.sell),
        symbols=account.symbols[kept],
        units=account.units[kept],
        prices=account.prices[kept],
    )
    return remaining, events


def execute(
    account: Account, target: pd.Series, quotes: Quotes, rates: CostRates, lot_size: int | None = None
) -> tuple[Account, Fills]:
    """Trade towards target weights (by symbol, Σ ≤ 1) at the execution prices of a session.

    `quotes` cover what is held and what is targeted, sorted by symbol. Stocks that cannot trade keep their units and
    are valued at their last price; the rest follows `allocate`. With lots, buys are rounded down and sells up to
    whole lots of raw shares (a sale never exceeds the holding, so odd lots are sold whole); what is left is cash.
    """
    weights = _checked_weights(target).reindex(quotes.symbols, fill_value=0.0).to_numpy()
    places = np.searchsorted(quotes.symbols, account.symbols)
    units = np.zeros(len(quotes.symbols))
    last = np.full(len(quotes.symbols), np.nan)
    units[places], last[places] = account.units, account.prices

    untraded = np.isin(quotes.restriction, (Restriction.SUSPENDED, Restriction.NO_ROW))
    prices = np.where(untraded, last, quotes.execution)
    held = np.where(units > 0, units * prices, 0.0)
    equity = account.cash + float(held.sum())
    values, _ = allocate(held, weights, can_buy(quotes.restriction), can_sell(quotes.restriction), equity, rates)
    if lot_size is not None:
        values = _in_lots(held, values, prices / quotes.adj_factor * lot_size)

    traded = values - held
    cost = np.where(traded > 0, rates.buy, rates.sell) * abs(traded)
    # Rounding alone can leave the cash a few units in the last place below nothing.
    cash = max(equity - float(values.sum()) - float(cost.sum()), 0.0)
    units = np.where(values == held, units, values / prices)
    fills = Fills(quotes.symbols, weights, held, values, cost, quotes.restriction, equity, cash + float(values.sum()))
    keep = units > 0
    return replace(account, cash=cash, symbols=quotes.symbols[keep], units=units[keep], prices=prices[keep]), fills


def _in_lots(held: np.ndarray, values: np.ndarray, lot_value: np.ndarray) -> np.ndarray:
    """Values after trading whole lots only: buys rounded down, so that the money suffices, and sells rounded up."""
    with np.errstate(invalid="ignore"):
        lots = np.floor((values - held) / lot_value)
    return np.where(values == held, held, np.maximum(held + lots * lot_value, 0.0))


def _checked_weights(target: pd.Series) -> pd.Series:
    """The target without rounding dust below 0; SimulationError if it is no portfolio."""
    weights = target.astype(np.float64)
    if not weights.index.is_unique:
        raise SimulationError(f"target weights name {weights.index[weights.index.duplicated()][0]} twice")
    total = float(weights.sum())
    if (
        not np.isfinite(weights.to_numpy()).all()
        or total > 1.0 + WEIGHT_TOLERANCE
        or (weights < -WEIGHT_TOLERANCE).any()
    ):
        raise SimulationError(
            "target weights must be finite, at least 0 and sum to at most 1: "
            f"their sum is {total:.8f}, the least {weights.min():.8f}"
        )
    return weights.clip(lower=0.0)
