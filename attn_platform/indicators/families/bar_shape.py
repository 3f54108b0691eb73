"""Indicators of a day's bars (high-frequency factors of Haitong's weekly 2024-09-02, formulas of that series).

r are log returns of the bars of continuous trading, that of the first bar on its open.
"""

from __future__ import annotations

import numpy as np

from attn_platform.indicators import kernels
from attn_platform.indicators.catalogue import indicator
from attn_platform.indicators.inputs import IndicatorInputs, ratio
from attn_platform.indicators.rows import FloatArray
from attn_platform.market.intraday import CLOSE, OPEN

FAMILY = "bar_shape"
SOURCE = "Haitong, high-frequency factors"
RETURNS = ("minute_bar.minute", "minute_bar.open", "minute_bar.close")
HALF_HOUR = 30


@indicator(
    name="realised_skewness",
    family=FAMILY,
    inputs=RETURNS,
    formula="√N · Σ r̃³ / (Σ r̃²)^1.5, r̃ = r − mean(r)",
    source=SOURCE,
    longest_bar=15,
)
def realised_skewness(x: IndicatorInputs) -> FloatArray:
    """Skewness of the day's returns; about zero instead of their mean where the configuration says so."""
    bars = x.bars
    inside = bars.is_continuous
    r = np.where(inside, bars.r, 0.0)
    if x.config.demean_returns:
        r = np.where(inside, r - bars.mean(r, inside)[bars.stock], 0.0)
    squares = r * r
    return np.sqrt(bars.count(inside)) * ratio(bars.sum(squares * r), bars.sum(squares) ** 1.5)


@indicator(
    name="downside_variance_share",
    family=FAMILY,
    inputs=RETURNS,
    formula="Σ r²·1(r < 0) / Σ r²",
    source=SOURCE,
    longest_bar=15,
)
def downside_variance_share(x: IndicatorInputs) -> FloatArray:
    """Part of the day's variance that falls made."""
    bars = x.bars
    squares = np.where(bars.is_continuous, bars.r * bars.r, 0.0)
    return ratio(bars.sum(np.where(bars.r < 0, squares, 0.0)), bars.sum(squares))


@indicator(
    name="close_over_opening",
    family=FAMILY,
    inputs=RETURNS,
    formula="close / price at the end of the opening, 10:00",
    source=SOURCE,
    longest_bar=HALF_HOUR,
)
def close_over_opening(x: IndicatorInputs) -> FloatArray:
    """What the day brought after its opening; missing where no bar was traded by then, or none after it."""
    bars = x.bars
    opening = OPEN + x.config.opening_minutes
    early = bars.is_continuous & (bars.end <= opening)
    at_opening, close = bars.last(bars["close"], early), bars.last(bars["close"], bars.end > opening)
    return ratio(close, at_opening)


@indicator(
    name="closing_volume_part",
    family=FAMILY,
    inputs=("minute_bar.minute", "minute_bar.volume"),
    formula="volume from 14:30 to the close / volume of the day, both with their auctions",
    source=SOURCE,
    longest_bar=HALF_HOUR,
)
def closing_volume_part(x: IndicatorInputs) -> FloatArray:
    """Part of the day's volume in its last half hour; missing on a day that ended before."""
    bars = x.bars
    if x.end < CLOSE:
        return np.full(len(x.symbols), np.nan)
    late = bars.end > CLOSE - x.config.closing_minutes
    return ratio(bars.sum(np.where(late, bars["volume"], 0.0)), bars.sum(bars["volume"]))


@indicator(
    name="outflow_trade_size_ratio",
    family=FAMILY,
    inputs=(*RETURNS, "minute_bar.amount", "minute_bar.trades"),
    formula="(Σ amount·1(r < 0) / Σ trades·1(r < 0)) / (Σ amount / Σ trades)",
    source=SOURCE,
    longest_bar=15,
)
def outflow_trade_size_ratio(x: IndicatorInputs) -> FloatArray:
    """Size of a trade while the price falls, against that of the day."""
    bars = x.bars
    inside = bars.is_continuous
    falling = inside & (bars.r < 0)

    def size(where: np.ndarray) -> FloatArray:
        return ratio(bars.sum(bars["amount"], where), bars.sum(bars["trades"], where))

    return ratio(size(falling), size(inside))


@indicator(
    name="large_trade_return",
    family=FAMILY,
    inputs=(*RETURNS, "minute_bar.amount", "minute_bar.trades"),
    formula="Π (1 + R) − 1 over the 30 % of the day's bars with the largest amount / trades, R the simple return",
    source=SOURCE,
    longest_bar=15,
)
def large_trade_return(x: IndicatorInputs) -> FloatArray:
    """What the bars of large trades brought; of bars with equally large ones the earlier come first."""
    bars = x.bars
    trades = bars["trades"]
    inside = bars.is_continuous & (trades > 0)
    size = np.where(inside, bars["amount"] / np.where(trades > 0, trades, 1.0), -np.inf)
    kept = np.floor(x.config.large_bar_share * bars.count(inside) + 0.5).astype(np.int64)
    chosen = kernels.largest(size, bars.offsets, kept)
    return np.exp(bars.sum(np.where(chosen, bars.r, 0.0), chosen)) - 1.0
