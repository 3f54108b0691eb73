"""Which stocks can be bought and sold in a session (AI-69, AI-55).

Suspended: neither. One-price limit-up board (open = high = low = close = the up limit): not bought. One-price
limit-down board: not sold. A stock that touches its limit but traded at other prices too trades at the session's vwap.
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np

from attn_platform.backtest.config import ExecutionPrice
from attn_platform.market.trading_rules import is_one_price_limit

TRADABILITY_FIELDS = ("open", "high", "low", "close", "up_limit", "down_limit", "is_suspended")


class Restriction(IntEnum):
    """What keeps a stock from being traded in a session.

    The market's own restrictions come first; the last two are the backtest's, as its ledger names them.
    """

    NONE = 0
    LIMIT_UP = 1
    LIMIT_DOWN = 2
    SUSPENDED = 3
    NO_ROW = 4
    DELISTING_PERIOD = 5
    VOLUME_CAP = 6


RESTRICTION_NAMES = np.array([restriction.name.lower() for restriction in Restriction])


def restrictions(fields: Mapping[str, np.ndarray], execution_price: ExecutionPrice = "vwap") -> np.ndarray:
    """Restriction of each stock by the market, int8 of the shape of the fields (any shape, raw prices of the contract).

    NaN in `is_suspended` means that the stock has no row (not yet listed, or delisted). A stock without a positive
    execution price counts as suspended. A missing limit price means that the session has no limit.
    """
    open_, high, low, close = (fields[name] for name in ("open", "high", "low", "close"))
    with np.errstate(invalid="ignore"):
        return np.select(
            [
                np.isnan(fields["is_suspended"]),
                (fields["is_suspended"] > 0) | ~(fields[execution_price] > 0),
                is_one_price_limit(open_, high, low, close, fields["up_limit"]),
                is_one_price_limit(open_, high, low, close, fields["down_limit"]),
            ],
            [Restriction.NO_ROW, Restriction.SUSPENDED, Restriction.LIMIT_UP, Restriction.LIMIT_DOWN],
            default=Restriction.NONE,
        ).astype(np.int8)


def can_buy(restriction: np.ndarray) -> np.ndarray:
    """Stocks that the market lets one buy."""
    return (restriction == Restriction.NONE) | (restriction == Restriction.LIMIT_DOWN)


def can_sell(restriction: np.ndarray) -> np.ndarray:
    """Stocks that the market lets one sell."""
    return (restriction == Restriction.NONE) | (restriction == Restriction.LIMIT_UP)
