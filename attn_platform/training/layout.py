"""Order of a panel's rows in which the last L sessions of a stock are one slice.

Time-series networks read the factors of sessions T − L + 1 … T (AI-69: L = 21). With the rows of a stock one after
another, such a window is a view, and no row is stored L times. Sessions on which the stock is in no cross-section are
rows of zeros, the mean of every factor; L − 1 of them before a stock's first row and in every longer gap are enough.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def stock_major_rows(session: IntArray, stock: IntArray, lead: int) -> tuple[IntArray, int]:
    """Place of each (session, stock) pair [R] among the rows, and how many rows P there are.

    `session` counts sessions, `stock` numbers stocks; pairs differ. Rows 0 … lead − 1 are zeros, so that a slice of
    `lead` rows that ends at any pair's place holds the stock's last `lead` sessions, and the first slice is all zeros.
    """
    order = np.lexsort((session, stock))
    of_session, of_stock = session[order], stock[order]
    gap = np.diff(of_session, prepend=0)
    begins = np.diff(of_stock, prepend=-1) != 0
    steps = np.where(begins, lead, np.minimum(gap, lead))
    places = np.empty(len(session), dtype=np.int64)
    places[order] = np.cumsum(steps)
    return places, int(steps.sum()) + 1 if len(session) else lead
