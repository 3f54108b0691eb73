"""Indicators of the opening's order flow, 09:30 to 09:59 (high-frequency factors of Haitong's weekly 2024-09-02).

Buying intention W of a minute = net active buying + net increase of bids, CNY. Some write-ups print a minus between the
two; text, abstract and published code of the series add. A minute in which one side of the book is empty, as at a price
limit, drops out.
"""

from __future__ import annotations

import warnings

import numpy as np

from attn_platform.indicators import kernels
from attn_platform.indicators.catalogue import indicator
from attn_platform.indicators.families.order_size import order_amounts
from attn_platform.indicators.inputs import IndicatorInputs, ratio
from attn_platform.indicators.rows import FloatArray
from attn_platform.market.intraday import OPEN

FAMILY = "opening_flow"
SOURCE = "Haitong, high-frequency factors"
TRADES = tuple(f"transaction.{name}" for name in ("time", "price", "volume", "buy_order", "sell_order", "side"))
BOOK = (
    "book_snapshot.time",
    *(f"book_snapshot.{side}_{what}_1" for side in ("bid", "ask") for what in ("price", "volume")),
)
SIZES = ("order_count", "order_log_mean", "order_log_variance")


@indicator(
    name="opening_buy_intention",
    family=FAMILY,
    inputs=(*TRADES, *BOOK),
    formula="Σ W / Σ amount over 09:30–09:59",
    source=SOURCE,
)
def opening_buy_intention(x: IndicatorInputs) -> FloatArray:
    """Buying intention in money, against what was traded in the same minutes."""
    intention, amount = buying_intention(x), _amount(x)
    known = np.isfinite(intention)
    sums = np.where(known.any(axis=1), np.nansum(intention, axis=1), np.nan)
    return ratio(sums, np.where(known, amount, 0.0).sum(axis=1))


@indicator(
    name="opening_buy_steadiness",
    family=FAMILY,
    inputs=(*TRADES, *BOOK),
    formula="mean(W) / std(W) over the minutes of 09:30–09:59",
    source=SOURCE,
)
def opening_buy_steadiness(x: IndicatorInputs) -> FloatArray:
    """Intensity of the buying intention: its mean over its sample standard deviation."""
    return _mean_over_std(buying_intention(x))


@indicator(
    name="opening_large_net_buy",
    family=FAMILY,
    inputs=TRADES,
    formula="(Σ large buy − Σ large sell) / Σ amount over 09:30–09:59",
    source=SOURCE,
    history=SIZES,
)
def opening_large_net_buy(x: IndicatorInputs) -> FloatArray:
    """Net buying of large orders, against what was traded."""
    return ratio(large_net_buying(x).sum(axis=1), _amount(x).sum(axis=1))


@indicator(
    name="opening_large_buy_steadiness",
    family=FAMILY,
    inputs=TRADES,
    formula="mean / std over the minutes of 09:30–09:59 of (large buy − large sell)",
    source=SOURCE,
    history=SIZES,
)
def opening_large_buy_steadiness(x: IndicatorInputs) -> FloatArray:
    """Intensity of the net buying of large orders."""
    return _mean_over_std(large_net_buying(x))


@indicator(
    name="opening_large_net_amount",
    family=FAMILY,
    inputs=TRADES,
    formula="Σ large buy − Σ large sell over 09:30–09:59, CNY",
    source=SOURCE,
    history=SIZES,
)
def opening_large_net_amount(x: IndicatorInputs) -> FloatArray:
    """Net buying of large orders in money, for ratios of sums over several days."""
    return large_net_buying(x).sum(axis=1)


@indicator(
    name="opening_amount",
    family=FAMILY,
    inputs=("transaction.time", "transaction.price", "transaction.volume"),
    formula="Σ amount over 09:30–09:59, CNY",
    source=SOURCE,
)
def opening_amount(x: IndicatorInputs) -> FloatArray:
    """What was traded in the opening; missing where nothing was."""
    whole = _amount(x).sum(axis=1)
    return np.where(whole > 0, whole, np.nan)


def buying_intention(x: IndicatorInputs) -> FloatArray:
    """W by stock and minute of the opening [S, M], CNY; NaN in minutes that drop out."""
    if "buying_intention" not in x.shared:
        trades, book, minutes = x.trades, x.book, x.config.opening_minutes
        active = kernels.minute_sums(trades.amount * trades.direction, trades.minute, trades.offsets, OPEN, minutes)
        bids = book.net_increase(OPEN, minutes, x.config.book_increase, x.config.book_levels)
        x.shared["buying_intention"] = np.where(book.is_one_sided(OPEN, minutes), np.nan, active + bids)
    return x.shared["buying_intention"]  # type: ignore[return-value]


def large_order_threshold(x: IndicatorInputs) -> FloatArray:
    """Log amount above which an order of the day is large [S], from the orders of the sessions before alone.

    mean + multiple · std of all the stock's orders on those sessions together; NaN where too few of them are known.
    """
    count, mean, variance = (x.before(name)[-x.config.large_order_sessions :] for name in SIZES)
    known = np.isfinite(count)
    orders = np.where(known, count, 0.0)
    whole = np.maximum(orders.sum(axis=0), 1.0)
    centre = (orders * np.where(known, mean, 0.0)).sum(axis=0) / whole
    spread = (orders * np.where(known, variance + (mean - centre) ** 2, 0.0)).sum(axis=0) / whole
    threshold = centre + x.config.large_order_multiple * np.sqrt(spread)
    return np.where(known.sum(axis=0) >= x.config.large_order_min_sessions, threshold, np.nan)


def large_net_buying(x: IndicatorInputs) -> FloatArray:
    """Fills of large buy orders less those of large sell orders, by stock and minute of the opening [S, M], CNY."""
    if "large_net_buying" not in x.shared:
        trades, limit = x.trades, np.exp(large_order_threshold(x))[x.trades.stock]
        sides = order_amounts(x)
        net = trades.amount * ((sides["buy"][0] > limit).astype(float) - (sides["sell"][0] > limit))
        net[np.isnan(limit)] = np.nan
        sums = kernels.minute_sums(net, trades.minute, trades.offsets, OPEN, x.config.opening_minutes)
        # A stock without a trade in the opening has no flow there, rather than one of zero.
        x.shared["large_net_buying"] = np.where(_amount(x).sum(axis=1, keepdims=True) > 0, sums, np.nan)
    return x.shared["large_net_buying"]  # type: ignore[return-value]


def _amount(x: IndicatorInputs) -> FloatArray:
    """Amount traded by stock and minute of the opening [S, M], CNY."""
    if "amount_by_minute" not in x.shared:
        trades, minutes = x.trades, x.config.opening_minutes
        x.shared["amount_by_minute"] = kernels.minute_sums(trades.amount, trades.minute, trades.offsets, OPEN, minutes)
    return x.shared["amount_by_minute"]  # type: ignore[return-value]


def _mean_over_std(values: FloatArray) -> FloatArray:
    """mean / sample standard deviation along the minutes [S]; NaN where fewer than two are known, or all are equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of stocks without a known minute
        mean, std = np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1)
    return ratio(mean, np.where(std > 0, std, 0.0))
