"""The way of a week's orders: made, looked at, approved, filled; the next week starts from what was filled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.errors import ConsentError
from attn_platform.portfolio.strategy import Strategy
from attn_platform.portfolio.trading.blotter import (
    Approval,
    Blotter,
    Fills,
    Look,
    Order,
    Position,
    Shown,
    Start,
    Week,
    last_look,
    look_at,
    order_changes,
)
from attn_platform.portfolio.trading.fills import checked_fills, read_fills
from attn_platform.portfolio.trading.orders import OrderConfig
from attn_platform.portfolio.trading.positions import read_positions
from attn_platform.portfolio.trading.real_positions import RealPositions, real_positions
from attn_platform.portfolio.trading.rebalance_orders import RebalanceOrders, rebalance_orders
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.consent import portfolio_fingerprint
from attn_platform.workflows.portfolios import resolve


@dataclass(frozen=True)
class OrderProposal:
    """The orders of a rebalance, where their positions came from, and the rows of a file that are no A shares.

    `real` is set where they are what the fills of the orders before imply.
    """

    orders: RebalanceOrders
    set_aside: pd.DataFrame
    start: Start
    config: OrderConfig
    real: RealPositions | None = None


def orders_for(
    home: Home,
    config: StrategyConfig,
    signal: np.datetime64,
    trading: OrderConfig | None = None,
    money: float | None = None,
    positions: Path | None = None,
    cash: float | None = None,
    days: int = 1,
) -> OrderProposal:
    """Orders in whole shares that lead to the target of the rebalance of `signal`, for the session after it.

    They start from the positions of a file; without one and without `money` from what the fills of the orders before
    imply, where orders were sent; else from the strategy's own account, scaled to `money`.

    Args:
        home: whose lake has the rebalance.
        config: the strategy.
        signal: session of the rebalance.
        trading: buffer against prices that move, least cost of an order, and which excess over a limit counts.
        money: CNY in all.
        positions: CSV, Parquet or Excel file of what is held.
        cash: CNY beside the positions of the file, in place of `money`.
        days: sessions over which the orders are spread in about equal parts.

    Raises:
        BadInputError: the file of positions cannot be used.
        PortfolioError: the rebalance is not in the lake, or the orders cannot be made.
    """
    trading, strategy = trading or OrderConfig(), resolve(home, config)
    set_aside, real = pd.DataFrame(), None
    held: pd.DataFrame | None = None
    start: Start = "account"
    if positions is not None:
        read = read_positions(positions)
        start, held, set_aside = "file", read.stocks, read.set_aside
    elif money is None:
        real = real_positions(home.lake, home.calendar, Blotter(home.root, config.name), signal)
        if real is not None:
            start, held, cash = "fills", real.positions, real.cash
    made = rebalance_orders(home.lake, home.calendar, strategy, signal, trading, money, held, cash, days)
    return OrderProposal(made, set_aside, start, trading, real)


def record_look(home: Home, config: StrategyConfig, proposal: OrderProposal, by: str, at: datetime) -> Shown:
    """Put on record that somebody looked at orders; nothing where the last look showed the same."""
    signal, strategy = proposal.orders.signal, resolve(home, config)
    fingerprint = portfolio_fingerprint(home, strategy, signal)
    look = look_at(proposal.orders, fingerprint, proposal.config, proposal.start, at, by)
    blotter = Blotter(home.root, config.name)
    blotter.record(signal, lambda week: None if week.looks and week.looks[-1][1].same_as(look) else look)
    return last_look(blotter.week(signal))


def approve_orders(home: Home, config: StrategyConfig, signal: np.datetime64, by: str, at: datetime) -> Shown:
    """Approve the orders that were looked at last: from then on they count as sent.

    `ConsentError` where nobody has looked at them, where they were approved or filled already, where the portfolio was
    made again since, or where today's prices and rules make other orders of it.
    """
    strategy, blotter = resolve(home, config), Blotter(home.root, config.name)

    def approval(week: Week) -> Approval:
        return Approval(at=at, by=by, look=_approvable(home, strategy, week), changes=last_look(week).changes)

    blotter.record(signal, approval)
    return last_look(blotter.week(signal))


def take_fills(home: Home, config: StrategyConfig, signal: np.datetime64, path: Path, by: str, at: datetime) -> Week:
    """Enter the fills of a file for orders that were sent; returns the week as it is then.

    Raises:
        ConsentError: the orders were not sent.
        BadInputError: the file cannot be used, came in already, or holds what the orders cannot have led to.
    """

    def entry(week: Week) -> Fills:
        sent = week.sent
        if sent is None:
            raise ConsentError(
                f"the orders of {config.name} of {signal} were not sent: attn approve {config.name} --date {signal}"
            )
        fills = read_fills(path, sent, home.calendar)
        digest = checked_fills(path, fills, week, sent)
        return Fills(at=at, by=by, file=path.name, digest=digest, fills=tuple(fills))

    blotter = Blotter(home.root, config.name)
    blotter.record(signal, entry)
    return blotter.week(signal)


def _approvable(home: Home, strategy: Strategy, week: Week) -> int:
    """The number of the last look, as far as it can be approved."""
    name, signal, again = strategy.name, week.signal, f"attn portfolio {strategy.name} --date {week.signal} --orders"
    if not week.looks:
        raise ConsentError(f"nobody has looked at the orders of {name} of {signal} yet: {again}")
    number, look = week.looks[-1]
    if week.approval is not None and week.approval.look == number:
        raise ConsentError(
            f"the orders of {name} of {signal} were approved by {week.approval.by} at {week.approval.at:%Y-%m-%d %H:%M}"
        )
    if week.files:
        raise ConsentError(f"orders of {name} of {signal} were filled already; other orders are next week's")
    if look.portfolio != portfolio_fingerprint(home, strategy, signal):
        raise ConsentError(
            f"the portfolio of {name} of {signal} was made again since its orders were looked at on "
            f"{look.at:%Y-%m-%d %H:%M}; look at the new ones: {again}"
        )
    changes = order_changes(look.orders, _made_again(home, strategy, signal, look))
    if changes:
        first = changes[0]
        raise ConsentError(
            f"{len(changes)} orders of {name} of {signal} are others by today's prices and rules than those looked at "
            f"on {look.at:%Y-%m-%d %H:%M}, first {first.symbol}: {first.before} shares, now {first.after}; look at "
            f"them: {again}"
        )
    return number


def _made_again(home: Home, strategy: Strategy, signal: np.datetime64, look: Look) -> tuple[Order, ...]:
    """The orders of a look as they would be made now, from the same positions and cash."""
    held = [position.model_dump() for position in look.positions]
    whole = {"shares": np.int64, "sellable": np.int64}  # also where nothing is held
    positions = pd.DataFrame(held, columns=list(Position.model_fields)).astype(whole)
    days = len(look.sessions)
    made = rebalance_orders(home.lake, home.calendar, strategy, signal, look.config, None, positions, look.cash, days)
    return look_at(made, look.portfolio, look.config, look.start, look.at, look.by).orders
