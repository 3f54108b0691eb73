"""From a stock's value to its bar: limits, ticks, the day's range, average price and volume.

The value moves freely; the bar shows what the rules let through. A close is the value in whole fen, cut at the day's
limits, and what was cut comes back on the next sessions, so that large news gives runs of limit days, and one-price
days where the value lies beyond the limit from the open on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.market.simulation.stocks import Stocks

OVERNIGHT_SHARE, OVERNIGHT_NOISE = 0.3, 0.35
"""Part of the day's value change that the open shows, and the open's noise in specific volatilities."""

SHADOW_LENGTH, SHADOW_SPREAD = 0.6, 0.5
"""Median of both shadows together in specific volatilities, and the spread of its log."""

SHADOW_SPLIT = 1.7
"""Upper share of the shadows = 1 / (1 + exp(−SHADOW_SPLIT · w)), w the imbalance of the path signal."""

LOCK_MARGIN = 0.005
"""How far the value must lie beyond the limit, at the open and at the close, to leave no other price all day."""

VWAP_NOISE = 0.1
VWAP_MARGIN = 0.05
"""Of the day's range: how far the average price keeps from high and low where trades are simulated, which have to reach
both of them."""

VWAP_PER_FEN = 100
"""Average prices are kept in units of 0.0001 CNY."""

TURNOVER_PERSISTENCE, TURNOVER_NOISE, TURNOVER_DAILY_NOISE = 0.93, 0.2, 0.3
TURNOVER_OF_VOLATILITY, TURNOVER_OF_MOVE = 0.4, 0.25
NEW_LISTING_HEAT, NEW_LISTING_DECAY = 2.5, 15.0
LOCKED_TURNOVER = -2.0
"""Change of log turnover on a one-price limit day, when nobody takes the other side."""

LARGEST_TURNOVER, SMALLEST_VOLUME = 0.8, 100


@dataclass(frozen=True)
class Bars:
    """Bars of a session, one value a stock: prices in fen, vwap in 0.0001 CNY, volume in shares.

    A stock that does not trade has its last close everywhere and no volume.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    vwap: np.ndarray
    volume: np.ndarray
    imbalance: np.ndarray


def draw_bars(
    stocks: Stocks,
    reference: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    value_return: np.ndarray,
    volatility: np.ndarray,
    log_volatility: float,
    traded: np.ndarray,
    number: int,
    bar_random: np.random.Generator,
    turnover_random: np.random.Generator,
    vwap_margin: float = 0.0,
) -> Bars:
    """Trade a session: from `stocks.log_value` as it was at the open and `value_return`, the change until the close.

    `limits` are the lower and upper limit price in fen (NaN: free). The average price keeps `vwap_margin` of the range
    from high and low. Advances `stocks.turnover_deviation`.
    """
    count = len(stocks)
    low_limit, up_limit = np.nan_to_num(limits[0], nan=1.0), np.nan_to_num(limits[1], nan=np.inf)
    opening, shadow, imbalance, average = (bar_random.standard_normal(count) for _ in range(4))

    def price(log_value: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(100 * np.exp(log_value)), low_limit, up_limit)

    start, end = stocks.log_value, stocks.log_value + value_return
    open_ = price(start + OVERNIGHT_SHARE * value_return + OVERNIGHT_NOISE * volatility * opening)
    close = price(end)
    body_high, body_low = np.maximum(open_, close), np.minimum(open_, close)
    shadows = volatility * SHADOW_LENGTH * np.exp(SHADOW_SPREAD * shadow)
    upper = shadows / (1 + np.exp(-SHADOW_SPLIT * imbalance))
    high = np.minimum(np.rint(body_high * np.exp(upper)), up_limit)
    low = np.maximum(np.rint(body_low * np.exp(upper - shadows)), low_limit)

    nearest, farthest = 100 * np.exp(np.minimum(start, end)), 100 * np.exp(np.maximum(start, end))
    locked = (body_low == up_limit) & (nearest > up_limit * (1 + LOCK_MARGIN))
    locked |= (body_high == low_limit) & (farthest < low_limit * (1 - LOCK_MARGIN))
    high, low = np.where(locked, close, high), np.where(locked, close, low)

    vwap = VWAP_PER_FEN * ((open_ + high + low + 2 * close) / 5 + VWAP_NOISE * (high - low) * average)
    margin = np.ceil(vwap_margin * VWAP_PER_FEN * (high - low))
    vwap = np.clip(np.rint(vwap), VWAP_PER_FEN * low + margin, VWAP_PER_FEN * high - margin)
    move = np.abs(close / reference - 1) / volatility
    volume = _volume(stocks, move, log_volatility, locked, number, turnover_random)

    def settled(values: np.ndarray, otherwise: np.ndarray | int) -> np.ndarray:
        return np.where(traded, values, otherwise).astype(np.int64)

    return Bars(
        open=settled(open_, stocks.close),
        high=settled(high, stocks.close),
        low=settled(low, stocks.close),
        close=settled(close, stocks.close),
        vwap=settled(vwap, VWAP_PER_FEN * stocks.close),
        volume=settled(volume, 0),
        imbalance=np.where(traded & (high > low), imbalance, 0.0),
    )


def _volume(
    stocks: Stocks,
    move: np.ndarray,
    log_volatility: float,
    locked: np.ndarray,
    number: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Shares traded: persistent own level, higher with volatility, with the day's move and after the listing."""
    count = len(stocks)
    innovation, daily = random.standard_normal(count), random.standard_normal(count)
    stocks.turnover_deviation = TURNOVER_PERSISTENCE * stocks.turnover_deviation + TURNOVER_NOISE * innovation
    age = stocks.age(number)
    log_turnover = (
        stocks.turnover_level
        + stocks.turnover_deviation
        + TURNOVER_DAILY_NOISE * daily
        + TURNOVER_OF_VOLATILITY * log_volatility
        + TURNOVER_OF_MOVE * (np.minimum(move, 4) - 1)
        + NEW_LISTING_HEAT * np.exp(-age / NEW_LISTING_DECAY)
        + LOCKED_TURNOVER * locked
    )
    turnover = np.minimum(np.exp(log_turnover), LARGEST_TURNOVER)
    return np.minimum(np.maximum(np.rint(turnover * stocks.float_shares), SMALLEST_VOLUME), stocks.float_shares)
