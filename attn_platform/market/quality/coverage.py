"""What is there: rows by session and table, the share suspended, and how much of each column has a value."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform.market.contract import TABLES
from attn_platform.market.dense import DENSE_TABLES
from attn_platform.market.quality.presence import row_counts
from attn_platform.market.quality.stretch import KEYS, Stretch

ROWS, SUSPENDED, FILLED = "rows of ", "suspended", "filled "
"""Columns of the coverage: `rows of <table>`, the share `suspended`, `filled <table>.<column>` as a share of rows."""


def coverage(stretch: Stretch) -> pd.DataFrame:
    """The stretch's own sessions (index) by figure; shares are of the table's rows, NaN where it has none."""
    counts = row_counts(stretch)
    frame = counts[counts["fresh"]].pivot(index="session", columns="of", values="rows")
    frame.columns = [f"{ROWS}{name}" for name in frame.columns]
    new = slice(stretch.lead, None)
    bars = np.where(stretch.present.any(axis=1), stretch.present.sum(axis=1), np.nan)
    frame[SUSPENDED] = ((stretch["is_suspended"] == 1).sum(axis=1) / bars)[new]
    for table in DENSE_TABLES:
        if f"{ROWS}{table}" not in frame:
            continue
        rows = frame[f"{ROWS}{table}"].to_numpy(dtype=float)
        for column in TABLES[table].columns:
            if column.name not in KEYS and column.nullable and stretch.has(column.name):
                values = (~np.isnan(stretch[column.name])).sum(axis=1)[new]
                frame[f"{FILLED}{table}.{column.name}"] = values / np.where(rows > 0, rows, np.nan)
    return frame
