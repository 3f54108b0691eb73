"""Units of volume, amount, prices, turnover and market values, told from what the columns say about each other.

amount / volume is an average price and lies inside of the day's bar; turnover is volume over float shares; a market
value is shares times the close (data contract). Where a relation is off by a power of ten that vendors are known for
(lots of 100 shares, thousands and ten thousands of CNY, percent, fen), the columns' units are guessed and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attn_platform.market.tolerance import TICK, average_price_slack

GUESS_FACTOR = 1.25
"""A median within this factor of what a unit would make of it speaks for that unit: a day's bar is narrower."""

PERCENT_TURNOVER = 0.2
"""A median turnover above this is in percent: no session of 2000 to 2022 has a median above 0.09 of the float."""

FEWEST_SHARES = 1e6
"""A median of fewer shares outstanding is in other units: of 4,762 real stocks none had fewer than 34 million."""

MOST_APART = 5.0
"""Vendors' free float and float differ by less than this factor."""


@dataclass(frozen=True)
class UnitGuess:
    """Units that would explain a relation: the factor that they multiply it by, in words, and what to do."""

    factor: float
    looks: str
    remedy: str


# amount / volume over the close, as each unit makes it.
TRADE_UNITS = (
    UnitGuess(100.0, "volumes look like lots", "multiply volume by 100"),
    UnitGuess(1e-3, "amounts look like thousands of CNY", "multiply amount by 1,000"),
    UnitGuess(
        0.1, "volumes look like lots and amounts like thousands of CNY", "multiply volume by 100 and amount by 1,000"
    ),
    UnitGuess(1e-4, "amounts look like ten thousands of CNY", "multiply amount by 10,000"),
    UnitGuess(1e4, "volumes look like ten thousands of shares", "multiply volume by 10,000"),
    UnitGuess(1e-8, "amounts look like hundred millions of CNY", "multiply amount by 100,000,000"),
)
FEN = UnitGuess(0.01, "prices look like fen", "divide all prices by 100")
LOTS_AND_TEN_THOUSANDS = UnitGuess(
    0.01,
    "volumes look like lots and amounts like ten thousands of CNY",
    "multiply volume by 100 and amount by 10,000",
)
VALUE_UNITS = (
    UnitGuess(1e4, "look like ten thousands of CNY", "multiply them by 10,000"),
    UnitGuess(1e3, "look like thousands of CNY", "multiply them by 1,000"),
    UnitGuess(1e6, "look like millions of CNY", "multiply them by 1,000,000"),
    UnitGuess(1e8, "look like hundred millions of CNY", "multiply them by 100,000,000"),
)


def average_price(amount: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Volume-weighted average price in CNY; NaN without volume."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(volume > 0, amount / volume, np.nan)


def outside_bar(amount: np.ndarray, volume: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Rows whose amount / volume lies outside of [low, high] by more than rounding explains; False without volume."""
    price = average_price(amount, volume)
    slack = average_price_slack(high, volume)
    return (price > high + slack) | (price < low - slack)


def trade_units(
    amount: np.ndarray,
    volume: np.ndarray,
    close: np.ndarray,
    adj_factor: np.ndarray | None = None,
) -> tuple[float, str, str]:
    """What the columns of rows (arrays of one shape, one unit for all) look like.

    Returns the median of amount / volume over the close, what that looks like ("" where nothing known explains it),
    and the remedy. Prices that were adjusted are told from `adj_factor`.
    """
    price = average_price(amount, volume)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = float(np.nanmedian(price / close))
        swapped = float(np.nanmedian(volume / amount / close))
        adjusted = np.nan if adj_factor is None else float(np.nanmedian(price * adj_factor / close))
    fen = FEN if np.all(np.abs(close - np.rint(close)) < TICK) else LOTS_AND_TEN_THOUSANDS
    for guess in (*TRADE_UNITS, fen):
        if _is_near(ratio, guess.factor):
            return ratio, guess.looks, guess.remedy
    if _is_near(swapped, 1.0):
        return ratio, "amount and volume look swapped", "exchange the two columns"
    if _is_near(adjusted, 1.0):
        return ratio, "prices look adjusted", "give raw prices, and the factor in adj_factor"
    return ratio, "", "correct volume, amount or prices at their source"


def trade_units_by_board(
    amount: np.ndarray, volume: np.ndarray, close: np.ndarray, adj_factor: np.ndarray, board: np.ndarray
) -> Mapping[str, tuple[float, str, str]]:
    """`trade_units` of the rows of each board (`board` holds names)."""
    return {
        str(name): trade_units(*(values[board == name] for values in (amount, volume, close, adj_factor)))
        for name in np.unique(board)
    }


def value_units(
    volume: np.ndarray,
    turnover_rate: np.ndarray,
    float_mv: np.ndarray,
    total_mv: np.ndarray,
    close: np.ndarray,
) -> list[tuple[str, str]]:
    """What is wrong with the units of turnover and market values of one session's traded rows [R], and the remedies.

    Missing numbers are NaN. Empty where turnover = volume / float shares and total_mv / close is a number of shares
    that companies have, to the order of magnitude; single rows do not matter here.
    """
    faults: list[tuple[str, str]] = []
    turnover = _median(turnover_rate)
    percent = 100.0 if turnover > PERCENT_TURNOVER else 1.0
    if percent > 1:
        faults.append(
            (
                f"turnover_rate looks like percent: half of the stocks exceed {turnover:.4g}",
                "divide turnover_rate by 100",
            )
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = percent * _median(np.where(volume > 0, volume / (turnover_rate * (float_mv / close)), np.nan))
        shares, least = _median(total_mv / close), _median(total_mv / float_mv)
    if np.isfinite(apart) and not 1 / MOST_APART < apart < MOST_APART:
        looks, remedy = _value_guess(apart)
        faults.append(
            (
                f"market values {looks}: volume is {apart:.4g} × turnover_rate × float_mv / close"
                + (" (turnover_rate taken as percent)" if percent > 1 else ""),
                remedy,
            )
        )
    elif 0 < shares < FEWEST_SHARES:
        looks, remedy = _value_guess(np.nan)
        faults.append((f"market values {looks}: total_mv / close, the shares, has a median of {shares:,.0f}", remedy))
    if least < 1 / MOST_APART:
        faults.append(
            (
                f"total_mv and float_mv are in different units: total_mv is {least:.4g} × float_mv",
                "give both in CNY",
            )
        )
    return faults


def _value_guess(apart: float) -> tuple[str, str]:
    for guess in VALUE_UNITS:
        if np.isfinite(apart) and guess.factor / MOST_APART < apart < guess.factor * MOST_APART:
            return guess.looks, guess.remedy
    return "are not in CNY, or float shares are not shares", "give total_mv and float_mv in CNY"


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _is_near(found: float, wanted: float) -> bool:
    return wanted / GUESS_FACTOR < found < wanted * GUESS_FACTOR
