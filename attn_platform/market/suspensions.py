"""Rows for suspended sessions.

Vendors often leave a suspended session out. The platform's contract has a row for it (`is_suspended`, close and
adj_factor carried from the last traded session, no other price, no volume), so that a day's file says everything that
was known on that day.
"""

from __future__ import annotations

import numpy as np


def suspended_cells(traded: np.ndarray, began: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Cells [T, N] without trading inside a stock's life.

    `traded` [T, N]; `began` [N] says the stock traded before the first row; `ended` [N] is the row of the last trade of
    a stock that is gone (T or more while it lives).
    """
    rows = np.arange(len(traded))[:, None]
    alive = (np.maximum.accumulate(traded, axis=0) | began) & (rows <= ended)
    return alive & ~traded


def carry_forward(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """`values` [T, N] with NaN replaced by the last value above it in its column, `before` [N] above the first row."""
    stacked = np.vstack([before[None], values])
    row = np.where(np.isnan(stacked), 0, np.arange(len(stacked))[:, None])
    np.maximum.accumulate(row, axis=0, out=row)
    return np.take_along_axis(stacked, row, axis=0)[1:]
