"""Bars of one session, and the series that indicators take from them.

Continuous trading only, where nothing else is said: a bar of the opening auction is left out, and so are bars that
begin in the closing auction. Of bars longer than a minute the last one holds the auction, too, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from attn_platform.indicators.rows import BoolArray, FloatArray, StockRows
from attn_platform.market.intraday import OPEN


@dataclass(frozen=True)
class BarRows(StockRows):
    """`closing_call` [S] is the minute in which each stock's closing auction begins, 15:00 where it has none."""

    bar_minutes: int
    closing_call: npt.NDArray[np.int64]

    def of_stocks(self, first: int, last: int) -> Self:
        """The bars of some of the stocks."""
        return replace(super().of_stocks(first, last), closing_call=self.closing_call[first:last])

    @property
    def end(self) -> npt.NDArray[np.int64]:
        """The minute since midnight in which a bar ends [R]."""
        return self["minute"]

    @cached_property
    def is_continuous(self) -> BoolArray:
        """Whether a bar is of continuous trading [R]."""
        return (self.end > OPEN) & (self.end - self.bar_minutes < self.closing_call[self.stock])

    @cached_property
    def gross_return(self) -> FloatArray:
        """1 + simple return of a bar of continuous trading [R]: on the close before, of the first bar on its open.

        NaN in other bars. Across missing bars it is the whole jump.
        """
        close, continuous = self["close"], self.is_continuous
        at = np.flatnonzero(continuous)
        stock = self.stock[at]
        before = np.empty(len(at))
        before[1:] = close[at[:-1]]
        opens = np.append(True, stock[1:] != stock[:-1])[: len(at)]
        before[opens] = self["open"][at[opens]]
        out = np.full(len(close), np.nan)
        out[at] = close[at] / before
        return out

    @cached_property
    def r(self) -> FloatArray:
        """Log return of a bar of continuous trading [R], NaN in other bars."""
        return np.log(self.gross_return)
