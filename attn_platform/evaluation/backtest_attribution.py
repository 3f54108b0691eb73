"""Attribution of a whole backtest: every session's excess return as effects that sum to it.

What `return_attribution` splits is the portfolio that would be held had every wish been traded. The rest of the excess
return has lines of its own: what was held otherwise (blocked), trades between their price and the close, costs,
delistings, and the distance between the benchmark's members and the index it is measured by (dividends that a price
index lacks, and weights that are not quite the index's).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.backtest.config import BacktestConfig
from attn_platform.evaluation.account_returns import BacktestFrames, SessionAccount, session_accounts
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.return_attribution import (
    BENCHMARK,
    BLOCKED,
    BOOKINGS,
    CASH,
    COST,
    DELISTING,
    DIVIDENDS,
    INDUSTRY,
    SELECTION,
    STYLE,
    TRADING,
    ActiveEffects,
    active_effects,
    factor_returns,
)

BoolArray = NDArray[np.bool_]
# A name's effect below this is rounding: the sum of a session is exact to 1e-10.
_NOTHING = 1e-15


@dataclass(frozen=True)
class HeldMarket:
    """What is read beside a backtest of what it held, over the T sessions from its base on and N stocks.

    Args:
        sessions: [T].
        symbols: [N] sorted.
        returns: [T, N] close-to-close returns at the prices of the account.
        benchmark: [T, N] weights of the index, summing to 1.
        industry: [T, N] codes from 0; the last one is that of unknown industry.
        industries: names by code.
    """

    sessions: NDArray[np.datetime64]
    symbols: NDArray[np.str_]
    returns: FloatArray
    benchmark: FloatArray
    industry: NDArray[np.int16]
    industries: Sequence[str]


@dataclass(frozen=True)
class AttributedMarket(HeldMarket):
    """What an attribution reads beside the backtest, over the same sessions and stocks.

    Row t is read for the session after t (all that is known at its close), but for `returns`, `unit_closes`,
    `is_traded` and `dividends`, which are those of session t.

    Args:
        unit_closes: [T, N] close of a unit of holdings.
        is_traded: [T, N] whether the stock's return is one of the session, and not of a suspension.
        dividends: [T] what dividends add to the return of the index where that leaves them out; else 0.
        universe: [T, N] stocks of the regression.
        regression_weights: [T, N]; NaN is out of the regression.
        styles: names.
        exposures: of a row and a choice of stocks [N], the exposures [n, K] of the chosen ones, standardised over them.
    """

    unit_closes: FloatArray
    is_traded: BoolArray
    dividends: FloatArray
    universe: BoolArray
    regression_weights: FloatArray
    styles: Sequence[str]
    exposures: Callable[[int, BoolArray], FloatArray]


def attribute_backtest(frames: BacktestFrames, market: AttributedMarket, config: BacktestConfig) -> pd.DataFrame:
    """Every effect of every session: date, effect (`EFFECTS`), name (of an industry or a style, else empty), value.

    The values of a session sum to its excess return.
    """
    index_returns = frames.daily["benchmark_return"].to_numpy()
    names = [
        *((INDUSTRY, name) for name in market.industries),
        *((STYLE, name) for name in market.styles),
        *((SELECTION, name) for name in market.industries),
        *((effect, "") for effect in (BLOCKED, TRADING, COST, CASH, DELISTING, BOOKINGS, DIVIDENDS, BENCHMARK)),
    ]
    accounts = session_accounts(frames, market.sessions, market.symbols, market.returns, market.unit_closes, config)
    values = [list(_values(account, market, float(index_returns[account.row]))) for account in accounts]
    dates = frames.daily["date"].iloc[1:].to_numpy()
    effects, labels = zip(*names, strict=True)
    rows = pd.DataFrame(
        {
            "date": np.repeat(dates, len(names)),
            "effect": np.tile(np.array(effects, dtype=object), len(dates)),
            "name": np.tile(np.array(labels, dtype=object), len(dates)),
            "value": np.array(values, dtype=np.float64).reshape(-1),
        }
    )
    # Names without an effect have no row, so that a session does not know of industries that come later.
    return rows[(rows["value"].abs() > _NOTHING) | (rows["name"] == "")].reset_index(drop=True)


def _values(account: SessionAccount, market: AttributedMarket, index_return: float) -> Iterator[float]:
    """Values of a session in the order of the names."""
    row = account.row
    weights, returns = market.benchmark[row - 1], market.returns[row]
    active = _active(account, market)
    yield from active.industries
    yield from active.styles
    yield from active.selection
    yield float((account.held - account.intended) @ returns)
    yield account.trading
    yield account.cost
    yield active.cash
    yield account.delisting
    yield account.bookings
    dividends = float(market.dividends[row])
    yield dividends
    yield float(weights @ returns) - index_return - dividends


def _active(account: SessionAccount, market: AttributedMarket) -> ActiveEffects:
    """The split of what was intended to be held, over the stocks that it concerns."""
    row, before = account.row, account.row - 1
    is_held = (market.benchmark[before] > 0) | (account.intended != 0)
    chosen = market.universe[before] | is_held
    exposures = np.nan_to_num(market.exposures(before, chosen))
    industry, returns = market.industry[before, chosen], market.returns[row, chosen]
    is_estimated = market.is_traded[row] & np.isfinite(market.regression_weights[before])
    weights = np.where(is_estimated, market.regression_weights[before], 0.0)[chosen]
    estimated = factor_returns(returns, industry, exposures, weights, len(market.industries))
    return active_effects(
        account.intended[chosen], market.benchmark[before, chosen], returns, industry, exposures, estimated
    )


def summed_effects(attribution: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """[session] × effect from the rows of `attribute_backtest`, names summed; 0 for an effect without a row."""
    wide = attribution.pivot_table(index="date", columns="effect", values="value", aggfunc="sum")
    return wide.reindex(columns=list(order), fill_value=0.0)
