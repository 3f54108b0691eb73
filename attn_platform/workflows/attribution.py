"""Attribution of the excess return of a strategy or a mix, and exposures of what it held on every session.

Tables: `attribution_<strategy>` (the columns of `evaluation.backtest_attribution.attribute_backtest`), and
`exposures_<strategy>` and `contributors_<strategy>` (`evaluation.held_exposures`), all from one reading of the market.
Rows of sessions whose origins are as they were stay (`attribution_origins`): a new week reads a few weeks' market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.benchmark import booked_prices, close_returns, index_dividends, member_weights
from attn_platform.backtest.mix import mix_money
from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.account_returns import BacktestFrames
from attn_platform.evaluation.backtest_attribution import (
    AttributedMarket,
    BoolArray,
    HeldMarket,
    attribute_backtest,
)
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.held_exposures import HeldExposures, held_contributors, held_exposures
from attn_platform.evaluation.mixed import mixed_attribution, mixed_exposures
from attn_platform.evaluation.store import attribution_table, contributors_table, exposures_table
from attn_platform.market.dense import DenseMarket, columns_of, dense_array, load_dense, numeric
from attn_platform.market.lake import Lake, days
from attn_platform.market.session_origins import kept_sessions, write_origins
from attn_platform.portfolio.problem import UNKNOWN
from attn_platform.portfolio.strategy import Strategy
from attn_platform.portfolio.styles import BUILT_IN_STYLES, VALUATION_FIELDS, style_exposure
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.universe.adjacency import industries_over
from attn_platform.workflows.attribution_origins import attribution_origins, origins_table
from attn_platform.workflows.portfolios import resolve

HELD_FIELDS = ("close", "adj_factor")
FIELDS = (*HELD_FIELDS, "is_suspended", *VALUATION_FIELDS)


def attribute_returns(home: Home, config: StrategyConfig) -> pd.DataFrame:
    """Split the excess return of every session of a strategy's backtest, and write the tables; returns the split.

    `MissingDataError` where the backtest, or what it was made from, is not in the lake.
    """
    lake, strategy = home.lake, resolve(home, config)
    tables = (attribution_table(strategy.name), exposures_table(strategy.name), contributors_table(strategy.name))
    frames = backtest_frames(lake, strategy)
    sessions = frames.sessions
    origins = attribution_origins(lake, strategy, frames, home.study.evaluation.attribution.model_dump_json())
    kept = kept_sessions(lake, origins_table(strategy.name), sessions, origins) if all(map(lake.has, tables)) else 0
    if kept == len(sessions):
        return _stored(lake, tables[0])
    # Of whatever is written from here on there is none
    write_origins(lake, origins_table(strategy.name), sessions[:kept], origins[:kept])
    found = _added(lake, tables, _attributed(home, strategy, frames, sessions[kept]), sessions[kept])
    for table, frame in zip(tables, found, strict=True):
        _write(lake, table, frame)
    write_origins(lake, origins_table(strategy.name), sessions, origins)
    return found[0]


def attribute_mix(home: Home, config: StrategyMixConfig) -> pd.DataFrame:
    """Split the excess return of every session of a mix, and write the tables; returns the split.

    Attribution and exposures follow from those of its parts (`evaluation.mixed`); what moved its weeks from what it
    held. `MissingDataError` where one of these is not in the lake.
    """
    lake, first = home.lake, resolve(home, home.study.strategy(config.parts[0]))
    daily, attributed, exposures = (
        [_dated(lake.read(table(part)).to_pandas()) for part in config.parts]
        for table in (backtest_table, attribution_table, exposures_table)
    )
    money = mix_money(daily, config, first.backtest)
    mixed = mixed_attribution(attributed, money)
    _write(lake, attribution_table(config.name), mixed)
    _write(lake, exposures_table(config.name), mixed_exposures(exposures, money))
    _attribute_weeks(home, config.name, first)
    return mixed


def _attribute_weeks(home: Home, mix: str, first: Strategy) -> None:
    """Write what moved the weeks of a mix; benchmark and industries are those of its `first` part, as of the others.

    Weeks whose sessions have the origins that they had stay; the others follow from what was held before them.
    """
    lake, table = home.lake, contributors_table(mix)
    frames = _backtest(lake, mix, signals=np.array([], dtype="datetime64[D]"))
    sessions = frames.sessions
    origins = attribution_origins(lake, first, frames)
    kept = kept_sessions(lake, origins_table(mix), sessions, origins) if lake.has(table) else 0
    if kept == len(sessions):
        return
    since = week_of(sessions[kept])
    held = frames.holdings["date"].to_numpy().astype("datetime64[D]")
    held = held[held < sessions[np.searchsorted(sessions, since)]]
    for base in dict.fromkeys((held.max() if kept and len(held) else sessions[0], sessions[0])):
        market = load_dense(home.lake, home.calendar, base, sessions[-1], HELD_FIELDS)
        of_market = _under_new_codes(frames.since(base), _new_codes(market))
        if base == sessions[0] or _begins_whole(lake, market, of_market):
            break
    found = held_contributors(of_market, held_market(lake, first, market))
    write_origins(lake, origins_table(mix), sessions[:kept], origins[:kept])
    _write(lake, table, _after(lake, table, found, "last_session", since, market.new_codes(market.sessions[-1])))
    write_origins(lake, origins_table(mix), sessions, origins)


@dataclass(frozen=True)
class _Attributed:
    """What was computed, of all sessions from some one on; `codes` are those that companies have at the end."""

    attribution: pd.DataFrame
    held: HeldExposures
    codes: Mapping[str, str]


def _attributed(home: Home, strategy: Strategy, frames: BacktestFrames, since: np.datetime64) -> _Attributed:
    """Of the sessions from `since` on, and of its week; sessions before may be among them that are not to be used."""
    sessions, week = frames.sessions, week_of(since)
    for base in dict.fromkeys((frames.base_before(week), sessions[0])):
        market = load_dense(home.lake, home.calendar, base, sessions[-1], FIELDS)
        of_market = _under_new_codes(frames.since(base), _new_codes(market))
        if base == sessions[0] or _begins_whole(home.lake, market, of_market):
            break
    read = attributed_market(home, strategy, market)
    return _Attributed(
        attribution=attribute_backtest(of_market, read, strategy.backtest),
        held=held_exposures(of_market, read),
        codes=market.new_codes(market.sessions[-1]),
    )


def _begins_whole(lake: Lake, market: DenseMarket, frames: BacktestFrames) -> bool:
    """Whether the first session has a price of every stock that was listed by then: else an earlier one is the last.

    And whether all that the frames hold is in the market.
    """
    close = market.under_codes_of(market.sessions[-1])["close"]
    comes_later = np.isnan(close[0]) & np.isfinite(close).any(axis=0)
    security = lake.read("security", columns=["symbol", "list_date"]).to_pandas().set_index("symbol")["list_date"]
    listed = pd.to_datetime(security).reindex(market.symbols[comes_later])
    traded = (frames.trades["symbol"], frames.holdings["symbol"], frames.delistings["symbol"])
    known = all(symbols.isin(market.symbols).all() for symbols in traded)
    return known and bool((listed >= pd.Timestamp(market.sessions[0])).all())


def _added(
    lake: Lake, tables: tuple[str, str, str], new: _Attributed, since: np.datetime64
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows of the tables up to the day before `since` (of weeks: before its week), and the new ones from then on."""
    attribution, exposures, contributors = tables
    return (
        _after(lake, attribution, new.attribution, "date", since),
        _after(lake, exposures, new.held.exposures, "date", since),
        _after(lake, contributors, new.held.contributors, "last_session", week_of(since), new.codes),
    )


def _after(
    lake: Lake, table: str, new: pd.DataFrame, date: str, first: np.datetime64, codes: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Rows of a table before `first`, stocks under the new ones of some `codes`, and the new rows from then on."""
    later = new[new[date] >= pd.Timestamp(first)]
    if lake.has(table):
        stored = _stored(lake, table)
        before = stored[stored[date] < pd.Timestamp(first)]
        if len(before):
            later = pd.concat([before.assign(name=before["name"].replace(dict(codes or {}))), later])
    return later.reset_index(drop=True)


def week_of(session: np.datetime64) -> np.datetime64:
    """The Monday of a session's week."""
    return np.datetime64(pd.Timestamp(session).to_period("W").start_time, "D")


def backtest_frames(lake: Lake, strategy: Strategy) -> BacktestFrames:
    """The stored frames of a strategy's backtest, and the sessions of its targets."""
    return _backtest(lake, strategy.name, lake.sessions(strategy.portfolio_table))


def _backtest(lake: Lake, name: str, signals: np.ndarray) -> BacktestFrames:
    daily, trades, holdings, delistings = (
        _dated(lake.read(backtest_table(name, part)).to_pandas()) for part in (None, "trades", "holdings", "delistings")
    )
    last = daily["date"].iloc[-1].to_datetime64()
    return BacktestFrames(daily, trades, holdings, delistings, signals[signals < last])


def held_market(lake: Lake, strategy: Strategy, market: DenseMarket) -> HeldMarket:
    """Benchmark, industries and returns of a market; companies stand under the codes that they have at the end."""
    codes = _new_codes(market)
    benchmark = _columns_under(member_weights(lake, market, strategy.benchmark), market.symbols, codes)
    market = market.under_codes_of(market.sessions[-1])
    industry, names = industries_over(
        lake.read("industry").to_pandas().replace({"symbol": codes}),
        market.symbols,
        market.sessions,
        strategy.industry_scheme,
    )
    return HeldMarket(
        sessions=market.sessions,
        symbols=market.symbols,
        returns=close_returns(booked_prices(market)),
        benchmark=benchmark,
        industry=industry,
        industries=(*names, UNKNOWN),
    )


def attributed_market(home: Home, strategy: Strategy, market: DenseMarket) -> AttributedMarket:
    """What an attribution reads beside the backtest; companies stand under the codes that they have at the end."""
    lake, codes, held = home.lake, _new_codes(market), held_market(home.lake, strategy, market)
    market = market.under_codes_of(market.sessions[-1])
    price = market["close"] if strategy.backtest.whole_shares else market["close"] * market["adj_factor"]
    dividends = np.zeros(len(market.sessions))
    if strategy.backtest.benchmark_return == "price":
        dividends = index_dividends(market, held.benchmark, strategy.backtest.bonus_threshold)
    by_root = home.study.evaluation.attribution.regression_weights == "root_float_mv"
    return AttributedMarket(
        **vars(held),
        unit_closes=price,
        is_traded=market["is_suspended"] == 0,
        dividends=dividends,
        universe=_universe(lake, strategy, market, codes),
        regression_weights=np.sqrt(market["float_mv"]) if by_root else np.ones(market.shape),
        styles=strategy.styles,
        exposures=_exposures(lake, strategy, market, codes),
    )


def _universe(lake: Lake, strategy: Strategy, market: DenseMarket, codes: Mapping[str, str]) -> BoolArray:
    """[T, N] stocks with a forecast, the newest one where there is none of the session."""
    columns = ["date", "symbol", strategy.horizon]
    data = lake.read(strategy.predictions, market.sessions[0], market.sessions[-1], columns)
    held = np.isfinite(_scattered(data, numeric(data[strategy.horizon]), market, codes))
    newest = np.maximum.accumulate(np.where(held.any(axis=1), np.arange(len(held)), 0))
    return np.asarray(held[newest])


def _exposures(
    lake: Lake, strategy: Strategy, market: DenseMarket, codes: Mapping[str, str]
) -> Callable[[int, BoolArray], FloatArray]:
    """Exposures to the strategy's styles, as its weekly problem has them, of any session and stocks."""
    factors = {}
    for name, table in strategy.style_tables.items():
        data = lake.read(table, market.sessions[0], market.sessions[-1], ["date", "symbol", name])
        factors[name] = _scattered(data, numeric(data[name]), market, codes)

    def raw(name: str, row: int, chosen: BoolArray) -> FloatArray:
        if name in factors:
            return factors[name][row, chosen]
        with np.errstate(divide="ignore", invalid="ignore"):
            return BUILT_IN_STYLES[name]({field: market[field][row, chosen] for field in VALUATION_FIELDS})

    def exposures(row: int, chosen: BoolArray) -> FloatArray:
        columns = [style_exposure(raw(name, row, chosen), strategy.preprocessing) for name in strategy.styles]
        return np.column_stack(columns) if columns else np.zeros((int(chosen.sum()), 0))

    return exposures


def _scattered(data: pa.Table, values: FloatArray, market: DenseMarket, codes: Mapping[str, str]) -> FloatArray:
    """[T, N] values of a table's rows; NaN where it has none."""
    under = np.arange(len(market.symbols) + 1)  # the last place is that of no column, −1
    for former, code in codes.items():
        old, new = np.searchsorted(market.symbols, [former, code])
        under[old] = new
    under[-1] = -1
    column = under[columns_of(data["symbol"], market.symbols)]
    row = np.searchsorted(market.sessions, days(data["date"]))
    return dense_array(values, row, column, column >= 0, market.shape)


def _columns_under(weights: FloatArray, symbols: np.ndarray, codes: Mapping[str, str]) -> FloatArray:
    """Weights [T, N], those of former codes moved to the codes that their companies have at the end."""
    for former, code in codes.items():
        old, new = np.searchsorted(symbols, [former, code])
        weights[:, new] += weights[:, old]
        weights[:, old] = 0.0
    return weights


def _new_codes(market: DenseMarket) -> dict[str, str]:
    """The code at the end of each company that had another one before, where the market has both."""
    known = set(market.symbols.tolist())
    codes = market.new_codes(market.sessions[-1])
    return {former: code for former, code in codes.items() if {former, code} <= known}


def _under_new_codes(frames: BacktestFrames, codes: Mapping[str, str]) -> BacktestFrames:
    if not codes:
        return frames
    trades, holdings, delistings = (
        frame.replace({"symbol": codes}) for frame in (frames.trades, frames.holdings, frames.delistings)
    )
    return BacktestFrames(frames.daily, trades, holdings, delistings, frames.signals)


def _stored(lake: Lake, table: str) -> pd.DataFrame:
    """A table that `_write` has written."""
    frame = lake.read(table).to_pandas()
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("date", "last_session") if name in frame})


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(date=pd.to_datetime(frame["date"]))


def _write(lake: Lake, table: str, frame: pd.DataFrame) -> None:
    """With its timestamps as dates."""
    days = {str(name): column.dt.date for name, column in frame.items() if column.dtype.kind == "M"}
    lake.write(table, pa.Table.from_pandas(frame.assign(**days), preserve_index=False))
