"""The order-flow indicators as one writes them in a notebook: pandas, grouped by order, minute and stock."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq


def indicators(trades_path: str, book_path: str, thresholds: pd.Series) -> pd.DataFrame:
    """Read a session's trades and snapshots from Parquet, and give a row a stock.

    `thresholds` are the log amounts above which an order is large, by symbol.
    """
    columns = ["symbol", "time", "price", "volume", "buy_order", "sell_order"]
    trades = _read(trades_path, columns)
    trades["amount"] = trades["price"] * trades["volume"]
    sizes = {}
    for side in ("buy", "sell"):
        sizes[side] = trades.groupby(["symbol", f"{side}_order"], observed=True)["amount"].transform("sum")
    first = {side: ~trades.duplicated(["symbol", f"{side}_order"]) for side in sizes}
    logs = pd.concat(
        [pd.DataFrame({"symbol": trades["symbol"], "log": np.log(sizes[side])})[first[side]] for side in sizes]
    )
    grouped = logs.groupby("symbol", observed=True)["log"]
    out = pd.DataFrame({"order_log_mean": grouped.mean(), "order_log_variance": grouped.var(ddof=0)})
    out["order_count"] = grouped.size()

    opening = (trades["minute"] >= 570) & (trades["minute"] < 600)
    early = trades[opening]
    limit = np.exp(early["symbol"].map(thresholds).astype(float))
    large = early["amount"] * (
        (sizes["buy"][opening] > limit).astype(float) - (sizes["sell"][opening] > limit).astype(float)
    )
    by_minute = early.assign(large=large).groupby(["symbol", "minute"], observed=True)
    net = by_minute["large"].sum().unstack(fill_value=0.0).reindex(columns=range(570, 600), fill_value=0.0)
    amount = by_minute["amount"].sum().unstack(fill_value=0.0).reindex(columns=range(570, 600), fill_value=0.0)
    out["opening_amount"] = amount.sum(axis=1)
    out["opening_large_net_amount"] = net.sum(axis=1)
    out["opening_large_net_buy"] = net.sum(axis=1) / amount.sum(axis=1)
    out["opening_large_buy_steadiness"] = net.mean(axis=1) / net.std(axis=1)

    sign = np.sign(early["buy_order"] - early["sell_order"])
    active = early.assign(active=early["amount"] * sign).groupby(["symbol", "minute"], observed=True)["active"].sum()
    active = active.unstack(fill_value=0.0).reindex(columns=range(570, 600), fill_value=0.0)
    best = [f"{side}_{what}_1" for side in ("bid", "ask") for what in ("price", "volume")]
    book = _read(book_path, ["symbol", "time", *best])
    book["balance"] = book["bid_price_1"] * book["bid_volume_1"] - book["ask_price_1"] * book["ask_volume_1"]
    book = book[book["minute"] < 600]
    book["minute"] = book["minute"].clip(lower=569)
    ends = book.groupby(["symbol", "minute"], observed=True)["balance"].last().unstack()
    ends = ends.reindex(columns=range(569, 600)).ffill(axis=1)
    intention = active + ends.diff(axis=1)[range(570, 600)]
    known = intention.notna()
    out["opening_buy_intention"] = intention.sum(axis=1) / amount.where(known, 0.0).sum(axis=1)
    out["opening_buy_steadiness"] = intention.mean(axis=1) / intention.std(axis=1)
    return out


def _read(path: str, columns: list[str]) -> pd.DataFrame:
    data = pq.read_table(path, columns=columns, read_dictionary=["symbol"])
    frame = data.drop_columns("time").to_pandas()
    frame["minute"] = data["time"].cast("int32").to_numpy() // 60_000
    return frame
