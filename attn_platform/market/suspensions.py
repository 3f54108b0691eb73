"""Rows for suspended sessions.

Vendors often leave a suspended session out. The platform's contract has a row for it (`is_suspended`, close and
adj_factor carried from the last traded session, no other price, no volume), so that a day's file says everything that
was known on that day.
"""

from __future__ import annotations

import numpy as np


def last_traded_row(traded: np.ndarray) -> np.ndarray:
    """Row of each cell's newest traded session so far, counted from 1; 0 where there is none. `traded` is [T, N]."""
    row = np.where(traded, np.arange(1, len(traded) + 1)[:, None], 0)
    return np.maximum.accumulate(row, axis=0)


def suspended_cells(traded: np.ndarray, began: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Cells [T, N] without trading inside a stock's life.

    `traded` [T, N]; `began` [N] says the stock traded before the first row; `ended` [N] is the row of the last trade of
    a stock that is gone (T - 1 or more while it lives, less than 0 where it went before the first row).
    """
    rows = np.arange(len(traded))[:, None]
    alive = ((last_traded_row(traded) > 0) | began) & (rows <= ended)
    return alive & ~traded


def carry(values: np.ndarray, before: np.ndarray, row: np.ndarray) -> np.ndarray:
    """What `values` [T, N] held on the last traded session, missing values included.

    `row` [T, N] is `last_traded_row`; `before` [N] holds the values of the last traded session before the first row.
    """
    return np.take_along_axis(np.vstack([before[None], values]), row, axis=0)
