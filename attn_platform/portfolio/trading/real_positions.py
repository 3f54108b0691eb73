"""What is really held at a signal: what the last orders that were sent started from, and what was filled since.

Between a fill and the signal the simulator's own rules move the account on: ex-rights of whole shares (dividends in
cash without tax, new shares), new codes, and a delisted holding leaves without a payment. What a broker reports
(`--positions`) is nearer to the truth wherever the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.quotes import BACKTEST_FIELDS, QuoteBoard
from attn_platform.backtest.simulator import advance
from attn_platform.errors import PortfolioError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake
from attn_platform.market.trading_rules import FEN_PER_CNY, in_fen
from attn_platform.portfolio.trading.blotter import Blotter, Fill, Look, Week

# Raw shares with their entitlements; nothing is traded, sold or paid for that no fill says.
DESK = BacktestConfig(whole_shares=True, buy_delisting=True, delisting_recovery=0.0)


@dataclass(frozen=True)
class RealPositions:
    """Positions (symbol, shares, sellable) and cash (CNY) at the close of a signal, and the week that they are from."""

    sent: np.datetime64
    positions: pd.DataFrame
    cash: float


def real_positions(lake: Lake, calendar: Calendar, blotter: Blotter, signal: np.datetime64) -> RealPositions | None:
    """What the newest orders sent before `signal` and their fills leave at its close; None where none were sent.

    `PortfolioError` where orders were sent and no fill of them has come in.
    """
    weeks = [week for week in blotter.sent_weeks() if week < signal]
    if not weeks:
        return None
    week = blotter.week(weeks[-1])
    look = week.sent
    assert look is not None
    if look.orders and not week.files:
        raise PortfolioError(
            f"orders of {blotter.folder.name} of {week.signal} were sent and no fills came back, so what is held is "
            f"not known: attn fills {blotter.folder.name} FILE --date {week.signal}; or give --positions, or --money "
            "for the strategy's own account"
        )
    market = load_dense(lake, calendar, week.signal, signal, BACKTEST_FIELDS)
    account = held_at(market, week, look, signal)
    if account.cash < 0:
        raise PortfolioError(
            f"the fills of {blotter.folder.name} of {week.signal} cost {-account.cash:,.2f} CNY more than the cash and "
            "the sales had brought; give what the broker reports: --positions and --cash"
        )
    shares = account.units.astype(np.int64)
    positions = pd.DataFrame({"symbol": account.symbols, "shares": shares, "sellable": shares})
    return RealPositions(week.signal, positions[shares > 0].reset_index(drop=True), account.cash)


def held_at(market: DenseMarket, week: Week, look: Look, signal: np.datetime64) -> Account:
    """The account of whole shares at the close of `signal`, from what `look` started from and the fills of its week."""
    board = QuoteBoard(market, DESK)
    first, last = market.position(week.signal), market.position(signal)
    account = _known_from(board, first, _opened(week.signal, look))
    for row in range(first + 1, last + 1):
        session = market.sessions[row]
        account, _ = advance(account, None, market, session, DESK)
        fills = [fill for fill in week.fills if fill.session == str(session)]
        account = _known_from(board, row, _with_fills(account, fills))
    return account


def _opened(signal: np.datetime64, look: Look) -> Account:
    held = sorted((position.symbol, position.shares) for position in look.positions if position.shares > 0)
    return Account(
        session=signal,
        cash=look.cash,
        symbols=np.array([symbol for symbol, _ in held], dtype=str),
        units=np.array([shares for _, shares in held], dtype=np.float64),
        prices=np.zeros(len(held)),
        factors=np.full(len(held), np.nan),
    )


def _known_from(board: QuoteBoard, row: int, account: Account) -> Account:
    """The account in which stocks without a factor have that of session `row`, from which on they are entitled.

    Those without a row in it wait for their next one.
    """
    assert account.factors is not None
    closes = board.closes(row, account.symbols)
    is_new = np.isnan(account.factors) & closes.has_row
    return replace(
        account,
        prices=np.where(is_new, closes.close, account.prices),
        factors=np.where(is_new, closes.adj_factor, account.factors),
    )


def _with_fills(account: Account, fills: Sequence[Fill]) -> Account:
    """The account after the fills of its session, in which stocks that it did not hold have no factor yet."""
    if not fills:
        return account
    change: dict[str, int] = {}
    cash = float(in_fen(account.cash))
    for fill in fills:
        sign = 1 if fill.side == "buy" else -1
        change[fill.symbol] = change.get(fill.symbol, 0) + sign * fill.shares
        cash -= sign * fill.shares * fill.price * FEN_PER_CNY + float(in_fen(fill.fees))
    symbols = np.union1d(account.symbols, np.array(list(change), dtype=str))
    place = np.searchsorted(symbols, account.symbols)
    units = np.array([float(change.get(symbol, 0)) for symbol in symbols.tolist()])
    units[place] += account.units
    if (units < 0).any():
        raise PortfolioError(
            f"fills of {account.session} sell more of {symbols[units < 0][0]} than was held; start from the positions "
            "that the broker reports (--positions)"
        )
    prices, factors = np.zeros(len(symbols)), np.full(len(symbols), np.nan)
    prices[place], factors[place] = account.prices, account.factors
    return replace(
        account, cash=round(cash) / FEN_PER_CNY, symbols=symbols, units=units, prices=prices, factors=factors
    )
