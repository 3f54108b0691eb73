"""Long and short leg of a factor as portfolios that trade (Haitong weekly 2024-09-02).

The signal is known at a close, trades go through at the next session's average price, without costs: the tenth of the
stocks with the highest signal, that with the lowest, and all that have one, each equally weighted at a rebalance and
left alone until the next. Long-short is the plain difference of the daily returns of the legs, unlike the half of it
in AI-69 and AI-55.

What cannot be traded (our reading of "limit-up not bought, limit-down not sold"): at a rebalance a stock that should
grow and cannot be bought, or should shrink and cannot be sold, stays as it is. What is missing for the others' full
weights then, all of them do without alike; money of a place that could not be bought is cash until the next rebalance.
All three portfolios follow this rule, so that the short leg is what its stocks return, no matter whether they can be
borrowed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.layers import layers_of

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer]


@dataclass(frozen=True)
class TradedMarket:
    """Adjusted prices of S sessions and N stocks, and what could be traded.

    sessions            [S] datetime64[D]
    close               [S, N] carried on while a stock has none; NaN before its first
    price               [S, N] of the trades, NaN where there was none: then its close counts
    can_buy, can_sell   [S, N]
    """

    sessions: NDArray[np.datetime64]
    close: FloatArray
    price: FloatArray
    can_buy: BoolArray
    can_sell: BoolArray


@dataclass(frozen=True)
class LegReturns:
    """Daily returns [S] of the long leg, the short leg and all stocks; NaN before the first trade."""

    long: FloatArray
    short: FloatArray
    everything: FloatArray

    @property
    def long_excess(self) -> FloatArray:
        """What the long leg earns beyond all stocks."""
        return self.long - self.everything

    @property
    def short_excess(self) -> FloatArray:
        """What being short earns beyond all stocks: theirs less the short leg's."""
        return self.everything - self.short

    @property
    def long_short(self) -> FloatArray:
        """Long leg less short leg: the sum of both excess returns."""
        return self.long - self.short


def leg_returns(signal: FloatArray, trades: IntArray, market: TradedMarket, layers: int) -> LegReturns:
    """Returns of the legs of `signal` [R, N], row by row traded in the ascending sessions `trades` [R].

    A leg is one of so many `layers` (stocks with equal signals at its border have a share in it). A rebalance with
    fewer stocks than layers, or whose signals are all equal, changes nothing.
    """
    formed = layers_of(signal, layers)
    weights = (formed.shares(0), formed.shares(layers - 1), formed.has_layer.astype(np.float64))
    usable = formed.has_layer.any(axis=1)
    return LegReturns(
        *(
            portfolio_returns(each[usable] / each[usable].sum(axis=1, keepdims=True), trades[usable], market)
            for each in weights
        )
    )


def portfolio_returns(weights: FloatArray, trades: IntArray, market: TradedMarket) -> FloatArray:
    """Daily returns [S], close to close, of a portfolio that trades towards `weights` [R, N] in sessions `trades` [R].

    Rows of `weights` sum to 1, `trades` ascend. The first return is that from the price of the first trades to the
    close; NaN before it.
    """
    returns = np.full(len(market.sessions), np.nan)
    units, cash, before = np.zeros(market.close.shape[1]), 1.0, 1.0
    ends = [*trades[1:], len(returns)][: len(trades)]
    for target, begin, end in zip(weights, trades, ends, strict=True):
        price = np.where(np.isfinite(market.price[begin]), market.price[begin], market.close[begin])
        held = np.where(units > 0, units * price, 0.0)
        money = cash + held.sum()
        value = _rebalanced(held, target * money, market.can_buy[begin], market.can_sell[begin])
        units = np.divide(value, price, out=np.zeros_like(value), where=value > 0)
        cash = money - value.sum()
        own = np.flatnonzero(units)
        worth = cash + market.close[begin:end, own] @ units[own]
        returns[begin:end] = worth / np.concatenate([[before], worth[:-1]]) - 1.0
        before = worth[-1]
    return returns


def _rebalanced(held: FloatArray, wanted: FloatArray, can_buy: BoolArray, can_sell: BoolArray) -> FloatArray:
    """Values [N] after a rebalance from those `held` towards those `wanted`, which sum to the same money or more."""
    stays = ((wanted > held) & ~can_buy) | ((wanted < held) & ~can_sell)
    while True:
        asked = wanted[~stays].sum()
        left = wanted.sum() - held[stays].sum()
        scaled = wanted * (min(1.0, left / asked) if asked > 0 else 0.0)
        # Stocks that only the smaller share would sell
        late = ~stays & (scaled < held) & ~can_sell
        if not late.any():
            return np.where(stays, held, scaled)
        stays |= late
