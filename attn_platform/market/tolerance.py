"""How far two numbers may lie apart and still be the same: by a tick where they are prices, else relative.

Exchanges quote in fen, vendors round amounts and ratios, and floating-point arithmetic is off by parts in 10¹⁶.
"""

from __future__ import annotations

import numpy as np

TICK = 0.01
"""The smallest step of a price, CNY."""

RELATIVE = 1e-3
"""Rounding of vendors: amounts in thousand CNY, ratios with four digits."""


def below(value: np.ndarray, bound: np.ndarray, slack: float = TICK / 2) -> np.ndarray:
    """Whether `value` lies below `bound` by more than `slack` CNY; false where either is missing."""
    return np.asarray(value) < np.asarray(bound) - slack


def above(value: np.ndarray, bound: np.ndarray, slack: float = TICK / 2) -> np.ndarray:
    """Whether `value` lies above `bound` by more than `slack` CNY; false where either is missing."""
    return np.asarray(value) > np.asarray(bound) + slack


def differs(value: np.ndarray, expected: np.ndarray, relative: float = RELATIVE, absolute: float = 0.0) -> np.ndarray:
    """Whether values differ by more than `relative` of the expected one and `absolute`; false where one is missing."""
    return np.abs(np.asarray(value) - np.asarray(expected)) > relative * np.abs(expected) + absolute


def nearest_power_of_ten(ratio: np.ndarray, within: float) -> np.ndarray:
    """The exponent k of the power of ten that each ratio is, up to a factor of 10^`within`; 0 for all others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.log10(ratio)
        nearest = np.rint(exponent)
        return np.where(np.isfinite(exponent) & (np.abs(exponent - nearest) <= within), nearest, 0.0)
