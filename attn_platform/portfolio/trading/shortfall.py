"""Plan against fill: the implementation shortfall of orders that were sent.

Definition: Perold (1988), the difference between the orders traded free of cost at the price of the decision, here the
signal's close, and what happened: slippage of what was filled, fees, and what the rest would have gained by the close
of the last session of the orders. Slippage is beside the vwap of its session as well. Costs are positive, gains
negative. A price before an ex-right is put on the later session's basis by the adjustment factors.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.calendar import Calendar, as_day
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake
from attn_platform.portfolio.trading.blotter import Blotter, Look, Week

FIELDS = ("close", "vwap", "adj_factor")
ORDER_FIGURES = (
    "symbol", "side", "ordered", "filled", "close", "price", "vwap", "fees", "ordered_value", "filled_value",
    "close_slippage", "vwap_slippage", "missed", "unfilled_value",
)  # fmt: skip
WEEK_FIGURES = (
    "signal", "orders", "ordered_value", "filled_share", "close_slippage", "vwap_slippage", "fee_rate", "missed",
    "shortfall", "unfilled_value",
)  # fmt: skip


def order_shortfall(market: DenseMarket, week: Week, sent: Look) -> pd.DataFrame:
    """`ORDER_FIGURES` of each stock and side that was ordered; money in CNY, prices in CNY on the signal's basis.

    `market` holds `FIELDS` from the signal to the last session of the orders and fills; what it lacks is NaN.
    """
    return pd.DataFrame(list(_orders(market, week, sent)), columns=list(ORDER_FIGURES))


def week_shortfall(orders: pd.DataFrame) -> dict[str, float]:
    """The figures of a week but its signal: slippages and fees as shares of the filled value at the signal's closes,
    the fill, what was missed and the whole shortfall as shares of the ordered value.

    Slippage beside the vwap is over the fills whose session has one.
    """
    ordered, filled = orders["ordered_value"].sum(), orders["filled_value"].sum()
    with_vwap = orders["vwap_slippage"].notna()
    of_vwap = orders.loc[with_vwap, "filled_value"].sum()
    money = orders[["close_slippage", "fees", "missed"]].sum(min_count=1)
    return {
        "orders": len(orders),
        "ordered_value": ordered,
        "filled_share": _ratio(filled, ordered),
        "close_slippage": _ratio(money["close_slippage"], filled),
        "vwap_slippage": _ratio(orders.loc[with_vwap, "vwap_slippage"].sum(), of_vwap),
        "fee_rate": _ratio(money["fees"], filled),
        "missed": _ratio(money["missed"], ordered),
        "shortfall": _ratio(money.sum(), ordered),
        "unfilled_value": orders["unfilled_value"].sum(),
    }


def shortfall_by_week(lake: Lake, calendar: Calendar, blotter: Blotter) -> pd.DataFrame:
    """`WEEK_FIGURES` of the weeks of a strategy with fills, oldest first, as far as the bars of their sessions go."""
    rows = []
    held = lake.sessions("daily_bar")
    for signal in blotter.sent_weeks():
        week = blotter.week(signal)
        sent = week.sent
        if sent is None or not week.files:
            continue
        last = as_day(max([*sent.sessions, *(fill.session for fill in week.fills)]))
        if not len(held) or last > held[-1]:
            continue
        market = load_dense(lake, calendar, signal, last, FIELDS)
        rows.append({"signal": pd.Timestamp(signal), **week_shortfall(order_shortfall(market, week, sent))})
    return pd.DataFrame(rows, columns=list(WEEK_FIGURES))


def _orders(market: DenseMarket, week: Week, sent: Look) -> Iterator[dict[str, object]]:
    ordered: dict[tuple[str, str], int] = {}
    for order in sent.orders:
        ordered[order.symbol, order.side] = ordered.get((order.symbol, order.side), 0) + order.shares
    last = max([*sent.sessions, *(fill.session for fill in week.fills)])
    for (symbol, side), shares in sorted(ordered.items()):
        sign = 1.0 if side == "buy" else -1.0
        fills = [fill for fill in week.fills if (fill.symbol, fill.side) == (symbol, side)]
        counts = np.array([fill.shares for fill in fills], dtype=np.float64)
        prices = np.array([fill.price for fill in fills], dtype=np.float64)
        then = _quotes(market, symbol, [str(week.signal)])
        now = _quotes(market, symbol, [fill.session for fill in fills])
        end = _quotes(market, symbol, [last])
        basis = then["adj_factor"] / now["adj_factor"]  # times it, a price of the signal is one of the fill's session
        close = float(then["close"][0])
        left = shares - float(counts.sum())
        reference_at_end = close * float((then["adj_factor"] / end["adj_factor"])[0])
        filled_value = float((counts * close * basis).sum())
        yield {
            "symbol": symbol,
            "side": side,
            "ordered": shares,
            "filled": int(counts.sum()),
            "close": close,
            "price": _ratio(float((counts * prices / basis).sum()), float(counts.sum())),
            "vwap": _ratio(float((counts * now["vwap"] / basis).sum()), float(counts.sum())),
            "fees": sum(fill.fees for fill in fills),
            "ordered_value": filled_value + left * reference_at_end,
            "filled_value": filled_value,
            "close_slippage": sign * float((counts * (prices - close * basis)).sum()),
            "vwap_slippage": sign * float((counts * (prices - now["vwap"])).sum()),
            "missed": sign * left * (float(end["close"][0]) - reference_at_end) if left else 0.0,
            "unfilled_value": left * reference_at_end,
        }


def _quotes(market: DenseMarket, symbol: str, sessions: list[str]) -> dict[str, np.ndarray]:
    """`FIELDS` of a stock in some sessions; NaN where the market has none."""
    at = int(np.searchsorted(market.symbols, symbol))
    is_known = at < len(market.symbols) and market.symbols[at] == symbol
    rows = [market.position(session) for session in sessions] if is_known else []
    return {name: market[name][rows, at] if is_known else np.full(len(sessions), np.nan) for name in FIELDS}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
