"""Names that columns have elsewhere: those that a file of a user's own may use, and those that an import only names.

Dates, codes, forecasts and the like mean the same under any name (Qlib's datetime, instrument, score; Tushare's
ts_code, trade_date; the Chinese names of AKShare and of brokers), so `user_tables` takes them. The columns of market
data come in units of the vendor's own: `advice` says what each would be, and whoever writes the file converts them.
"""

from __future__ import annotations

from collections.abc import Sequence

# The first of each is what the platform calls such a column.
DATE_NAMES = ("date", "datetime", "trade_date", "trading_date", "日期", "交易日期")
SYMBOL_NAMES = (
    "symbol", "instrument", "code", "ts_code", "stock_code", "order_book_id", "ticker", "asset", "股票代码", "证券代码",
    "代码",
)  # fmt: skip
FORECAST_NAMES = ("prediction", "score", "pred", "forecast", "factor", "signal", "预测", "预测值", "因子值")
RETURN_NAMES = ("return", "label", "ret", "returns", "fwd_return", "forward_return", "收益率")
SHARES_NAMES = (
    "shares", "quantity", "position", "持仓数量", "证券数量", "股票余额", "当前持仓", "持股数量", "持仓", "数量",
)  # fmt: skip
SELLABLE_NAMES = ("sellable", "available", "可用数量", "可卖数量", "可用余额", "可用股份", "可卖")
SIDE_NAMES = ("side", "direction", "bs", "买卖标志", "买卖方向", "操作", "方向", "委托方向")
FILL_DATE_NAMES = (*DATE_NAMES, "成交日期")
FILLED_NAMES = ("shares", "quantity", "volume", "成交数量", "成交股数", "数量")
PRICE_NAMES = ("price", "fill_price", "成交均价", "成交价格", "成交价", "价格")
FEE_NAMES = ("fees", "fee", "commission", "费用合计", "手续费", "费用")
SIDES = {
    "buy": ("buy", "b", "买入", "买", "证券买入"),
    "sell": ("sell", "s", "卖出", "卖", "证券卖出"),
}
"""What files call the sides of a trade."""

LOTS, PERCENT = "in lots: times 100", "in percent: divided by 100"
VENDORS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(DATE_NAMES[1:], ("date", "")),
    **dict.fromkeys(SYMBOL_NAMES[1:], ("symbol", "")),
    "开盘": ("open", ""), "收盘": ("close", ""), "最高": ("high", ""), "最低": ("low", ""), "昨收": ("pre_close", ""),
    "成交量": ("volume", LOTS), "vol": ("volume", LOTS), "成交额": ("amount", ""), "换手率": ("turnover_rate", PERCENT),
    "turn": ("turnover_rate", PERCENT), "preclose": ("pre_close", ""), "名称": ("name", ""), "简称": ("name", ""),
    "总市值": ("total_mv", ""), "流通市值": ("float_mv", ""), "circ_mv": ("float_mv", "in ten thousand CNY"),
    "factor": ("adj_factor", ""), "tradestatus": ("is_suspended", "1 is traded, 0 suspended"),
    "index_code": ("index", ""), "con_code": ("symbol", ""),
}  # fmt: skip
"""Columns of market data by the names of AKShare, Tushare and Baostock: ours, and the unit where it is another one."""


def advice(names: Sequence[str], wanted: Sequence[str]) -> str:
    """What a vendor's columns `names` are called among the `wanted` ones that lack, and in which unit they come.

    Empty where none is known.
    """
    lacking = set(wanted) - set(names)
    renames = []
    for name in names:
        ours, unit = VENDORS.get(name.strip().casefold(), ("", ""))
        if ours in lacking:
            renames.append(f"{name} to {ours}{f' (comes {unit})' if unit else ''}")
    return f"rename {', '.join(renames)}" if renames else ""
