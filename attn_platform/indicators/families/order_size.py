"""How large a stock's orders of the day were: what later days measure theirs by (`opening_flow`).

The fills of a day are summed by order, buyers' and sellers' alike; the logs of these amounts have a mean and a spread.
"""

from __future__ import annotations

import numpy as np

from attn_platform.indicators import kernels
from attn_platform.indicators.catalogue import indicator
from attn_platform.indicators.inputs import IndicatorInputs
from attn_platform.indicators.rows import FloatArray

FAMILY = "order_size"
SOURCE = "Haitong, high-frequency factors (threshold of large orders)"
INPUTS = tuple(f"transaction.{name}" for name in ("price", "volume", "buy_order", "sell_order"))


@indicator(name="order_count", family=FAMILY, inputs=INPUTS, formula="orders with fills, of both sides", source=SOURCE)
def order_count(x: IndicatorInputs) -> FloatArray:
    """Orders of the day."""
    return _moments(x)[0]


@indicator(name="order_log_mean", family=FAMILY, inputs=INPUTS, formula="mean(ln amount of an order)", source=SOURCE)
def order_log_mean(x: IndicatorInputs) -> FloatArray:
    """Mean log amount of the day's orders."""
    return _moments(x)[1]


@indicator(
    name="order_log_variance",
    family=FAMILY,
    inputs=INPUTS,
    formula="mean((ln amount of an order − its mean)²)",
    source=SOURCE,
)
def order_log_variance(x: IndicatorInputs) -> FloatArray:
    """Variance of the log amount of the day's orders, divided by their number."""
    return _moments(x)[2]


def order_amounts(x: IndicatorInputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By side: of each trade its order's amount over the day [R], and whether the trade is the order's first [R]."""
    if "order_amounts" not in x.shared:
        trades = x.trades
        x.shared["order_amounts"] = {
            side: kernels.order_totals(trades[f"{side}_order"], trades.amount, trades.offsets)
            for side in ("buy", "sell")
        }
    return x.shared["order_amounts"]  # type: ignore[return-value]


def _moments(x: IndicatorInputs) -> tuple[FloatArray, FloatArray, FloatArray]:
    if "order_moments" not in x.shared:
        sides = order_amounts(x)
        x.shared["order_moments"] = kernels.log_moments(*sides["buy"], *sides["sell"], x.trades.offsets)
    return x.shared["order_moments"]  # type: ignore[return-value]
