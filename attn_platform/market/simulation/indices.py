"""Index analogues of the simulated market: membership reviews, weights and daily bars.

Rules as in the platform's list of market rules: CSI 300 the largest stocks, CSI 500 the next largest less the least
traded, CSI 1000 the next after those; reviewed in June and December, effective on the session after the second Friday
(before 2014: on the first session of January and July). Ranking uses mean total market value and mean amount over the
252 sessions before. Weights are float market values. Bars are price indices: cash dividends are not added back.
`csi_all` holds every stock that was listed the session before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.market.simulation.bars import Bars
from attn_platform.market.simulation.config import IndexRules
from attn_platform.market.simulation.corporate import Actions
from attn_platform.market.simulation.stocks import Stocks
from attn_platform.market.trading_rules import FEN_PER_CNY

WHOLE_MARKET = "csi_all"
WEIGHTED = ("csi500", "csi1000")
"""Indices whose weights are published."""

CSI300_SIZE, CSI500_SIZE, CSI1000_SIZE = 300, 500, 1_000
FIRST_LEVEL, LEVEL_DECIMALS = 1_000.0, 4
MINIMUM_AGE = 63
REVIEW_WINDOW = 252
SECOND_FRIDAY_SINCE = 2014
REVIEW_MONTHS, EARLY_REVIEW_MONTHS = (6, 12), (1, 7)

RANGE_SHARE = 0.5
"""An index moves within a narrower range than its members together, since their highs come at different times."""


@dataclass(frozen=True)
class IndexBar:
    """Bar of an index: levels, shares and CNY."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    amount: float


def is_review(day: np.datetime64, previous: np.datetime64) -> bool:
    """Whether new members take effect on session `day`, the one after `previous`."""
    year, month = int(str(day)[:4]), int(str(day)[5:7])
    if year < SECOND_FRIDAY_SINCE:
        return month in EARLY_REVIEW_MONTHS and bool(previous.astype("datetime64[M]") != day.astype("datetime64[M]"))
    if month not in REVIEW_MONTHS:
        return False
    second_friday = np.busday_offset(day.astype("datetime64[M]"), 1, roll="forward", weekmask="Fri")
    return bool(previous <= second_friday < day)


def select_members(
    rules: IndexRules, eligible: np.ndarray, mean_value: np.ndarray, mean_amount: np.ndarray
) -> dict[str, np.ndarray]:
    """Positions of the members of each weighted index, ascending.

    `eligible` are positions of stocks; `mean_value` and `mean_amount` are indexed by stock. Where nothing has been
    traded yet, nobody is among the least traded.
    """

    def size(fraction: float, cap: int) -> int:
        return min(cap, max(1, round(fraction * len(eligible))))

    by_value = eligible[np.argsort(-mean_value[eligible], kind="stable")]
    rest = by_value[size(rules.csi300_fraction, CSI300_SIZE) :]
    dropped = int(rules.least_traded_fraction * len(rest)) if mean_amount[eligible].any() else 0
    least_traded = rest[np.argsort(mean_amount[rest], kind="stable")][:dropped]
    rest = rest[~np.isin(rest, least_traded)]
    csi500_size = size(rules.csi500_fraction, CSI500_SIZE)
    csi1000_size = size(rules.csi1000_fraction, CSI1000_SIZE)
    return {
        "csi500": np.sort(rest[:csi500_size]),
        "csi1000": np.sort(rest[csi500_size : csi500_size + csi1000_size]),
    }


def weights(stocks: Stocks, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members that are still listed, and their float-value weights after the close."""
    members = members[stocks.listed[members]]
    value = stocks.float_value[members]
    return members, value / value.sum()


def draw_index_bar(
    stocks: Stocks, members: np.ndarray, close_before: np.ndarray, actions: Actions, bars: Bars, level: float
) -> IndexBar:
    """Bar of the session for an index at `level` before it.

    `close_before` (fen) and the members' shares before the session's actions give the weights; bonus shares are
    counted, so only cash dividends lower the index.
    """
    members = members[stocks.listed[members]]
    shares_before = stocks.float_shares[members] / actions.share_growth[members]
    base = (shares_before * close_before[members]).sum()

    def relative(price: np.ndarray) -> float:
        return float((stocks.float_shares[members] * price[members]).sum() / base)

    open_, close = relative(bars.open), relative(bars.close)
    top, bottom = max(open_, close), min(open_, close)
    high = top + RANGE_SHARE * max(relative(bars.high) - top, 0.0)
    low = bottom - RANGE_SHARE * max(bottom - relative(bars.low), 0.0)
    amount = bars.vwap[members] * bars.volume[members] / (100 * FEN_PER_CNY)
    return IndexBar(
        open=round(level * open_, LEVEL_DECIMALS),
        high=round(level * high, LEVEL_DECIMALS),
        low=round(level * low, LEVEL_DECIMALS),
        close=round(level * close, LEVEL_DECIMALS),
        volume=float(bars.volume[members].sum()),
        amount=float(amount.sum()),
    )
