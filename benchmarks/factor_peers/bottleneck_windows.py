"""bottleneck: moving windows in C, along each stock's history; what it lacks is built from its means and numpy."""

import bottleneck as bn
import numpy as np

from factor_peers.stock_major import DECAY, StockMajorPeer


class BottleneckWindows:
    """bottleneck's functions on the last axis."""

    def mean(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """`move_mean`."""
        return bn.move_mean(x, n, least)

    def std(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """`move_std`."""
        return bn.move_std(x, n, least, ddof=1)

    def corr(self, x: np.ndarray, y: np.ndarray, n: int, least: int) -> np.ndarray:
        """(mean(x y) − mean(x) mean(y)) / std(x) / std(y) where both are observed; bottleneck has no correlation."""
        x, y = x + 0 * y, y + 0 * x
        covariance = bn.move_mean(x * y, n, least) - bn.move_mean(x, n, least) * bn.move_mean(y, n, least)
        with np.errstate(all="ignore"):
            return covariance / bn.move_std(x, n, least) / bn.move_std(y, n, least)

    def sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """`move_sum`."""
        return bn.move_sum(x, n, 1)

    def decayed_sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """A shifted array a session of the window; bottleneck has no exponential weights."""
        total = x.copy()
        for k in range(1, n):
            total[:, k:] += DECAY**k * x[:, :-k]
        return total

    def median(self, x: np.ndarray) -> np.ndarray:
        """`nanmedian`."""
        return bn.nanmedian(x, axis=1)


def peer() -> StockMajorPeer:
    """The peer that `measure` runs."""
    return StockMajorPeer(BottleneckWindows())
