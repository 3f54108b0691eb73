"""The state of a portfolio after the close of a session, and what happens to it without a trade of its own.

Two kinds of units. Fractional: adjusted shares, value = units × adjusted price, so dividends and splits are in the
price and units change by trading only. Whole shares: raw shares at raw prices and cash in whole fen; dividends and new
shares are credited (`entitlements`). An account holds only what is held or ordered (symbols sorted), so it is small,
it survives any change of the market's columns, and sums over it do not depend on which other stocks were loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.quotes import Closes
from attn_platform.errors import SimulationError
from attn_platform.market.calendar import as_day


@dataclass(frozen=True)
class Account:
    """Cash (CNY) and the holdings after the close of `session`, arrays [n] in the order of `symbols`.

    `prices` are those of a unit at the last mark. `goals` are the units to hold once the open orders are filled, equal
    to `units` for a stock without an order; None without any order. `factors` are the adjustment factors up to which
    an account of whole shares was credited; None in one of fractional shares, and before the first purchase.
    """

    session: np.datetime64
    cash: float
    symbols: np.ndarray
    units: np.ndarray
    prices: np.ndarray
    goals: np.ndarray | None = None
    factors: np.ndarray | None = None

    @property
    def equity(self) -> float:
        """Cash and holdings at the last mark."""
        return self.cash + float((self.units * self.prices).sum())

    @property
    def has_orders(self) -> bool:
        """Whether an order waits for the next session."""
        return self.goals is not None

    def weights(self) -> pd.Series:
        """Drifted weights by symbol: values at the last mark over equity; one minus their sum is the cash."""
        held = self.units > 0
        return pd.Series(
            self.units[held] * self.prices[held] / self.equity,
            index=pd.Index(self.symbols[held], name="symbol"),
            name="weight",
        )

    def keep(self, chosen: np.ndarray) -> Account:
        """The account with some of its stocks only; cash as it is."""
        return replace(
            self,
            symbols=self.symbols[chosen],
            units=self.units[chosen],
            prices=self.prices[chosen],
            goals=None if self.goals is None else self.goals[chosen],
            factors=None if self.factors is None else self.factors[chosen],
        )

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable record; `from_record` gives back the same account, bit for bit."""
        record = {
            "session": str(self.session),
            "cash": self.cash,
            "symbols": self.symbols.tolist(),
            "units": self.units.tolist(),
            "prices": self.prices.tolist(),
        }
        optional = {"goals": self.goals, "factors": self.factors}
        return record | {name: values.tolist() for name, values in optional.items() if values is not None}

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
                goals=_optional(record, "goals"),
                factors=_optional(record, "factors"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SimulationError(
                f"not the record of an account ({error!r}); rebuild it from the first rebalance"
            ) from error
        columns = (account.units, account.prices, account.goals, account.factors)
        if any(values is not None and len(values) != len(account.symbols) for values in columns):
            raise SimulationError("the record of an account has columns of different lengths; rebuild it")
        return account


def under_new_codes(account: Account, codes: np.ndarray) -> Account:
    """The account with its stocks under `codes` [n], those that their companies have on the session.

    A unit stays a unit: the factor of a new code goes on from that of the former one.
    """
    largest_first = np.argsort(-account.units, kind="stable")
    symbols, first, place = np.unique(codes[largest_first], return_index=True, return_inverse=True)
    kept = account.keep(largest_first)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, len(symbols))

    return replace(
        kept.keep(first),
        symbols=symbols,
        units=total(kept.units),
        goals=None if kept.goals is None else total(kept.goals),
    )


@dataclass(frozen=True)
class Delisting:
    """A holding that was delisted and paid for."""

    symbol: str
    weight: float  # over the equity before the sale
    price: float  # received for a unit, before costs
    cost: float  # over the equity before the sale
    units: float
    amount: float  # CNY received, before costs
    fee: float  # CNY


def open_account(session: str | np.datetime64, capital: float) -> Account:
    """An account with nothing but cash."""
    empty = np.array([], dtype=np.float64)
    return Account(as_day(session), float(capital), np.array([], dtype=str), empty, empty)


def mark(account: Account, session: np.datetime64, closes: Closes) -> Account:
    """The account valued at the close of a session; `closes` are those of its stocks.

    A stock without a row is suspended: it keeps its last price.
    """
    missing = closes.has_row & np.isnan(closes.close)
    if missing.any():
        raise SimulationError(f"{account.symbols[missing][0]} is held and has no close on {session}: check daily_bar")
    return replace(account, session=session, prices=np.where(closes.has_row, closes.close, account.prices))


def sell_delisted(
    account: Account, closes: Closes, recovery: float, rates: CostRates
) -> tuple[Account, list[Delisting]]:
    """Sell what is delisted at `recovery` × its last price, less the flat cost of selling; its orders are void."""
    gone = closes.is_delisted
    if not gone.any():
        return account, []
    equity = account.equity or 1.0  # shares of nothing are 0
    last, units = account.prices[gone], account.units[gone]
    prices = last * recovery
    proceeds = units * prices
    fees = proceeds * rates.sell
    if account.factors is None:
        cash = account.cash + float(proceeds.sum()) * (1.0 - rates.sell)
    else:
        proceeds = to_fen(proceeds)
        fees = to_fen(proceeds * rates.sell)
        cash = to_fen(account.cash + float(proceeds.sum()) - float(fees.sum()))
    columns = (units * last / equity, prices, fees / equity, units, proceeds, fees)
    events = [
        Delisting(str(symbol), *(float(value) for value in values))
        for symbol, *values in zip(account.symbols[gone], *columns, strict=True)
        if values[3] > 0
    ]
    return replace(account.keep(~gone), cash=cash), events


def _optional(record: Mapping[str, Any], name: str) -> np.ndarray | None:
    return np.array(record[name], dtype=np.float64) if name in record else None
