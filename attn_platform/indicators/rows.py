"""Rows of one session of an intraday table, stock after stock: the arrays that an indicator's function reads.

Rows of a stock stand together, in the order of their time. `offsets` [S + 1] says where each stock's begin, so a sum
over the rows of each stock is one pass over the array, and needs no loop over stocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from attn_platform.errors import MissingDataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class StockRows:
    """`columns[name]` is [R]; the rows of stock s go from `offsets[s]` to `offsets[s + 1]`, which may be none."""

    table: str
    offsets: npt.NDArray[np.int64]
    columns: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self.columns[name]
        except KeyError:
            raise MissingDataError(
                f"{self.table}.{name} is not there; an indicator lists all that it reads among its inputs"
            ) from None

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Rows of each stock [S]."""
        return np.diff(self.offsets)

    @cached_property
    def stock(self) -> npt.NDArray[np.int64]:
        """Number of the stock of each row [R]."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def sum(self, values: np.ndarray, where: BoolArray | None = None) -> FloatArray:
        """Sum over the rows of each stock [S], of those in `where` only; NaN for a stock without such rows."""
        kept = values if where is None else np.where(where, values, 0.0)
        count = self.counts if where is None else self.count(where)
        return np.where(count > 0, self._reduced(np.asarray(kept, dtype=np.float64)), np.nan)

    def count(self, where: BoolArray) -> npt.NDArray[np.int64]:
        """Rows of each stock that are in `where` [S]."""
        return self._reduced(where.astype(np.int64))

    def mean(self, values: np.ndarray, where: BoolArray | None = None) -> FloatArray:
        """Mean over the rows of each stock [S], of those in `where` only; NaN for a stock without such rows."""
        count = self.counts if where is None else self.count(where)
        return self.sum(values, where) / np.maximum(count, 1)

    def first(self, values: np.ndarray, where: BoolArray) -> FloatArray:
        """The first value of each stock in `where` [S]; NaN for a stock without one."""
        last = len(values)
        at = self._reduced(np.where(where, np.arange(last), last), np.minimum, last)
        return np.where(at < last, np.append(values, np.nan)[at], np.nan)

    def last(self, values: np.ndarray, where: BoolArray) -> FloatArray:
        """The last value of each stock in `where` [S]; NaN for a stock without one."""
        at = self._reduced(np.where(where, np.arange(len(values)), -1), np.maximum, -1)
        return np.where(at >= 0, np.append(values, np.nan)[at], np.nan)

    def of_stocks(self, first: int, last: int) -> Self:
        """The rows of the stocks from `first` up to but without `last`, as views."""
        rows = slice(int(self.offsets[first]), int(self.offsets[last]))
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, offsets=self.offsets[first : last + 1] - self.offsets[first], columns=columns)

    def _reduced(self, values: np.ndarray, way: np.ufunc = np.add, nothing: int = 0) -> np.ndarray:
        """Rows of each stock brought together [S], `nothing` where there are none."""
        filled = self.counts > 0
        out = np.full(len(self.counts), nothing, dtype=values.dtype)
        if filled.any():
            out[filled] = way.reduceat(values, self.offsets[:-1][filled])
        return out
