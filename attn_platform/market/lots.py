"""Orders in whole shares: what a board lets one buy and sell in one order.

Sources: the trading rules of the Shanghai, Shenzhen and Beijing exchanges. Main board and ChiNext are bought in lots of
100; STAR from 200 and the BSE from 100 shares, then share by share. Each rule has held since the board's first session
that the platform knows, so there is no date in it.

A sale is made in the same steps, with two exceptions that let nobody keep shares that cannot be sold: the part of a
holding below a lot is sold in one go, alone or together with whole lots, and a holding below the board's minimum is
sold whole.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform.errors import ContractError
from attn_platform.market.contract import BOARDS
from attn_platform.market.trading_rules import LOT_RULES


def buy_shares(wanted: np.ndarray, boards: np.ndarray) -> np.ndarray:
    """Largest valid purchase of at most `wanted` shares [n], int64 [n]; nothing where less than a lot is wanted.

    `boards` [n] are the contract's names, as `trading_rules.board_of` gives them; ContractError for any other.
    """
    minimum, increment = _rules(boards)
    enough = wanted >= minimum
    beyond = np.where(enough, wanted - minimum, 0.0) // increment
    return np.where(enough, minimum + beyond.astype(np.int64) * increment, 0)


def sell_shares(
    wanted: np.ndarray, held: np.ndarray, boards: np.ndarray, sellable: np.ndarray | None = None
) -> np.ndarray:
    """Valid sale nearest to `wanted` shares [n], int64 [n]; of two as near the larger one.

    `held` [n] are whole numbers of shares; never more is sold than that, nor than `sellable` [n] where given (shares
    bought today are held and not sellable; a cap on the volume).
    """
    minimum, increment = _rules(boards)
    held = held.astype(np.int64)
    most = held if sellable is None else np.minimum(held, np.floor(np.minimum(sellable, held)).astype(np.int64))
    wish = np.clip(np.nan_to_num(wanted, nan=0.0), 0.0, most)
    below, left = np.floor(wish).astype(np.int64) // increment, np.floor(held - wish).astype(np.int64) // increment
    candidates = np.stack(
        [
            np.zeros_like(held),
            held,
            held % increment,
            np.broadcast_to(minimum, held.shape),
            # Whole lots sold, and whole lots left; the last two of each are the neighbours of `wish`.
            most // increment * increment,
            below * increment,
            (below + 1) * increment,
            held - left * increment,
            held - (left + 1) * increment,
        ]
    )
    odd = held % increment
    in_steps = (candidates % increment == 0) | (candidates % increment == odd)
    is_valid = (candidates == 0) | (candidates == held) | (candidates == odd) | ((candidates >= minimum) & in_steps)
    is_valid &= (candidates >= 0) & (candidates <= most)
    distance = np.where(is_valid, abs(candidates - wish), np.inf)
    return np.where(distance == distance.min(axis=0), candidates, 0).max(axis=0)


def _rules(boards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and increment of each order [n]."""
    code = pd.Index(BOARDS).get_indexer(pd.Index(boards))
    if (code < 0).any():
        raise ContractError(f"unknown board '{boards[code < 0][0]}'; map it to one of " + ", ".join(BOARDS))
    minimum = np.array([LOT_RULES[board].minimum for board in BOARDS])
    increment = np.array([LOT_RULES[board].increment for board in BOARDS])
    return minimum[code], increment[code]
