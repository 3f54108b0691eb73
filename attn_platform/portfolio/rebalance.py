"""The weekly walk: what is held on a rebalance, the week's problem, and the target portfolio that solves it.

Definition: AI-69 and AI-55 (weekly portfolio against the CSI 500). A rebalance of session T reads nothing dated after
T. The state before it is what is really held: the last target, executed and drifted by the backtest's own rules.
Target, limits and account of each week go to the tables of the strategy (see `strategy`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.account import Account, open_account
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.simulator import advance
from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import STATUS_CODES, DenseMarket, load_dense, shared_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.portfolio.frames import limits_frame, relaxed_records, weights_frame
from attn_platform.portfolio.problem import UNKNOWN_INDUSTRY, WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.solve import solve
from attn_platform.portfolio.strategy import (
    Strategy,
    load_account,
    load_held,
    load_target,
    target_weights,
    week_fingerprint,
)
from attn_platform.portfolio.styles import BUILT_IN_STYLES, VALUATION_FIELDS, style_exposure
from attn_platform.universe.adjacency import industry_at, with_timestamps

MARKET_FIELDS = tuple(sorted({*BACKTEST_FIELDS, *VALUATION_FIELDS}))


@dataclass(frozen=True)
class Rebalance:
    """One week: the account before it, its problem, and the solution.

    `origin` is the fingerprint of the week that it started from, empty for the first one.
    """

    session: np.datetime64
    account: Account
    problem: WeeklyProblem
    solution: PortfolioSolution
    origin: str

    def relaxed(self) -> list[dict[str, Any]]:
        """The limits that were relaxed."""
        return relaxed_records(self.solution)

    def limits(self) -> pd.DataFrame:
        """Rows of the table of limits: date, and the columns of `limits_frame`."""
        return self._dated(limits_frame(self.solution))

    def frame(self) -> pd.DataFrame:
        """Rows of the target portfolio: date, and the columns of `weights_frame`."""
        return self._dated(weights_frame(self.problem, self.solution))

    def _dated(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame.insert(0, "date", np.full(len(frame), self.session.astype("datetime64[s]")))
        return frame


def walk(
    lake: Lake,
    calendar: Calendar,
    strategy: Strategy,
    sessions: np.ndarray,
    previous: np.datetime64 | None,
) -> Iterator[Rebalance]:
    """Rebalance on each of `sessions` (ascending), writing target and account of each before the next.

    `previous` is the rebalance before the first of them, None where the strategy starts. `PortfolioError` names a
    previous rebalance that is not in the lake: the chain has no gaps.
    """
    start = sessions[0] if previous is None else previous
    if strategy.history:
        start = min(start, calendar.sessions[max(calendar.position(sessions[0]) - strategy.history, 0)])
    account = None if previous is None else load_account(lake, strategy, previous)
    target = None if previous is None else load_target(lake, strategy, previous)
    market = shared_dense(lake, calendar, start, sessions[-1], MARKET_FIELDS)
    industry = with_timestamps(lake.read("industry").to_pandas())
    for session in sessions:
        origin = "" if account is None else week_fingerprint(account, target)
        held = None if account is None else advance(account, target, market, session, strategy.backtest)[0]
        problem = weekly_problem(lake, strategy, market, session, industry, held)
        solution = solve(problem, strategy.limits, strategy.extension)
        account = open_account(session, strategy.backtest.initial_capital) if held is None else held
        rebalance = Rebalance(session, account, problem, solution, origin)
        target = _write(lake, strategy, rebalance)
        yield rebalance


def weekly_problem(
    lake: Lake,
    strategy: Strategy,
    market: DenseMarket,
    session: np.datetime64,
    industry: pd.DataFrame,
    account: Account | None,
    others: Sequence[str] = (),
) -> WeeklyProblem:
    """The problem of one rebalance, from what is known at the close of `session`; `account` None for the first one.

    Rows: stocks with a forecast, members of the benchmark, what is held, and `others`. Style exposures are winsorised
    and z-scored over those rows; a stock that is suspended cannot trade, one in its delisting-consolidation period is
    only sold, unless the backtest buys such stocks.
    """
    score = _column(lake, strategy.predictions, session, strategy.horizon)
    benchmark = benchmark_weights(lake, strategy.benchmark, session)
    held = pd.Series(dtype=float) if account is None else account.weights()
    known = (score.index, benchmark.index, held.index, others)
    symbols = np.unique(np.concatenate([np.asarray(each, dtype=str) for each in known]))
    row = market.position(session)
    at = pd.Index(market.symbols).get_indexer(pd.Index(symbols))
    today = {name: np.where(at < 0, np.nan, values[row, at]) for name, values in market.fields.items()}
    names = industry_at(industry, symbols.tolist(), session, strategy.industry_scheme)
    industries = tuple(sorted({name for name in names if name is not None}))
    code = {name: number for number, name in enumerate(industries)}
    return WeeklyProblem(
        symbols=symbols,
        score=score.reindex(symbols).to_numpy(dtype=float),
        benchmark=benchmark.reindex(symbols, fill_value=0.0).to_numpy(dtype=float),
        previous=None if account is None else held.reindex(symbols, fill_value=0.0).to_numpy(dtype=float),
        industry=np.array([code.get(name, UNKNOWN_INDUSTRY) for name in names], dtype=np.int64),
        styles={
            name: style_exposure(raw, strategy.preprocessing)
            for name, raw in _raw_styles(lake, strategy, session, symbols, today).items()
        },
        tradable=today["is_suspended"] == 0,
        closing=None if strategy.backtest.buy_delisting else today["trading_status"] == STATUS_CODES["delisting"],
        returns=_past_returns(market, row, at, strategy.history) if strategy.history else None,
        industries=industries,
    )


def load_problem(
    lake: Lake,
    calendar: Calendar,
    strategy: Strategy,
    session: np.datetime64,
    account: Account | None,
    others: Sequence[str] = (),
) -> WeeklyProblem:
    """The problem of one rebalance by itself, as the walk states it; `account` None for the first one.

    `others` are stocks that the problem is to have beside those of the walk: what is held elsewhere.
    """
    first = calendar.sessions[max(calendar.position(session) - strategy.history, 0)]
    market = load_dense(lake, calendar, first, session, MARKET_FIELDS)
    return weekly_problem(lake, strategy, market, session, lake.read("industry").to_pandas(), account, others)


def stored_problem(lake: Lake, calendar: Calendar, strategy: Strategy, session: np.datetime64) -> WeeklyProblem:
    """The problem of a rebalance that is in the lake, stated again; `PortfolioError` where it is not there."""
    return load_problem(lake, calendar, strategy, session, load_held(lake, strategy, session))


def _write(lake: Lake, strategy: Strategy, rebalance: Rebalance) -> pd.Series:
    frame = rebalance.frame()
    table = pa.Table.from_pandas(frame.assign(date=frame["date"].dt.date), preserve_index=False)
    record = from_columns(
        {
            "date": np.array([rebalance.session]),
            "equity": np.array([rebalance.account.equity]),
            "account": np.array([json.dumps(rebalance.account.to_record())]),
            "relaxed": np.array([json.dumps(rebalance.relaxed())]),
            "status": np.array([rebalance.solution.status]),
            "turnover": np.array([np.nan if rebalance.solution.turnover is None else rebalance.solution.turnover]),
            "origin": np.array([rebalance.origin]),
        }
    )
    limits = rebalance.limits()
    limits = pa.Table.from_pandas(limits.assign(date=limits["date"].dt.date), preserve_index=False)
    lake.write(strategy.account_table, record, rebalance.session)
    lake.write(strategy.limits_table, limits, rebalance.session)
    lake.write(strategy.portfolio_table, table, rebalance.session)
    return target_weights(frame)


def _raw_styles(
    lake: Lake, strategy: Strategy, session: np.datetime64, symbols: np.ndarray, today: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """[n] raw values of each style: of the day's valuation, or from its table of factors."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            name: (
                _column(lake, strategy.style_tables[name], session, name).reindex(symbols).to_numpy(dtype=float)
                if name in strategy.style_tables
                else BUILT_IN_STYLES[name](today)
            )
            for name in strategy.styles
        }


def _past_returns(market: DenseMarket, row: int, at: np.ndarray, count: int) -> np.ndarray:
    """[L, n] close-to-close returns of the last `count` sessions up to `row`, as far as the market reaches back."""
    rows = slice(max(row - count, 0), row + 1)
    prices = np.where(at < 0, np.nan, (market["close"][rows] * market["adj_factor"][rows])[:, at])
    return prices[1:] / prices[:-1] - 1.0


def _column(lake: Lake, table: str, session: np.datetime64, column: str) -> pd.Series:
    frame = lake.read(table, session, session, ["symbol", column]).to_pandas()
    return frame.set_index("symbol")[column]


def benchmark_weights(lake: Lake, index: str, session: np.datetime64) -> pd.Series:
    """Weights by symbol of an index on a session; `MissingDataError` where the lake has none."""
    frame = lake.read("index_weight", session, session, ["index", "symbol", "weight"]).to_pandas()
    weights = frame[frame["index"] == index].set_index("symbol")["weight"]
    if weights.empty:
        raise MissingDataError(f"index_weight has no weights of {index} on {session}; import them")
    return weights
