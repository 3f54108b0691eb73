"""Limit prices: in order, kept by the prices, and those of the exchanges' rules.

Source: `market.trading_rules`. A vendor's limits are preferred to the rules, which check them here.
"""

from __future__ import annotations

import numpy as np

from attn_platform.market import tolerance
from attn_platform.market.completion import rule_limits
from attn_platform.market.quality.check import CellCheck, Faults
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.statuses import DELISTING, NORMAL
from attn_platform.market.quality.stretch import Stretch


def _ordered(stretch: Stretch, config: QualityConfig) -> Faults:
    up, down, pre_close = stretch["up_limit"], stretch["down_limit"], stretch["pre_close"]
    examined = ~np.isnan(up) & ~np.isnan(down)
    inverted = up < down
    faulty = inverted | tolerance.below(up, pre_close) | tolerance.above(down, pre_close)
    return Faults(faulty & examined, examined, {"up_limit lies below down_limit: the columns look swapped": inverted})


def _kept(stretch: Stretch, config: QualityConfig) -> Faults:
    up, down, status = stretch["up_limit"], stretch["down_limit"], stretch["trading_status"]
    over, under = tolerance.above(stretch["high"], up), tolerance.below(stretch["low"], down)
    closes = tolerance.above(stretch["close"], up) | tolerance.below(stretch["close"], down)
    faulty = (over | under) & stretch.traded
    ordered = up >= down
    special = (status != NORMAL) & (status != DELISTING)
    kinds = {
        "the close too": closes,
        "under special treatment": special,
        "in the delisting period": status == DELISTING,
        "where up_limit lies below down_limit": ~ordered,
    }
    return Faults(faulty, stretch.traded & ~np.isnan(up) & ~np.isnan(down), kinds)


def _by_rule(stretch: Stretch, config: QualityConfig) -> Faults:
    """The limits held against those of the rules; rows without either are left out."""
    rows, columns = np.nonzero(stretch.traded & ~np.isnan(stretch["pre_close"]))
    up, down = np.full(stretch.shape, np.nan), np.full(stretch.shape, np.nan)
    up[rows, columns], down[rows, columns] = rule_limits(
        {name: stretch[name][rows, columns] for name in ("pre_close", "trading_status")},
        stretch.board[columns],
        stretch.sessions[rows],
        stretch.listed[columns],
        stretch.previous("trading_status")[rows, columns] == DELISTING,
        stretch.calendar,
    )
    held_up, held_down = stretch["up_limit"], stretch["down_limit"]
    absent = np.isnan(held_up) | np.isnan(held_down)
    # A session whose own bar lies beyond the rules' limits had none
    free = tolerance.above(stretch["high"], up) | tolerance.below(stretch["low"], down)
    missing = absent & ~np.isnan(up) & ~free
    slack = config.limit_slack
    other = tolerance.differs(held_up, up, 0.0, slack) | tolerance.differs(held_down, down, 0.0, slack)
    unlike = tolerance.differs(held_up, down, 0.0, slack) | tolerance.differs(held_down, up, 0.0, slack)
    swapped = ~absent & ~unlike
    wider = tolerance.above(held_up, up, slack) & tolerance.below(held_down, down, slack)
    narrower = tolerance.below(held_up, up, slack) & tolerance.above(held_down, down, slack)
    kinds = {
        "no limit where the rules have one": missing,
        "up_limit and down_limit are swapped": swapped,
        "wider than the rules say": wider,
        "narrower than the rules say: perhaps special treatment, or shares before their reform": narrower & ~swapped,
    }
    return Faults(missing | other, stretch.traded & ~np.isnan(up), kinds)


CHECKS = (
    CellCheck(
        name="limits_ordered",
        table="daily_bar",
        states="down_limit ≤ pre_close ≤ up_limit",
        fault="pre_close does not lie between down_limit and up_limit",
        remedy="look whether up_limit and down_limit are swapped, or leave both columns out: the rules stand in",
        shown=("down_limit", "pre_close", "up_limit"),
        faults=_ordered,
        tolerance=lambda config: config.limits_ordered,
    ),
    CellCheck(
        name="prices_within_limits",
        table="daily_bar",
        states="high and low keep the session's limits",
        fault="a price lies beyond the session's limits",
        remedy="look at the trading status, the board and the ex-right price of these rows; where all are right, the "
        "limits are not those of the day",
        shown=("low", "high", "close", "pre_close", "down_limit", "up_limit", "trading_status"),
        faults=_kept,
        tolerance=lambda config: config.within_limits,
    ),
    CellCheck(
        name="limits_of_rules",
        table="daily_bar",
        states="up_limit and down_limit are those of the exchanges' rules",
        fault="a limit is not what the exchange's rules give",
        remedy="leave up_limit and down_limit out: the rules stand in; or correct board, list date and trading status",
        shown=("pre_close", "down_limit", "up_limit", "trading_status"),
        faults=_by_rule,
        tolerance=lambda config: config.limits_of_rules,
        worst="warning",
    ),
)
