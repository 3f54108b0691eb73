"""Runs one side in this process, to warm up and for the clock: `python -m intraday_peers.measure SIDE FOLDER`.

Prints JSON with seconds and the peak of memory, and leaves what the side found in FOLDER/SIDE.parquet.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.indicators.catalogue import indicator_table, indicators_with
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.store import compute_indicators
from attn_platform.market.lake import Lake
from intraday_peers.generated_session import SESSION, symbols_of

EARLIER = np.arange(SESSION - 40, SESSION + 1)
SIZES = {"order_count": 900.0, "order_log_mean": 10.0, "order_log_variance": 1.0}
"""Of every stock on every session before: what large orders are measured by, on both sides."""


def platform(folder: Path, families: tuple[str, ...]) -> pd.DataFrame:
    """The platform's indicators of families, from the session's files to arrays."""
    known = indicators_with(())
    definitions = [each for family in families for each in known.family(family)]
    values, missing = compute_indicators(Lake(folder), known, definitions, SESSION, IndicatorConfig(), EARLIER)
    if missing:
        raise RuntimeError(missing)
    return pd.DataFrame(values).set_index("symbol")


def write_history(folder: Path, stocks: int) -> None:
    """Order sizes of twenty sessions before."""
    codes = symbols_of(stocks)
    for day in EARLIER[-21:-1]:
        columns = {"date": np.full(stocks, day), "symbol": codes, **{n: np.full(stocks, v) for n, v in SIZES.items()}}
        Lake(folder).write(indicator_table("order_size"), pa.table(columns), day)


def sides(folder: Path) -> dict[str, Callable[[], pd.DataFrame]]:
    """What can be measured, by name; peers are imported by the one that is."""
    lake = Lake(folder)
    bars, trades, book = (str(lake.path(name, SESSION)) for name in ("minute_bar", "transaction", "book_snapshot"))
    limits = pd.Series(SIZES["order_log_mean"] + np.sqrt(SIZES["order_log_variance"]), symbols_of(10_000))

    def pandas_bars() -> pd.DataFrame:
        from intraday_peers import pandas_bars as peer

        return peer.indicators(bars)

    def polars_bars() -> pd.DataFrame:
        from intraday_peers import polars_bars as peer

        return peer.indicators(bars).to_pandas().set_index("symbol")

    def pandas_flow() -> pd.DataFrame:
        from intraday_peers import pandas_flow as peer

        return peer.indicators(trades, book, limits)

    return {
        "platform_bars": lambda: platform(folder, ("bar_shape",)),
        "pandas_bars": pandas_bars,
        "polars_bars": polars_bars,
        "platform_flow": lambda: platform(folder, ("order_size", "opening_flow")),
        "pandas_flow": pandas_flow,
    }


def peak_mebi() -> float:
    """The most memory that this process has held, MiB; what its parent held before is no part of it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Measure one side."""
    side, folder = sys.argv[1], Path(sys.argv[2])
    run = sides(folder)[side]
    tries = 1 if side.startswith("pandas") else 3
    if tries > 1:
        run()  # compiles, and fills the file cache
    seconds = []
    for _ in range(tries):
        started = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - started)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found.to_parquet(folder / f"{side}.parquet")
    print(json.dumps({"seconds": min(seconds), "peak": peak_mebi(), "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
