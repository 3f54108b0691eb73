"""Columns of one row against each other: amount, volume and prices; turnover and float; market values.

Sources: the data contract's units (CNY, shares, fractions) and definitions (turnover_rate = volume / float shares;
market value = shares × close). A wrong unit breaks one of them by a power of ten, which is named.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_platform.market import tolerance
from attn_platform.market.quality import units
from attn_platform.market.quality.check import CellCheck, Faults
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Stretch

GUESSES_OF_TURNOVER: Mapping[int, str] = {
    2: "it is about 100 × volume / float shares: turnover looks like percent, or volumes like lots",
    4: "it is about 10,000 × volume / float shares: turnover in percent with volumes in lots, or market values in ten "
    "thousand CNY",
    6: "it is about 1,000,000 × volume / float shares: turnover in percent, market values in ten thousand CNY inverted",
    -2: "it is about volume / float shares / 100",
    -4: "it is about volume / float shares / 10,000: market values look like ten thousand CNY",
}


def by_power_of_ten(ratio: np.ndarray, guesses: Mapping[int, str], within: float) -> dict[str, np.ndarray]:
    """The cells whose ratio of found to expected is a power of ten that has a guess."""
    exponent = tolerance.nearest_power_of_ten(ratio, within)
    return {text: exponent == power for power, text in guesses.items()}


def _vwap_in_bar(stretch: Stretch, config: QualityConfig) -> Faults:
    volume, amount, close = stretch["volume"], stretch["amount"], stretch["close"]
    ratio = units.average_price(amount, volume) / close
    kinds = {
        f"{guess.looks} (amount / volume is about {guess.factor:g} × close)": _is_about(ratio, guess.factor)
        for guess in (*units.TRADE_UNITS, units.FEN)
    }
    kinds["the columns volume and amount look swapped"] = _is_about(ratio * close**2, 1.0)
    faulty = units.outside_bar(amount, volume, stretch["low"], stretch["high"])
    return Faults(faulty, stretch.traded & (volume > 0), kinds)


def _is_about(ratio: np.ndarray, factor: float) -> np.ndarray:
    return (ratio > factor / units.GUESS_FACTOR) & (ratio < factor * units.GUESS_FACTOR)


def _vwap_of_amount(stretch: Stretch, config: QualityConfig) -> Faults:
    price = units.average_price(stretch["amount"], stretch["volume"])
    inside = ~units.outside_bar(stretch["amount"], stretch["volume"], stretch["low"], stretch["high"])
    wrong = tolerance.differs(stretch["vwap"], price, config.rounding, tolerance.TICK)
    examined = stretch.traded & ~np.isnan(price) & ~np.isnan(stretch["vwap"])
    return Faults(wrong & inside & examined, examined)


def _turnover(stretch: Stretch, config: QualityConfig) -> Faults | None:
    if not stretch.has("float_mv"):
        return None
    float_shares = stretch["float_mv"] / stretch["close"]
    expected = stretch["volume"] / np.where(float_shares > 0, float_shares, np.nan)
    found = stretch["turnover_rate"]
    wrong = tolerance.differs(found, expected, config.turnover_within, config.turnover_rounding)
    examined = stretch.traded & ~np.isnan(found) & ~np.isnan(expected)
    return Faults(
        wrong & examined, examined, by_power_of_ten(found / expected, GUESSES_OF_TURNOVER, config.power_of_bar)
    )


def _float_within_total(stretch: Stretch, config: QualityConfig) -> Faults | None:
    if not stretch.has("float_mv"):
        return None
    total, tradable = stretch["total_mv"], stretch["float_mv"]
    examined = ~np.isnan(total) & ~np.isnan(tradable)
    return Faults((tradable > total * (1 + tolerance.RELATIVE)) & examined, examined)


CHECKS = (
    CellCheck(
        name="price_of_amount_in_bar",
        table="daily_bar",
        states="amount / volume lies between the session's low and high",
        fault="amount / volume lies outside low to high",
        remedy="convert to CNY and shares at the source and import again; single rows: correct or leave out",
        shown=("low", "high", "close", "volume", "amount"),
        faults=_vwap_in_bar,
        tolerance=lambda config: config.price_of_amount,
    ),
    CellCheck(
        name="vwap_of_amount",
        table="daily_bar",
        states="vwap is amount / volume",
        fault="vwap is not amount / volume",
        remedy="leave the column vwap out: the import works it out",
        shown=("vwap", "volume", "amount"),
        faults=_vwap_of_amount,
        tolerance=lambda config: config.price_of_amount,
    ),
    CellCheck(
        name="turnover_of_float",
        table="daily_bar",
        states="turnover_rate is volume / float shares, with float shares = float_mv / close",
        fault="turnover_rate is not volume / (float_mv / close)",
        remedy="give turnover as a fraction of the float shares, volume in shares, market values in CNY",
        shown=("turnover_rate", "volume", "float_mv", "close"),
        faults=_turnover,
        tolerance=lambda config: config.turnover,
        worst="warning",  # vendors' float shares differ; wrong units show in the medians, too
    ),
    CellCheck(
        name="float_within_total",
        table="valuation",
        states="float_mv is at most total_mv",
        fault="float_mv is greater than total_mv",
        remedy="look whether the two columns are swapped, or in different units",
        shown=("total_mv", "float_mv"),
        faults=_float_within_total,
        tolerance=lambda config: config.ordered_values,
    ),
)
