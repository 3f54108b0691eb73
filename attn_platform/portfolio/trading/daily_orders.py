"""An order list as the orders of several days, and what each day trades, costs and leaves in cash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.market.trading_rules import FEN_PER_CNY, in_fen
from attn_platform.portfolio.problem import FloatArray, IntArray
from attn_platform.portfolio.trading.days import spread
from attn_platform.portfolio.trading.orders import ORDER_COLUMNS, ROUND_LOT, OrderList

DAILY_COLUMNS = ("day", *ORDER_COLUMNS)
ROUNDING = 1e-6  # fen: a share of a cost that is so far below a whole number of fen is that number


@dataclass(frozen=True)
class DailyOrders:
    """The orders of several days, all at the closes of the signal's session.

    - orders: `DAILY_COLUMNS`, day by day, each sales first. `held_shares` is before the day, `weight_after` after it.
    - days: day (from 1), session, sell_orders, buy_orders, sales, buys, cost, one_way_turnover (as a share of the
      equity before the first day) and cash_after.
    """

    orders: pd.DataFrame
    days: pd.DataFrame


def daily_orders(listed: OrderList, sessions: Sequence[np.datetime64]) -> DailyOrders:
    """The orders of `listed` in parts, one for each of the `sessions`, which sum to them in shares, amounts and costs.

    Raises ConfigurationError for no session, or for more than `days.LONGEST`.
    """
    parts = spread(listed.whole, len(sessions))
    costs = _costs(listed, parts)
    equity = listed.summary.equity - np.cumsum(costs.sum(axis=1)) / FEN_PER_CNY
    orders = pd.concat(
        [_orders_of(listed, parts, costs, day, float(equity[day])) for day in range(len(sessions))], ignore_index=True
    )
    by_day = [orders[orders["day"] == day + 1] for day in range(len(sessions))]
    days = pd.DataFrame([_figures(day, listed.summary.equity) for day in by_day])
    days.insert(0, "day", np.arange(1, len(sessions) + 1))
    days.insert(1, "session", [str(session) for session in sessions])
    flows = days["sales"] - days["buys"] - days["cost"]
    days["cash_after"] = in_fen(listed.summary.cash + flows.cumsum()) / FEN_PER_CNY
    return DailyOrders(orders, days)


def _costs(listed: OrderList, parts: IntArray) -> FloatArray:
    """Costs in fen of the parts [days, m], in proportion to their shares: those of the first days are rounded down."""
    whole = in_fen(listed.orders["cost"].to_numpy())
    so_far = np.cumsum(parts, axis=0) / listed.whole.shares
    return np.diff(np.floor(so_far * whole + ROUNDING), axis=0, prepend=0.0)


def _orders_of(listed: OrderList, parts: IntArray, costs: FloatArray, day: int, equity: float) -> pd.DataFrame:
    """The orders of one day, counted from 0; `equity` is what there is after it."""
    shares, whole = parts[day], listed.orders
    sign = np.where(listed.whole.is_sale, -1, 1)
    held = whole["held_shares"] + sign * parts[:day].sum(axis=0)
    price = in_fen(whole["price"].to_numpy())
    frame = whole.assign(
        shares=shares,
        lots=shares / ROUND_LOT,
        amount=shares * price / FEN_PER_CNY,
        cost=costs[day] / FEN_PER_CNY,
        held_shares=held,
        weight_after=(held + sign * shares) * price / FEN_PER_CNY / equity,
    )
    frame.insert(0, "day", day + 1)
    traded = frame[shares > 0]
    return traded.sort_values(["side", "amount", "symbol"], ascending=[False, False, True])


def _figures(orders: pd.DataFrame, equity: float) -> dict[str, float]:
    is_sale = orders["side"] == "sell"
    sales, buys = (float(orders.loc[mask, "amount"].sum()) for mask in (is_sale, ~is_sale))
    return {
        "sell_orders": int(is_sale.sum()),
        "buy_orders": int((~is_sale).sum()),
        "sales": sales,
        "buys": buys,
        "cost": float(orders["cost"].sum()),
        "one_way_turnover": (sales + buys) / 2 / equity,
    }
