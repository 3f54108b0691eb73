"""What sources that hold nothing but bars or trades share: daily bars that are their sums, and the list of stocks.

Nothing is known there of names, list dates, statuses, limits, shares and factors: what the contract lets be missing is
null, the status is `normal`, the factor 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from attn_platform.errors import ConfigurationError
from attn_platform.market import trading_rules
from attn_platform.market.contract import DAILY_BAR, SECURITY
from attn_platform.market.day_sums import PRICES, QUANTITIES
from attn_platform.market.schema import TEXT

KNOWN = ("date", "symbol", *PRICES, *QUANTITIES)


def summed_bars(of_day: pa.Table) -> pa.Table:
    """Rows of table daily_bar of traded stock-days (see `day_sums`), neither adjusted nor completed."""
    count = of_day.num_rows
    said: dict[str, pa.Array | pa.ChunkedArray] = {
        **{name: of_day[name] for name in KNOWN},
        "adj_factor": pa.array(np.ones(count)),
        "is_suspended": pa.array(np.zeros(count, dtype=bool)),
        "trading_status": pa.array(["normal"] * count, TEXT),
    }
    return pa.table(
        {field.name: said.get(field.name, pa.nulls(count, field.type)) for field in DAILY_BAR.schema},
        schema=DAILY_BAR.schema,
    )


def stocks_of(symbols: Iterable[str]) -> pa.Table:
    """Table security of the stocks that have rows: code and board, the rest is not known."""
    known = sorted(set(symbols))
    said = {"symbol": pa.array(known, TEXT), "board": pa.array(trading_rules.board_of(known).tolist(), TEXT)}
    return pa.table(
        {field.name: said.get(field.name, pa.nulls(len(known), field.type)) for field in SECURITY.schema},
        schema=SECURITY.schema,
    )


def require_whole_days(quarantine: bool, name: str) -> None:
    """`ConfigurationError` where rows are to be put aside of a vendor whose daily bars are sums of all of them."""
    if quarantine:
        raise ConfigurationError(
            f"--quarantine does not go with {name}: a day's bar is summed from all of its rows; correct the file"
        )
