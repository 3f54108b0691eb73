"""Trades in whole raw shares and whole fen: the lots of each board, and purchases that the cash can pay for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.fen import to_fen
from attn_platform.market.lots import buy_shares, sell_shares
from attn_platform.market.trading_rules import FEN_PER_CNY

# Shares. What is a whole number but for float arithmetic is one: a cap of 1,234 shares does not buy 1,233.
NOISE = 1e-6
# Fen a purchase that the last cut leaves: its amount and its cost may each be rounded up by half of one, its shares by
# `NOISE`.
RESERVE = 2


@dataclass(frozen=True)
class Settlement:
    """Money of trades [n], CNY in whole fen: what was paid (negative: received) before costs, and the costs."""

    amount: np.ndarray
    fee: np.ndarray

    @property
    def spent(self) -> float:
        """What the cash goes down by."""
        return to_fen(float(self.amount.sum() + self.fee.sum()))


def without_noise(shares: np.ndarray) -> np.ndarray:
    """Numbers of shares [n], those next to a whole one rounded to it."""
    nearest = np.rint(shares)
    with np.errstate(invalid="ignore"):  # infinitely many are no whole number
        return np.where(abs(shares - nearest) <= NOISE, nearest, shares)


def in_lots(change: np.ndarray, units: np.ndarray, most: np.ndarray, boards: np.ndarray) -> np.ndarray:
    """Shares to trade [n] (negative: to sell) nearest to `change`, as valid orders of at most `most` shares each.

    `units` [n] are held before. Purchases are rounded down and sales to the nearest valid one.
    """
    most = without_noise(most)
    wanted = np.clip(without_noise(change), -most, most)
    bought = buy_shares(wanted, boards)
    sold = sell_shares(-wanted, units, boards, sellable=most)
    return np.where(change > 0, bought, -sold).astype(np.float64)


def settle(traded: np.ndarray, prices: np.ndarray, rates: CostRates) -> Settlement:
    """Money of `traded` shares [n] at `prices` [n], each trade's amount and cost rounded half up to the fen."""
    amount = np.zeros(len(traded))
    done = traded != 0
    amount[done] = np.sign(traded[done]) * to_fen(abs(traded[done]) * prices[done])
    return Settlement(amount, to_fen(rates.order_costs(amount)))


def worthwhile(traded: np.ndarray, prices: np.ndarray, rates: CostRates) -> np.ndarray:
    """`traded` [n] without the sales that would cost as much as they bring, which a minimum commission can do."""
    money = settle(traded, prices, rates)
    return np.where((traded < 0) & (money.fee >= -money.amount), 0.0, traded)


def within_cash(
    traded: np.ndarray, prices: np.ndarray, units: np.ndarray, boards: np.ndarray, cash: float, rates: CostRates
) -> np.ndarray:
    """`traded` [n] with all purchases cut by one factor, in lots, so that the cash never falls below nothing."""
    wanted, is_buy = traded, traded > 0
    sales = np.where(is_buy, 0.0, traded)
    needed = float((traded[is_buy] * prices[is_buy]).sum()) * (1.0 + rates.buy)
    money = cash - settle(sales, prices, rates).spent
    reserve = (RESERVE / FEN_PER_CNY + rates.minimum) * int(is_buy.sum())
    cuts = (max((money - kept) / needed, 0.0) for kept in (0.0, reserve))
    while settle(traded, prices, rates).spent > cash:
        bought = in_lots(np.where(is_buy, wanted * next(cuts), 0.0), units, np.full(len(traded), np.inf), boards)
        traded = sales + bought
    return traded
