"""What a vendor may leave out and the platform works out itself: vwap, price limits.

Definitions: data contract (vwap = amount / volume; limits by the exchanges' rules, `market.trading_rules`).
"""

from __future__ import annotations

import numpy as np

from attn_platform.market import trading_rules
from attn_platform.market.calendar import Calendar


def average_price(amount: np.ndarray, volume: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Volume-weighted average price in CNY, held within the session's low and high; NaN without volume."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(amount / volume, low, high)


def price_limits(
    pre_close: np.ndarray,
    board: np.ndarray,
    status: np.ndarray,
    sessions: np.ndarray,
    listed: np.ndarray,
    calendar: Calendar,
) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower limit price in CNY of rows [R]; NaN where the price is free or the reference is missing.

    `board` and `status` are positions in the contract's lists; `listed` is the list date, NaT where it is unknown (the
    stock then counts as listed long ago).
    """
    age = np.searchsorted(calendar.sessions, sessions) - np.searchsorted(calendar.sessions, listed)
    up_ratio, down_ratio = trading_rules.limit_ratio(board, sessions, status, age)
    return trading_rules.limit_prices(pre_close, up_ratio, down_ratio)
