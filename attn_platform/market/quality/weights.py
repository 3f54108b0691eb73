"""Sums of index weights: the weights of an index on a date are fractions that sum to 1 (data contract).

Publishers round weights to a hundredth of a percent: 358 of 359 published CSI 300 lists of 2006 to 2024 sum to between
99.84 % and 100.11 %; the other one holds 6 of 300 members and sums to 16.4 %.
"""

from __future__ import annotations

import numpy as np

from attn_platform.market.tolerance import SUM_RELATIVE

PERCENT = 100.0

SUM_TOLERANCE = 0.005
"""Sums that are off by no more than this are rounding, and are scaled."""

SAID_FROM = 1e-6
"""Sums that are off by less are a matter of float arithmetic and not worth saying."""


def group_sums(weight: np.ndarray, group: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
    """Sum [R] of the weights of each row's group (numbers [R]), of the `kept` rows [R] only; missing weights are 0."""
    counted = np.where(np.isnan(weight) | (False if kept is None else ~kept), 0.0, weight)
    _, inverse = np.unique(group, return_inverse=True)
    return np.bincount(inverse, weights=counted)[inverse]


def is_one(sums: np.ndarray) -> np.ndarray:
    """Whether sums are 1 but for rounding."""
    return np.abs(sums - 1.0) <= SUM_TOLERANCE


def scaled_to_one(weight: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights [R] as fractions that sum to 1 in each group, where they sum to 1 or 100 but for rounding.

    Returns the weights, the rows whose group was in percent, and the rows whose group was off by rounding.
    """
    sums = group_sums(weight, group)
    with np.errstate(invalid="ignore"):
        in_percent = is_one(sums / PERCENT)
        parts = np.where(in_percent, sums / PERCENT, sums)
        near = is_one(parts) & (np.abs(parts - 1.0) > SUM_RELATIVE)
        said = is_one(parts) & (np.abs(parts - 1.0) > SAID_FROM)
    divisor = np.where(near, sums, np.where(in_percent, PERCENT, 1.0))
    changed = near | in_percent
    return np.where(changed, weight / divisor, weight), in_percent, said


def missing_guess(total: float, members: int) -> str:
    """What a sum that is not 1 may come from, and what to do."""
    part = total / PERCENT if total > PERCENT / 2 else total
    if SUM_TOLERANCE < part < 1 - SUM_TOLERANCE:
        missing = round(members * (1 - part) / part)
        return f"{1 - part:.1%} of the index is missing, perhaps {missing} members; give all members, as fractions"
    return "give all members once, as fractions"
