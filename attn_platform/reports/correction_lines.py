"""Corrections as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attn_platform.market.corrections import LATE
from attn_platform.reports.formatting import count

COLUMNS_SHOWN = 6
CORRECTIONS_SHOWN = 10  # tables and sessions


def summary_lines(corrections: pd.DataFrame, shown: int) -> Iterator[str]:
    """What was changed of each table and session (`market.corrections.summary`), a line each, `shown` at most."""
    for row in corrections.head(shown).to_dict("records"):
        place = f"{row['table']} {row['session']}".strip()
        if row["change"] == LATE:
            yield f"{place}: came after later sessions"
            continue
        names = row["columns"].split(", ")
        more = f" and {len(names) - COLUMNS_SHOWN} more columns" if len(names) > COLUMNS_SHOWN else ""
        values = f"{count(row['values'], 'value')} of {count(row['rows'], 'row')}"
        yield f"{place}: {values} {row['change']} ({', '.join(names[:COLUMNS_SHOWN])}{more})"
    if len(corrections) > shown:
        yield f"… and {len(corrections) - shown} more tables and sessions"
