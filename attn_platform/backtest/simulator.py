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
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account, mark, open_account, sell_delisted, under_new_codes
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import cost_rates
from attn_platform.backtest.entitlements import credit_entitlements
from attn_platform.backtest.execution import execute
from attn_platform.backtest.ledger import Ledger, joined
from attn_platform.backtest.quotes import QuoteBoard
from attn_platform.errors import MissingDataError, SimulationError
from attn_platform.market.calendar import as_day
from attn_platform.market.dense import DenseMarket

logger = logging.getLogger(__name__)

# So many of the last states of a backtest are kept: where its last session comes again with a target, it goes on from
# the signal before.
STATES = 3
LEDGER_FRAMES = ("trades", "holdings", "delistings", "dividends")
# Columns of the ledger's daily frame that a result keeps.
DAILY_RECORDS = ("turnover", "cost", "cash_share", "holding_count", "suspended_count", "suspended_share")


@dataclass(frozen=True)
class BacktestResult:
    """A finished backtest.

    `daily` has one row a session from the base on: date, net_value, return, benchmark_return, excess_return (their
    difference), excess_net_value (Π(1 + excess_return)), unrecovered_net_value (of the same targets, had holders got
    nothing for what was delisted), and `DAILY_RECORDS`. The base session has net values of 1 and NaN returns. `trades`,
    `holdings`, `delistings` and `dividends` are those of `Ledger`. `account` is the state after the last session and
    `pending` the target that waits for the session after it, if there is one. `states` are the last ones on sessions of
    signals, and that after the last session: from each of them the backtest can go on (`Begun`).
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame
    dividends: pd.DataFrame
    account: Account
    pending: pd.Series | None
    states: tuple[BacktestState, ...]


@dataclass(frozen=True)
class BacktestState:
    """Where a backtest stands after the close of a session: its account, and the one that recovers nothing."""

    account: Account
    unrecovered: Account

    @property
    def session(self) -> np.datetime64:
        """After whose close."""
        return self.account.session


@dataclass(frozen=True)
class Begun:
    """A backtest up to a state: the frames of its result, with the sessions up to that of the state."""

    state: BacktestState
    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame
    dividends: pd.DataFrame


def advance(
    account: Account, target: pd.Series | None, market: DenseMarket, until: str | np.datetime64, config: BacktestConfig
) -> tuple[Account, Ledger]:
    """Move an account from the close of its session to the close of `until`.

    `target` (weights by symbol) was decided at the account's session and is executed in the next one, in place of any
    open order; None lets the holdings drift and the open orders go on. `market` must hold both sessions and all between
    them, with the fields `BACKTEST_FIELDS`; raises MissingDataError if it does not, or if a session in between has no
    row at all.
    """
    ledger = Ledger()
    return _advance(account, target, QuoteBoard(market, config), until, ledger), ledger


def run_backtest(
    targets: Mapping[str, pd.Series] | Mapping[np.datetime64, pd.Series],
    market: DenseMarket,
    benchmark_returns: np.ndarray,
    config: BacktestConfig,
    until: str | np.datetime64 | None = None,
    begun: Begun | None = None,
) -> BacktestResult:
    """Backtest of target weights.

    `targets` are weights by symbol, keyed by the session after whose close they were decided; `benchmark_returns` [T]
    are the index's close-to-close returns over the market's sessions, in their order. Runs from the first signal to
    `until` (default: the market's last session), or from where it has `begun`: then targets and market are needed from
    the session of that state on, and the result is, bit for bit, that of running from the first signal.
    """
    if not targets and begun is None:
        raise SimulationError("no target portfolio: nothing to backtest")
    last = market.sessions[-1] if until is None else as_day(until)
    signals = sorted(((as_day(session), weights) for session, weights in targets.items()), key=lambda signal: signal[0])
    signals = [(session, weights) for session, weights in signals if session <= last]
    if begun is not None:
        signals = [(session, weights) for session, weights in signals if session >= begun.state.session]
        first, capital = begun.state.session, config.initial_capital
        states, ledger = _from_signal_to_signal(begun.state.account, signals, market, last, config, Ledger())
    elif signals:
        first, capital = signals[0][0], config.initial_capital
        base = open_account(first, capital)
        states, ledger = _from_signal_to_signal(base, signals, market, last, config, _opened(base, capital))
    else:
        raise SimulationError(f"no target portfolio on or before {last}: nothing to backtest")

    records, unrecovered, others = ledger.daily, ledger.daily, states
    if config.delisting_recovery > 0 and (len(ledger.delistings) or (begun is not None and len(begun.delistings))):
        nothing = config.model_copy(update={"delisting_recovery": 0.0})
        base, opened = (
            (open_account(first, capital), _opened(open_account(first, capital), capital))
            if begun is None
            else (begun.state.unrecovered, Ledger())
        )
        others, without = _from_signal_to_signal(base, signals, market, last, nothing, opened)
        unrecovered = without.daily
    returns = _between(market, benchmark_returns, first, last)
    net_value, without_recovery = (frame["equity"].to_numpy() / capital for frame in (records, unrecovered))
    frames = {kind: getattr(ledger, kind) for kind in LEDGER_FRAMES}
    if begun is None:
        returns = np.concatenate([[np.nan], returns])
    else:
        before = begun.daily
        net_value = np.concatenate([before["net_value"].to_numpy(), net_value])
        without_recovery = np.concatenate([before["unrecovered_net_value"].to_numpy(), without_recovery])
        returns = np.concatenate([before["benchmark_return"].to_numpy(), returns])
        equity = before["net_value"] * capital
        records = joined("daily", (before[["date", *DAILY_RECORDS]].assign(equity=equity), records))
        frames = {kind: joined(kind, (getattr(begun, kind), frame)) for kind, frame in frames.items()}
    logger.info(
        "backtest %s to %s: %d rebalances, %d blocked trades, %d delistings; %d holdings suspended at the end",
        first,
        last,
        len(signals),
        int(ledger.trades["is_blocked"].sum()),
        len(ledger.delistings),
        records["suspended_count"].iloc[-1],
    )
    kept = slice(-STATES, None)
    return BacktestResult(
        daily=daily_frame(net_value, without_recovery, returns, records),
        **frames,
        account=states[-1],
        pending=signals[-1][1] if signals and signals[-1][0] == last else None,
        states=tuple(BacktestState(*both) for both in zip(states[kept], others[kept], strict=True)),
    )


def targets_from_frame(frame: pd.DataFrame) -> dict[np.datetime64, pd.Series]:
    """Target weights of a tidy frame (date, symbol, weight) in the form that `run_backtest` takes."""
    days = frame["date"].to_numpy().astype("datetime64[D]")
    weights = frame.set_index("symbol")["weight"]
    return {day: weights[days == day] for day in np.unique(days)}


def daily_frame(
    net_value: np.ndarray, unrecovered: np.ndarray, benchmark_returns: np.ndarray, records: pd.DataFrame
) -> pd.DataFrame:
    """The daily frame of a result from net values [T] (1 at the base) and the records of the same sessions.

    `benchmark_returns` [T] are NaN at the base. `records` has date and `DAILY_RECORDS`.
    """
    frame = records[["date"]].copy()
    frame["net_value"] = net_value
    before = np.concatenate([[np.nan], net_value[:-1]])
    # Nothing earns nothing.
    frame["return"] = np.divide(net_value, before, out=np.ones(len(before)), where=before != 0) - 1.0
    frame["benchmark_return"] = benchmark_returns
    frame["excess_return"] = frame["return"] - frame["benchmark_return"]
    frame["excess_net_value"] = (1.0 + frame["excess_return"].fillna(0.0)).cumprod()
    frame["unrecovered_net_value"] = unrecovered
    return frame.join(records[list(DAILY_RECORDS)])


def _opened(base: Account, capital: float) -> Ledger:
    ledger = Ledger()
    ledger.open(base.session, capital)
    return ledger


def _from_signal_to_signal(
    account: Account,
    signals: Sequence[tuple[np.datetime64, pd.Series]],
    market: DenseMarket,
    last: np.datetime64,
    config: BacktestConfig,
    ledger: Ledger,
) -> tuple[list[Account], Ledger]:
    """An account at the close of each session of a signal and of `last`, signals from its own session on."""
    board, ends = QuoteBoard(market, config), [*(session for session, _ in signals), last]
    accounts = [_advance(account, None, board, ends[0], ledger)]
    for (_, weights), end in zip(signals, ends[1:], strict=True):
        accounts.append(_advance(accounts[-1], weights, board, end, ledger))
    return accounts, ledger


def _advance(
    account: Account, target: pd.Series | None, board: QuoteBoard, until: str | np.datetime64, ledger: Ledger
) -> Account:
    market = board.market
    start, stop = market.position(account.session), market.position(until)
    if stop < start:
        raise SimulationError(f"the account is at {account.session} already and cannot go back to {until}")
    for row in range(start + 1, stop + 1):
        account = _session(account, target, board, row, ledger)
        target = None
    return account


def _session(account: Account, target: pd.Series | None, board: QuoteBoard, row: int, ledger: Ledger) -> Account:
    """One session: new codes, ex-rights, delistings, the trades, the close."""
    session, config = board.market.sessions[row], board.config
    rates = cost_rates(config, session)
    if (codes := board.codes_on(row, account.symbols)) is not account.symbols:
        account = under_new_codes(account, codes)
    if target is not None:
        wanted = target.index.to_numpy(dtype=str)
        if (codes := board.codes_on(row, wanted)) is not wanted:
            target = pd.Series(target.to_numpy(), index=codes).groupby(level=0).sum()
    closes = board.closes(row, account.symbols)
    account, entitlements = credit_entitlements(account, closes, config.bonus_threshold)
    account, delistings = sell_delisted(account, closes, config.delisting_recovery, rates)
    fills = None
    is_asked = target is not None or account.has_orders or (closes.is_leaving & closes.has_row).any()
    if is_asked and account.equity > 0:  # who has lost everything trades no more
        concerned = account.symbols
        if target is not None:
            concerned = np.union1d(account.symbols, target.index.to_numpy(dtype=str))
        account, fills = execute(account, target, board.quotes(row, concerned), rates, config)
    if account.symbols is not closes.symbols:
        closes = board.closes(row, account.symbols)
    account = mark(account, session, closes)
    ledger.add(account, fills, delistings, entitlements, closes.is_suspended)
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
