"""At what price a stock is traded in a session, and whether it can be bought and sold there (AI-69, AI-55).

Suspended: neither. At the upper limit nobody sells, so nothing is bought; at the lower one nothing is sold. What is at
its limit depends on the price of the trade. At the session's average price it is a one-price board, open = high = low =
close = the limit (AI-69, AI-55); a stock that touches its limit but traded at other prices too trades, unless the
backtest asks for `limit_board: sealed_close`. At the open or the close it is that price alone.

A stock that traded has a price. Where the one that the backtest asks for is missing, the next of these stands in: the
contract's vwap, amount / volume, the close. A stock that nobody traded (volume 0) counts as suspended, whatever its
flag says.
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np

from attn_platform.backtest.config import ExecutionPrice, LimitBoard
from attn_platform.market.trading_rules import in_fen, is_one_price_limit

TRADABILITY_FIELDS = (
    *("open", "high", "low", "close", "vwap", "up_limit", "down_limit"),
    *("volume", "amount", "is_suspended"),
)
AVERAGE = "amount / volume"


class Restriction(IntEnum):
    """What keeps a stock from being traded in a session.

    The market's own restrictions come first; the last two are the backtest's, as its ledger names them.
    """

    NONE = 0
    LIMIT_UP = 1
    LIMIT_DOWN = 2
    SUSPENDED = 3
    NO_ROW = 4  # as suspended; also before the listing
    DELISTED = 5
    DELISTING_PERIOD = 6
    VOLUME_CAP = 7


RESTRICTION_NAMES = np.array([restriction.name.lower() for restriction in Restriction])


def execution_prices(
    fields: Mapping[str, np.ndarray], execution_price: ExecutionPrice = "vwap"
) -> tuple[np.ndarray, np.ndarray]:
    """Raw price that each stock is traded at, and its name, both of the shape of the fields.

    `fields` are `TRADABILITY_FIELDS`, raw prices of the contract. NaN, and an empty name, where there is no trade.
    """
    volume = fields["volume"]
    with np.errstate(invalid="ignore", divide="ignore"):
        known = {**fields, AVERAGE: fields["amount"] / volume}
        names = list(dict.fromkeys((execution_price, "vwap", AVERAGE, "close")))
        # Without a volume, nothing but the price itself says that there was a trade.
        usable = [(known[name] > 0) & ((volume > 0) | (name == execution_price)) & (volume != 0) for name in names]
    price = np.select(usable, [known[name] for name in names], default=np.nan)
    return price, np.select(usable, names, default="")


def restrictions(
    fields: Mapping[str, np.ndarray],
    execution_price: ExecutionPrice = "vwap",
    limit_board: LimitBoard = "one_price",
) -> np.ndarray:
    """Restriction of each stock by the market, int8 of the shape of the fields (any shape, `TRADABILITY_FIELDS`).

    NaN in `is_suspended` means that the stock has no row. A missing limit price means that the session has no limit.
    Prices are compared in whole fen.
    """
    price, name = execution_prices(fields, execution_price)
    with np.errstate(invalid="ignore"):
        return np.select(
            [
                np.isnan(fields["is_suspended"]),
                (fields["is_suspended"] > 0) | np.isnan(price),
                _is_at(fields, "up_limit", name, limit_board),
                _is_at(fields, "down_limit", name, limit_board),
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


def _is_at(fields: Mapping[str, np.ndarray], limit: str, name: np.ndarray, limit_board: LimitBoard) -> np.ndarray:
    """Whether the trades of the price `name` are at the limit."""
    open_, high, low, close = (fields[price] for price in ("open", "high", "low", "close"))
    bound = in_fen(fields[limit])
    closed, opened = in_fen(close) == bound, in_fen(open_) == bound
    board = closed if limit_board == "sealed_close" else is_one_price_limit(open_, high, low, close, fields[limit])
    return np.select([name == "close", name == "open"], [closed, opened], default=board)
