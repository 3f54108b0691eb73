"""Snapshots of one session's order book: what was offered at the end of each minute, and what it changed by.

A side without offers (a stock at its price limit) stands as 0 or null in the table, and as 0 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from attn_platform.indicators import kernels
from attn_platform.indicators.config import BookIncrease
from attn_platform.indicators.rows import BoolArray, FloatArray, StockRows
from attn_platform.market.intraday import MS_A_MINUTE


@dataclass(frozen=True)
class BookRows(StockRows):
    """Snapshots in the order of their time."""

    @cached_property
    def minute(self) -> npt.NDArray[np.int64]:
        """Minutes since midnight in which a snapshot lies [R]."""
        return self["time"] // MS_A_MINUTE

    def offered(self, side: str, levels: int) -> FloatArray:
        """What one side offers, price × volume over its best levels, CNY [R]."""
        names = range(1, levels + 1)
        return np.sum([self[f"{side}_price_{at}"] * self[f"{side}_volume_{at}"] for at in names], axis=0)

    def net_increase(self, first: int, count: int, way: BookIncrease, levels: int) -> FloatArray:
        """Increase of the bids less that of the asks in each minute from `first` on, CNY [S, count].

        `depth`: from the last snapshot of the minute before to the last one of the minute; NaN in a minute before which
        there is none yet. A minute without snapshots changed nothing.
        """
        if way == "order_flow_imbalance":
            best = (self[f"{side}_{what}_1"] for side in ("bid", "ask") for what in ("price", "volume"))
            return np.asarray(kernels.order_flow_imbalance(*best, self.minute, self.offsets, first, count))
        balance = self.offered("bid", levels) - self.offered("ask", levels)
        return np.diff(self._at_ends(balance, first, count), axis=1)

    def is_one_sided(self, first: int, count: int) -> BoolArray:
        """Whether one side of the book is empty at the end of a minute, or at that of the one before [S, count]."""
        empty = ((self["bid_volume_1"] <= 0) | (self["ask_volume_1"] <= 0)).astype(float)
        at_ends = self._at_ends(empty, first, count) == 1.0
        return at_ends[:, 1:] | at_ends[:, :-1]

    def _at_ends(self, values: np.ndarray, first: int, count: int) -> FloatArray:
        """Values of the last snapshot before `first`, and of the last one by the end of each minute [S, 1 + count]."""
        rows = kernels.last_rows(self.minute, self.offsets, first, count)
        return np.where(rows >= 0, np.append(values, np.nan)[rows], np.nan)
