"""Ten high-frequency factors (Haitong's weekly 2024-09-02; formulas of that series): means over sessions of indicators.

The daily indicators behind them are functions of intraday tables (`attn_platform.indicators.families`). Each factor is
there over 20 sessions, for monthly portfolios, and as `…_5d` over 5, for weekly ones. Where the series leaves a choice,
both readings have a name of their own: `improved_reversal_mean`, `open_large_order_net_buy_of_sums`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray

FAMILY = "high_frequency"
SOURCE = "Haitong, high-frequency factors"
MONTH, WEEK = 20, 5  # sessions

Windowed = Callable[[FactorInputs, int], FloatArray]


def _register(name: str, inputs: tuple[str, ...], formula: str, values: Windowed) -> None:
    for window in (MONTH, WEEK):

        @factor(
            name=name if window == MONTH else f"{name}_{window}d",
            family=FAMILY,
            inputs=inputs,
            lookback=window - 1,
            window=window,
            formula=formula.replace("20", str(window)),
            source=SOURCE,
        )
        def high_frequency(x: FactorInputs, window: int = window) -> FloatArray:
            return values(x, window)


def _mean_of(name: str) -> Windowed:
    return lambda x, window: x.mean(x.observed(name), window)


def _compounded(gross: FloatArray, x: FactorInputs, window: int) -> FloatArray:
    """Π − 1 over the sessions of the window that have a value."""
    logs = np.log(gross)
    share = x.mean(np.isfinite(logs).astype(float), window)
    return np.expm1(x.mean(logs, window) * share * window)


def _ratio_of_sums(x: FactorInputs, window: int) -> FloatArray:
    net, amount = (x.observed(f"indicator_opening_flow.opening_{name}") for name in ("large_net_amount", "amount"))
    both = np.isfinite(net) & np.isfinite(amount)
    return ratio(*(x.mean(np.where(both, values, np.nan), window) for values in (net, amount)))


for _name, _indicator, _formula in (
    ("intraday_skewness", "indicator_bar_shape.realised_skewness", "mean(realised skewness, 20)"),
    ("downside_volatility_ratio", "indicator_bar_shape.downside_variance_share", "mean(Σ r²·1(r < 0) / Σ r², 20)"),
    (
        "open_buy_intention_ratio",
        "indicator_opening_flow.opening_buy_intention",
        "mean(Σ W / Σ amount over 09:30–09:59, 20)",
    ),
    (
        "open_buy_intention_intensity",
        "indicator_opening_flow.opening_buy_steadiness",
        "mean(mean(W) / std(W) over 09:30–09:59, 20)",
    ),
    (
        "open_large_order_net_buy_ratio",
        "indicator_opening_flow.opening_large_net_buy",
        "mean((large buy − large sell) / amount, 20)",
    ),
    (
        "open_large_order_net_buy_intensity",
        "indicator_opening_flow.opening_large_buy_steadiness",
        "mean(mean / std of large net buying, 20)",
    ),
    ("closing_volume_share", "indicator_bar_shape.closing_volume_part", "mean(volume 14:30–15:00 / volume, 20)"),
    (
        "average_outflow_trade_size_ratio",
        "indicator_bar_shape.outflow_trade_size_ratio",
        "mean(size while falling / size, 20)",
    ),
):
    _register(_name, (_indicator,), _formula, _mean_of(_indicator))

_register(
    "improved_reversal",
    ("indicator_bar_shape.close_over_opening",),
    "Π over 20 sessions of close / price at 10:00, − 1",
    lambda x, window: _compounded(x.observed("indicator_bar_shape.close_over_opening"), x, window),
)
_register(
    "improved_reversal_mean",
    ("indicator_bar_shape.close_over_opening",),
    "mean(close / price at 10:00, 20) − 1",
    lambda x, window: x.mean(x.observed("indicator_bar_shape.close_over_opening"), window) - 1.0,
)
_register(
    "large_order_driven_return",
    ("indicator_bar_shape.large_trade_return",),
    "Π over 20 sessions of (1 + return of the bars of large trades), − 1",
    lambda x, window: _compounded(1.0 + x.observed("indicator_bar_shape.large_trade_return"), x, window),
)
_register(
    "open_large_order_net_buy_of_sums",
    ("indicator_opening_flow.opening_large_net_amount", "indicator_opening_flow.opening_amount"),
    "Σ over 20 sessions of (large buy − large sell) / Σ of the amount, 09:30–09:59",
    _ratio_of_sums,
)
