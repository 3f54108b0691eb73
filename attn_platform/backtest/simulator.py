"""The backtest: signal after the close of T, trades in T+1, value by close prices (AI-69, AI-55).

`advance` moves an account over some sessions. The weekly portfolio asset uses it to know what is really held at the
next rebalance; `run_backtest` is the same function applied from signal to signal. Its arithmetic touches held and
targeted stocks only, one session after the other, so advancing in pieces equals advancing in one go bit for bit, and
nothing after the last session asked for is read.

Base of a backtest: the account is opened in cash at the close of the first signal session, where the net value is 1.
That session has no return; the first return is that of the session in which the first target is bought.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.backtest.account import (
    WEIGHT_TOLERANCE,
    Account,
    Fills,
    execute,
    mark,
    open_account,
    sell_delisted,
)
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import cost_rates
from attn_platform.backtest.quotes import QuoteBoard
from attn_platform.errors import MissingDataError, SimulationError
from attn_platform.market.calendar import as_day
from attn_platform.market.dense import DenseMarket

logger = logging.getLogger(__name__)

_LEDGER_COLUMNS: dict[str, dict[str, str]] = {
    "daily": {
        "date": "datetime64[s]",
        "equity": "float64",
        "turnover": "float64",
        "cost": "float64",
        "cash_share": "float64",
        "holding_count": "int64",
    },
    "trades": {
        "date": "datetime64[s]",
        "symbol": "str",
        "held_weight": "float64",
        "target_weight": "float64",
        "weight": "float64",
        "traded_weight": "float64",
        "cost": "float64",
        "restriction": "str",
        "is_blocked": "bool",
    },
    "holdings": {"date": "datetime64[s]", "symbol": "str", "weight": "float64"},
    "delistings": {
        "date": "datetime64[s]",
        "symbol": "str",
        "weight": "float64",
        "price": "float64",
        "cost": "float64",
    },
}


@dataclass(frozen=True)
class Ledger:
    """What happened while an account advanced; tidy frames, `date` first.

    - daily: one row a session. equity (CNY, at the close), turnover (two-sided, over the equity at execution prices
      before trading), cost (costs of the trades over that equity, plus those of selling delisted stocks over the
      previous close's), cash_share, holding_count.
    - trades: the columns of `Fills.frame`; rows with is_blocked are the unfilled wishes.
    - holdings: weights after the close of each session with a rebalance.
    - delistings: the fields of `Delisting`.
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame

    @classmethod
    def join(cls, ledgers: Sequence[Ledger]) -> Ledger:
        """Consecutive ledgers as one."""
        return cls(*(_joined(name, [getattr(ledger, name) for ledger in ledgers]) for name in _LEDGER_COLUMNS))


@dataclass(frozen=True)
class BacktestResult:
    """A finished backtest.

    `daily` has one row a session from the base on: date, net_value, return, benchmark_return, excess_return (their
    difference), excess_net_value (Π(1 + excess_return)), turnover, cost, cash_share, holding_count. The base session
    has net values of 1 and NaN returns. `trades`, `holdings` and `delistings` are those of `Ledger`. `account` is the
    state after the last session and `pending` the target that waits for the session after it, if there is one.
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame
    account: Account
    pending: pd.Series | None


@dataclass
class _Rows:
    """Rows of a ledger in the making."""

    daily: list[dict[str, Any]] = field(default_factory=list)
    trades: list[pd.DataFrame] = field(default_factory=list)
    holdings: list[pd.DataFrame] = field(default_factory=list)
    delistings: list[dict[str, Any]] = field(default_factory=list)

    def ledger(self) -> Ledger:
        return Ledger(
            daily=_joined("daily", [pd.DataFrame(self.daily)]),
            trades=_joined("trades", self.trades),
            holdings=_joined("holdings", self.holdings),
            delistings=_joined("delistings", [pd.DataFrame(self.delistings)]),
        )


def advance(
    account: Account, target: pd.Series | None, market: DenseMarket, until: str | np.datetime64, config: BacktestConfig
) -> tuple[Account, Ledger]:
    """Move an account from the close of its session to the close of `until`.

    `target` (weights by symbol) was decided at the account's session and is executed in the next one; None lets the
    holdings drift. `market` must hold both sessions and all between them, with the fields `BACKTEST_FIELDS`; raises
    MissingDataError if it does not, or if a session in between has no row at all.
    """
    start, stop = market.position(account.session), market.position(until)
    if stop < start:
        raise SimulationError(f"the account is at {account.session} already and cannot go back to {until}")
    board, rows = QuoteBoard(market, config), _Rows()
    for row in range(start + 1, stop + 1):
        account = _session(account, target, board, row, rows)
        target = None
    return account, rows.ledger()


def run_backtest(
    targets: Mapping[str, pd.Series] | Mapping[np.datetime64, pd.Series],
    market: DenseMarket,
    benchmark_returns: np.ndarray,
    config: BacktestConfig,
    until: str | np.datetime64 | None = None,
) -> BacktestResult:
    """Backtest of target weights.

    `targets` are weights by symbol, keyed by the session after whose close they were decided; `benchmark_returns` [T]
    are the index's close-to-close returns over the market's sessions, in their order. Runs from the first signal to
    `until` (default: the market's last session).
    """
    if not targets:
        raise SimulationError("no target portfolio: nothing to backtest")
    last = market.sessions[-1] if until is None else as_day(until)
    signals = sorted(((as_day(session), weights) for session, weights in targets.items()), key=lambda signal: signal[0])
    signals = [(session, weights) for session, weights in signals if session <= last]
    if not signals:
        raise SimulationError(f"no target portfolio on or before {last}: nothing to backtest")

    account = open_account(signals[0][0], config.initial_capital)
    ledgers = []
    for place, (_, weights) in enumerate(signals):
        end = signals[place + 1][0] if place + 1 < len(signals) else last
        account, ledger = advance(account, weights, market, end, config)
        ledgers.append(ledger)
    ledger = Ledger.join(ledgers)
    first, capital = signals[0][0], config.initial_capital
    base = {"date": first, "equity": capital, "turnover": 0.0, "cost": 0.0, "cash_share": 1.0, "holding_count": 0}
    records = _joined("daily", [pd.DataFrame([base]), ledger.daily])
    returns = np.concatenate([[np.nan], _between(market, benchmark_returns, first, last)])
    logger.info(
        "backtest %s to %s: %d rebalances, %d blocked trades, %d delistings",
        first,
        last,
        len(signals),
        int(ledger.trades["is_blocked"].sum()),
        len(ledger.delistings),
    )
    return BacktestResult(
        daily=daily_frame(records["equity"].to_numpy() / capital, returns, records),
        trades=ledger.trades,
        holdings=ledger.holdings,
        delistings=ledger.delistings,
        account=account,
        pending=signals[-1][1] if signals[-1][0] == last else None,
    )


def targets_from_frame(frame: pd.DataFrame) -> dict[np.datetime64, pd.Series]:
    """Target weights of a tidy frame (date, symbol, weight) in the form that `run_backtest` takes."""
    days = frame["date"].to_numpy().astype("datetime64[D]")
    weights = frame.set_index("symbol")["weight"]
    return {day: weights[days == day] for day in np.unique(days)}


def daily_frame(net_value: np.ndarray, benchmark_returns: np.ndarray, records: pd.DataFrame) -> pd.DataFrame:
    """The daily frame of a result from net values [T] (1 at the base) and the records of the same sessions.

    `benchmark_returns` [T] are NaN at the base. `records` has date, turnover, cost, cash_share, holding_count.
    """
    frame = records[["date"]].copy()
    frame["net_value"] = net_value
    frame["return"] = frame["net_value"] / frame["net_value"].shift() - 1.0
    frame["benchmark_return"] = benchmark_returns
    frame["excess_return"] = frame["return"] - frame["benchmark_return"]
    frame["excess_net_value"] = (1.0 + frame["excess_return"].fillna(0.0)).cumprod()
    return frame.join(records[["turnover", "cost", "cash_share", "holding_count"]])


def _session(account: Account, target: pd.Series | None, board: QuoteBoard, row: int, rows: _Rows) -> Account:
    """One session: delistings, the pending trade, the close."""
    session, config = board.market.sessions[row], board.config
    rates = cost_rates(config, session)
    quotes = board.quotes(row, account.symbols)
    account, delistings = sell_delisted(account, quotes, config.delisting_recovery, rates)
    rows.delistings.extend({"date": session, **asdict(event)} for event in delistings)
    fills: Fills | None = None
    if target is not None:
        concerned = np.union1d(account.symbols, target.index.to_numpy(dtype=str))
        account, fills = execute(account, target, board.quotes(row, concerned), rates, config.lot_size)
    if fills is not None or delistings:
        quotes = board.quotes(row, account.symbols)
    account = mark(account, session, quotes)

    if fills is not None:
        rows.trades.append(_dated(session, fills.frame()))
        rows.holdings.append(_dated(session, account.weights().reset_index()))
    equity = account.equity
    rows.daily.append(
        {
            "date": session,
            "equity": equity,
            "turnover": fills.turnover if fills else 0.0,
            "cost": sum(event.cost for event in delistings) + (fills.cost_share if fills else 0.0),
            "cash_share": account.cash / equity,
            "holding_count": int((account.weights() > WEIGHT_TOLERANCE).sum()),
        }
    )
    return account


def _between(market: DenseMarket, returns: np.ndarray, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """Benchmark returns of the sessions after `first` up to `last`; MissingDataError where one is missing."""
    if len(returns) != len(market.sessions):
        raise SimulationError(f"{len(returns)} benchmark returns for {len(market.sessions)} sessions of the market")
    chosen = slice(market.position(first) + 1, market.position(last) + 1)
    missing = ~np.isfinite(returns[chosen])
    if missing.any():
        raise MissingDataError(
            f"no benchmark return on {market.sessions[chosen][missing][0]}; import index_bar from {first} on"
        )
    return returns[chosen]


def _dated(session: np.datetime64, frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(0, "date", session)
    return frame


def _joined(name: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames of one kind under each other, with the kind's columns and types even when there is no row."""
    columns = _LEDGER_COLUMNS[name]
    filled = [frame for frame in frames if not frame.empty]
    joined = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))
    return joined.astype(columns)
