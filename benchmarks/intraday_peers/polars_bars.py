"""The bar indicators written by hand in polars: one lazy query, over all cores."""

from __future__ import annotations

import polars as pl


def indicators(path: str) -> pl.DataFrame:
    """Read a session's bars from Parquet, and give a row a stock."""
    bars = pl.scan_parquet(path).filter(pl.col("minute") > "09:30")
    inside = bars.filter(pl.col("minute") <= "14:57").with_columns(
        before=pl.col("close").shift(1).over("symbol").fill_null(pl.col("open"))
    )
    inside = inside.with_columns(r=(pl.col("close") / pl.col("before")).log())
    r, centred = pl.col("r"), pl.col("r") - pl.col("r").mean()
    falling, traded = pl.col("r") < 0, pl.col("trades") > 0
    size = pl.when(traded).then(pl.col("amount") / pl.col("trades"))
    kept = (0.3 * traded.sum() + 0.5).floor()
    chosen = size.rank("ordinal", descending=True) <= kept
    of_returns = inside.group_by("symbol").agg(
        realised_skewness=pl.len().sqrt() * (centred**3).sum() / (centred**2).sum() ** 1.5,
        downside_variance_share=(r**2).filter(falling).sum() / (r**2).sum(),
        outflow_trade_size_ratio=pl.col("amount").filter(falling).sum()
        / pl.col("trades").filter(falling).sum()
        / (pl.col("amount").sum() / pl.col("trades").sum()),
        large_trade_return=r.filter(chosen).sum().exp() - 1,
    )
    of_day = bars.group_by("symbol").agg(
        close_over_opening=pl.col("close").last() / pl.col("close").filter(pl.col("minute") <= "10:00").last(),
        closing_volume_part=pl.col("volume").filter(pl.col("minute") > "14:30").sum() / pl.col("volume").sum(),
    )
    return of_returns.join(of_day, on="symbol").sort("symbol").collect()
