"""What a strategy held on every session, read from the lake beside what was known of its stocks on each of them.

Weights, benchmark, industries and styles are those of the session, by the definitions of the weekly problem
(`portfolio.rebalance`): on a rebalance they are what the problem started from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.backtest.benchmark import booked_prices, close_returns
from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.held_weights import HeldWeights, drifted, group_sums, placed, week_contributors
from attn_platform.evaluation.store import Predictions
from attn_platform.market.dense import load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.portfolio.problem import UNKNOWN
from attn_platform.portfolio.strategy import Strategy
from attn_platform.portfolio.styles import BUILT_IN_STYLES, VALUATION_FIELDS, style_exposure
from attn_platform.universe.adjacency import industries_over

STOCKS_OF_A_WEEK, INDUSTRIES_OF_A_WEEK = 5, 3  # shown of the largest contributions of either sign
VALUATION = "valuation"


@dataclass(frozen=True)
class HeldExposures:
    """Of every session: [session] × industry active weights, [session] × style active exposures; and what moved weeks.

    `contributors` has the columns of `evaluation.held_weights.week_contributors`.
    """

    industries: pd.DataFrame
    styles: pd.DataFrame
    contributors: pd.DataFrame


def held_exposures(lake: Lake, strategy: Strategy, predictions: Predictions, daily: pd.DataFrame) -> HeldExposures:
    """Active exposures on each session of a backtest, whose `daily` figures are those of its table."""
    held = held_weights(lake, strategy, predictions, daily)
    table = lake.read("industry").to_pandas()
    codes, known_names = industries_over(table, held.symbols, held.sessions, strategy.industry_scheme)
    industries = codes.astype(np.intp)
    names = np.array([*known_names, UNKNOWN], dtype=object)
    index = pd.DatetimeIndex(held.sessions, name="date")
    known = np.asarray(np.isfinite(held.benchmark).any(axis=1))
    active = np.nan_to_num(held.active)
    by_industry = np.where(known[:, None], group_sums(active, industries, len(names)), np.nan)
    ever = np.nan_to_num(np.abs(by_industry)).max(axis=0, initial=0.0) > 0
    excess = daily.set_index("date")["excess_return"]
    return HeldExposures(
        industries=pd.DataFrame(by_industry[:, ever], index, names[ever].tolist()),
        styles=_style_exposures(held, strategy, predictions, known),
        contributors=week_contributors(held, industries, names, excess, STOCKS_OF_A_WEEK, INDUSTRIES_OF_A_WEEK),
    )


def held_weights(lake: Lake, strategy: Strategy, predictions: Predictions, daily: pd.DataFrame) -> HeldWeights:
    """Weights of the strategy and of its benchmark on each session of the backtest from its first trades on."""
    holdings = _frame(lake.read(backtest_table(strategy.name, "holdings"), columns=["date", "symbol", "weight"]))
    dates = daily["date"].to_numpy().astype("datetime64[D]")
    sessions = dates[dates >= holdings["date"].min().to_datetime64()]
    weights = lake.read("index_weight", sessions[0], sessions[-1], ["date", "index", "symbol", "weight"])
    benchmark = _frame(weights.filter(pc.equal(weights["index"], strategy.benchmark)))
    symbols = np.array(sorted({*holdings["symbol"].unique(), *benchmark["symbol"].unique()}))
    returns = _returns(predictions, sessions, symbols)
    return HeldWeights(
        sessions=sessions,
        symbols=symbols,
        portfolio=drifted(placed(holdings, sessions, symbols), returns),
        benchmark=placed(benchmark, sessions, symbols),
        returns=returns,
        benchmark_returns=np.nan_to_num(daily["benchmark_return"].to_numpy(dtype=np.float64)[-len(sessions) :]),
    )


def _frame(weights: pa.Table) -> pd.DataFrame:
    """Date, symbol and weight of a table of many rows."""
    symbols = weights["symbol"].combine_chunks().dictionary_encode().to_pandas()
    return pd.DataFrame({"date": days(weights["date"]), "symbol": symbols, "weight": weights["weight"].to_numpy()})


def _returns(predictions: Predictions, sessions: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """[T, N] adjusted close-to-close returns; a suspended stock keeps its last price, one without prices returns 0."""
    market = predictions.market
    if sessions[-1] > market.sessions[-1]:  # a backtest can go on after the last forecast
        market = load_dense(predictions.lake, predictions.calendar, sessions[0], sessions[-1], ("close", "adj_factor"))
    rows = slice(market.position(sessions[0]), market.position(sessions[-1]) + 1)
    column = pd.Index(market.symbols).get_indexer(pd.Index(symbols))
    prices = booked_prices(market)[rows][:, np.maximum(column, 0)]
    prices[:, column < 0] = np.nan
    return close_returns(prices)


def _style_exposures(
    held: HeldWeights, strategy: Strategy, predictions: Predictions, known: np.ndarray
) -> pd.DataFrame:
    """[session] × style: Σ (w − b) z, with the z-scores of the session over its forecasts, the benchmark and the held.

    A missing z-score counts as 0, as in the weekly problem. A session has no exposure where its benchmark has no
    weights, where no stock has a value of the style, and after the last forecast.
    """
    market = predictions.market
    at = pd.Index(market.symbols).get_indexer(pd.Index(held.symbols))
    inside = at >= 0
    active = np.nan_to_num(held.active)[:, inside]
    concerned = (np.nan_to_num(held.benchmark) > 0) | (held.portfolio > 0)
    first, count = market.position(held.sessions[0]), int((held.sessions <= predictions.last).sum())
    rows = slice(first, first + count)
    members = np.isfinite(predictions.dense(strategy.horizon))[rows]
    members[:, at[inside]] |= concerned[:count, inside]
    exposures = np.full((len(held.sessions), len(strategy.styles)), np.nan)
    for place, style in enumerate(strategy.styles):
        for t, raw in enumerate(_raw_style(style, strategy, predictions, rows)):
            values = np.where(members[t], raw, np.nan)
            if known[t] and np.isfinite(values).any():
                z = style_exposure(values, strategy.preprocessing)
                exposures[t, place] = active[t] @ np.nan_to_num(z[at[inside]])
    return pd.DataFrame(exposures, pd.DatetimeIndex(held.sessions, name="date"), list(strategy.styles))


def _raw_style(style: str, strategy: Strategy, predictions: Predictions, rows: slice) -> Iterator[np.ndarray]:
    """Raw values [N] of a style on each session, over the stocks of the predictions' market."""
    if style in strategy.style_tables:
        yield from predictions.aligned(strategy.style_tables[style], style)[rows]
        return

    @cache
    def field(name: str) -> np.ndarray:
        return predictions.aligned(VALUATION, name)[rows]

    class Today(Mapping[str, np.ndarray]):
        """The valuation of one session, each field read when a style first asks for it."""

        def __init__(self, t: int) -> None:
            self._t = t

        def __getitem__(self, name: str) -> np.ndarray:
            return np.asarray(field(name)[self._t])

        def __iter__(self) -> Iterator[str]:
            return iter(VALUATION_FIELDS)

        def __len__(self) -> int:
            return len(VALUATION_FIELDS)

    with np.errstate(divide="ignore", invalid="ignore"):
        for t in range(rows.stop - rows.start):
            yield BUILT_IN_STYLES[style](Today(t))
