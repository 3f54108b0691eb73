"""The bar indicators as one writes them in a notebook: pandas, one stock after the other in `groupby.apply`."""

from __future__ import annotations

import numpy as np
import pandas as pd


def indicators(path: str, stocks: int | None = None) -> pd.DataFrame:
    """Read a session's bars from Parquet, and give a row a stock; of the first `stocks` only, where given."""
    bars = pd.read_parquet(path, columns=["symbol", "minute", "open", "close", "volume", "amount", "trades"])
    bars = bars[bars["minute"] > "09:30"]
    if stocks is not None:
        bars = bars[bars["symbol"].isin(bars["symbol"].drop_duplicates().iloc[:stocks])]
    return bars.groupby("symbol").apply(_of_stock)


def _of_stock(day: pd.DataFrame) -> pd.Series:
    late = day["minute"] > "14:57"
    inside = day[~late] if day.name.endswith((".SZ", ".SH")) else day
    before = inside["close"].shift(1)
    before.iloc[0] = inside["open"].iloc[0]
    r = np.log(inside["close"] / before)
    centred = r - r.mean()
    size = inside["amount"] / inside["trades"]
    traded = inside["trades"] > 0
    largest = size[traded].sort_values(ascending=False, kind="stable").index[: int(np.floor(0.3 * traded.sum() + 0.5))]
    falling = r < 0
    return pd.Series(
        {
            "realised_skewness": np.sqrt(len(r)) * (centred**3).sum() / (centred**2).sum() ** 1.5,
            "downside_variance_share": (r[falling] ** 2).sum() / (r**2).sum(),
            "close_over_opening": day["close"].iloc[-1] / day.loc[day["minute"] <= "10:00", "close"].iloc[-1],
            "closing_volume_part": day.loc[day["minute"] > "14:30", "volume"].sum() / day["volume"].sum(),
            "outflow_trade_size_ratio": inside.loc[falling, "amount"].sum()
            / inside.loc[falling, "trades"].sum()
            / (inside["amount"].sum() / inside["trades"].sum()),
            "large_trade_return": np.expm1(r[largest].sum()),
        }
    )
