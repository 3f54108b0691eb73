"""How far two numbers may lie apart and still mean the same; stated here once, in ticks or relative.

A float64 is exact to 1.1e-16 of its size. What is computed from prices carries a few such roundings: a return is the
ratio of two products of a price and a factor, less 1. Its noise must decide nothing: no rank, no correlation, no
precision, no trade.
"""

from __future__ import annotations

import numpy as np

RETURN_ROUNDING = 1e-12
"""Returns that differ by less are equal. A ratio of prices is exact to some 1e-15, and a tick on the dearest share is a
return of 1e-6."""

CONSTANT_RELATIVE = 1e-12
"""Values are constant where they spread by no more than this share of the largest of them in size."""

VALUE_ROUNDING = 1e-12
"""A change of a holding by less than this share of the portfolio is no trade."""


def is_constant(values: np.ndarray) -> bool:
    """Whether values [n] are the same up to rounding; so are none, and one."""
    return len(values) < 2 or bool(np.ptp(values) <= CONSTANT_RELATIVE * np.abs(values).max())
