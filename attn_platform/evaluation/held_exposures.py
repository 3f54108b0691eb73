"""Active exposures of what a backtest held on every session, and what moved its weeks, from the stored frames.

Benchmark, industries, styles and company codes are those of the attribution (`backtest_attribution.AttributedMarket`):
exposures known at a close are what the next session's excess return is attributed to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.evaluation.account_returns import BacktestFrames
from attn_platform.evaluation.backtest_attribution import AttributedMarket, HeldMarket
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.held_weights import HeldWeights, IntArray, drifted, group_sums, placed, week_contributors
from attn_platform.evaluation.return_attribution import INDUSTRY, STYLE

STOCKS_OF_A_WEEK, INDUSTRIES_OF_A_WEEK = 5, 3  # kept of the largest contributions of either sign


@dataclass(frozen=True)
class HeldExposures:
    """Exposures and what moved the weeks.

    exposures     date, kind ("industry", "style"), name, value: the active weight of an industry and the active
                  exposure to a style, in standard deviations, after the close. Without a row an industry is held as the
                  benchmark holds it, and the style of a session has no value of any stock.
    contributors  the columns of `held_weights.week_contributors`
    """

    exposures: pd.DataFrame
    contributors: pd.DataFrame


@dataclass(frozen=True)
class _Held:
    """What was held over the sessions from the first trades on, row `first` of the market, in some of its `columns`."""

    weights: HeldWeights
    industries: IntArray
    first: int
    columns: np.ndarray


def held_exposures(frames: BacktestFrames, market: AttributedMarket) -> HeldExposures:
    """Of each session of a backtest from its first trades on; symbols of the frames are among those of the market."""
    held = _held(frames, market)
    weights = held.weights
    by_industry = group_sums(weights.active, held.industries, len(market.industries))
    by_style = _style_exposures(weights, market, held.first, held.columns)
    exposures = pd.concat(
        [
            _rows(weights.sessions, INDUSTRY, market.industries, by_industry, by_industry != 0),
            _rows(weights.sessions, STYLE, market.styles, by_style, np.isfinite(by_style)),
        ],
        ignore_index=True,
    )
    return HeldExposures(
        exposures=exposures.sort_values("date", kind="stable", ignore_index=True),
        contributors=_contributors(held, frames, market),
    )


def held_contributors(frames: BacktestFrames, market: HeldMarket) -> pd.DataFrame:
    """The contributors alone, for which no exposures to styles have to be known."""
    return _contributors(_held(frames, market), frames, market)


def _held(frames: BacktestFrames, market: HeldMarket) -> _Held:
    first = int(np.searchsorted(market.sessions, frames.holdings["date"].min().to_datetime64()))
    rows = slice(first, len(frames.daily))
    is_held = pd.Index(market.symbols).isin(frames.holdings["symbol"].unique())
    columns = np.flatnonzero(is_held | (market.benchmark[rows] > 0).any(axis=0))
    sessions, symbols, returns = market.sessions[rows], market.symbols[columns], market.returns[rows][:, columns]
    weights = HeldWeights(
        sessions=sessions,
        symbols=symbols,
        portfolio=drifted(placed(frames.holdings, sessions, symbols), returns),
        benchmark=market.benchmark[rows][:, columns],
        returns=returns,
        benchmark_returns=np.nan_to_num(frames.daily["benchmark_return"].to_numpy(dtype=np.float64)[rows]),
    )
    return _Held(weights, market.industry[rows][:, columns].astype(np.intp), first, columns)


def _contributors(held: _Held, frames: BacktestFrames, market: HeldMarket) -> pd.DataFrame:
    names, excess = np.array(market.industries, dtype=object), frames.daily.set_index("date")["excess_return"]
    counts = (STOCKS_OF_A_WEEK, INDUSTRIES_OF_A_WEEK)
    return week_contributors(held.weights, held.industries, names, excess, *counts)


def _style_exposures(held: HeldWeights, market: AttributedMarket, first: int, columns: np.ndarray) -> FloatArray:
    """[T, K] Σ (w − b) z, with the z-scores of the session over its forecasts, the benchmark and the held.

    A missing z-score counts as 0, as in the weekly problem; NaN where no stock of a session has one.
    """
    exposures = np.full((len(held.sessions), len(market.styles)), np.nan)
    for t, (weights, active) in enumerate(zip(held.portfolio, held.active, strict=True)):
        concerned = market.universe[first + t] | (market.benchmark[first + t] > 0)
        concerned[columns[weights > 0]] = True
        z = market.exposures(first + t, concerned)
        spread = np.zeros(len(market.symbols))
        spread[columns] = active
        known = np.isfinite(z).any(axis=0)
        exposures[t, known] = (spread[concerned] @ np.nan_to_num(z))[known]
    return exposures


def _rows(
    sessions: np.ndarray, kind: str, names: Sequence[str], values: FloatArray, is_kept: np.ndarray
) -> pd.DataFrame:
    """The kept ones of values [T, names] as rows: date, kind, name, value."""
    row, column = np.nonzero(is_kept)
    dates = pd.DatetimeIndex(sessions[row])
    return pd.DataFrame(
        {"date": dates, "kind": kind, "name": np.array(names, dtype=object)[column], "value": values[row, column]}
    )
