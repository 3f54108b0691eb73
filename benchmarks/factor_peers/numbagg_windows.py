"""numbagg: moving windows compiled by numba, along each stock's history."""

import numbagg
import numpy as np

from factor_peers.stock_major import DECAY, StockMajorPeer


class NumbaggWindows:
    """numbagg's functions on the last axis."""

    def mean(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """`move_mean`."""
        return numbagg.move_mean(x, window=n, min_count=least)

    def std(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """`move_std`."""
        return numbagg.move_std(x, window=n, min_count=least)

    def corr(self, x: np.ndarray, y: np.ndarray, n: int, least: int) -> np.ndarray:
        """`move_corr`."""
        return numbagg.move_corr(x, y, window=n, min_count=least)

    def sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """`move_sum`."""
        return numbagg.move_sum(x, window=n, min_count=1)

    def decayed_sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """`move_exp_nansum` over all of the past less what lies before the window."""
        total = numbagg.move_exp_nansum(x, alpha=1 - DECAY)
        total[:, n:] -= DECAY**n * total[:, :-n].copy()
        return total

    def median(self, x: np.ndarray) -> np.ndarray:
        """`nanmedian`."""
        return numbagg.nanmedian(x, axis=1)


def peer() -> StockMajorPeer:
    """The peer that `measure` runs."""
    return StockMajorPeer(NumbaggWindows())
