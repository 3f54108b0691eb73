"""Trades of one session: amounts, minutes, and who took the other's price.

The aggressor is the side whose order came later, as order numbers tell, or what the vendor's flag says, or what the
price did since the last one that differed (the tick rule). Trades of auctions have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from attn_platform.indicators import kernels
from attn_platform.indicators.config import Aggressor
from attn_platform.indicators.rows import FloatArray, StockRows
from attn_platform.market.intraday import CLOSING_CALL, MS_A_MINUTE, OPEN

BUY, SELL = 1, -1
FLAGS = {"buy": BUY, "sell": SELL}


@dataclass(frozen=True)
class TradeRows(StockRows):
    """Trades; `columns["side"]` holds `BUY`, `SELL` or 0 where the vendor gives no flag."""

    aggressor: Aggressor
    closing_call: npt.NDArray[np.int64]

    def of_stocks(self, first: int, last: int) -> Self:
        """The trades of some of the stocks."""
        return replace(super().of_stocks(first, last), closing_call=self.closing_call[first:last])

    @cached_property
    def amount(self) -> FloatArray:
        """CNY [R]."""
        return self["price"] * self["volume"]

    @cached_property
    def minute(self) -> npt.NDArray[np.int64]:
        """Minutes since midnight in which a trade lies [R]: 09:30:00 to 09:30:59.999 is 570."""
        return self["time"] // MS_A_MINUTE

    @cached_property
    def direction(self) -> npt.NDArray[np.int8]:
        """Who was the aggressor [R]: `BUY`, `SELL`, or 0 where nobody can tell and in auctions."""
        if self.aggressor == "given":
            told = self.by_flag if "side" in self.columns else np.zeros(int(self.offsets[-1]), dtype=np.int8)
            for way in ("by_order_number", "by_tick_rule"):
                if not told.all():  # a way that nobody needs is not worked out
                    told = np.where(told == 0, getattr(self, way), told)
            return self._in_continuous_trading(told)
        ways = {"flag": "by_flag", "order_number": "by_order_number", "tick_rule": "by_tick_rule"}
        return self._in_continuous_trading(getattr(self, ways[self.aggressor]))

    @cached_property
    def by_flag(self) -> npt.NDArray[np.int8]:
        """The vendor's flag."""
        return self["side"].astype(np.int8)

    @cached_property
    def by_order_number(self) -> npt.NDArray[np.int8]:
        """The later order took the earlier one's price; 0 where a number is missing (0) or both are equal."""
        buy, sell = self["buy_order"], self["sell_order"]
        return np.where((buy > 0) & (sell > 0), np.sign(buy - sell), 0).astype(np.int8)

    @cached_property
    def by_tick_rule(self) -> npt.NDArray[np.int8]:
        """A price above the last one that differed is a buyer's, one below a seller's; 0 until the price moves."""
        return np.asarray(kernels.tick_rule(self["price"], self.offsets))

    def _in_continuous_trading(self, direction: np.ndarray) -> npt.NDArray[np.int8]:
        inside = (self.minute >= OPEN) & (self.minute < self.closing_call[self.stock])
        return np.where(inside, direction, 0).astype(np.int8)


def agreement(trades: TradeRows) -> dict[str, float]:
    """Share of the amount in continuous trading on which two ways agree, where both tell; by pair of their names.

    A way that tells nothing (no flags, no order numbers) is in no pair.
    """
    ways = {"order_number": trades.by_order_number, "tick_rule": trades.by_tick_rule}
    if "side" in trades.columns:
        ways = {"flag": trades.by_flag, **ways}
    inside = (trades.minute >= OPEN) & (trades.minute < CLOSING_CALL)
    names = list(ways)
    found: dict[str, float] = {}
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            both = inside & (ways[one] != 0) & (ways[other] != 0)
            whole = float(trades.amount[both].sum())
            if whole > 0:
                same = both & (ways[one] == ways[other])
                found[f"{one} and {other}"] = float(trades.amount[same].sum()) / whole
    return found
