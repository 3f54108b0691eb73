"""The orders of a rebalance, from the lake: closes, the order list, and what whole shares do to the limits.

The signal is that of the rebalance's close; the orders are for the next session, at its costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import cost_rates
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.tradability import Restriction, restrictions
from attn_platform.errors import PortfolioError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import STATUS_CODES, load_dense
from attn_platform.market.lake import Lake
from attn_platform.market.trading_rules import FEN_PER_CNY
from attn_platform.portfolio.limits.stock import StockLimit
from attn_platform.portfolio.limits.turnover import TurnoverLimit
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.rebalance import load_problem
from attn_platform.portfolio.solver.feasible_set import exceeded, feasible_set
from attn_platform.portfolio.strategy import Strategy, load_account, load_target
from attn_platform.portfolio.trading.daily_orders import DailyOrders, daily_orders
from attn_platform.portfolio.trading.days import days_within
from attn_platform.portfolio.trading.orders import OrderConfig, OrderList, make_orders
from attn_platform.portfolio.trading.positions import scaled_positions

EXCEEDED_COLUMNS = ("limit", "name", "allowed", "target", "reached")


@dataclass(frozen=True)
class RebalanceOrders:
    """The orders of one rebalance, for `session`, the one after its signal.

    `exceeded` has the limits that the portfolio of whole shares exceeds by more than the tolerance of the orders'
    configuration, `EXCEEDED_COLUMNS`: what is allowed, and the active weight, exposure, share or turnover of the target
    and of the whole shares. The turnover is that from the positions that were given.

    `turnover_limit` is infinite where nothing is held, as there is none for a first portfolio; `days_within_limit` is
    the fewest days over which the orders can be spread so that each day keeps it, None where there is no such number.
    It is one where the target itself keeps the limit: what its orders exceed it by is the rounding to whole lots.
    `positions` (symbol, shares, sellable) are what the orders start from, beside the cash of the summary. `daily` are
    the orders spread over the days that were asked for, None for one day.
    """

    signal: np.datetime64
    session: np.datetime64
    listed: OrderList
    exceeded: pd.DataFrame
    turnover_limit: float
    days_within_limit: int | None
    positions: pd.DataFrame
    daily: DailyOrders | None = None

    @property
    def orders(self) -> pd.DataFrame:
        """The orders, day by day where they are spread over several."""
        return self.listed.orders if self.daily is None else self.daily.orders

    @property
    def sessions(self) -> list[str]:
        """The sessions that the orders are for, one a day."""
        return [str(self.session)] if self.daily is None else self.daily.days["session"].tolist()


def rebalance_orders(
    lake: Lake,
    calendar: Calendar,
    strategy: Strategy,
    signal: np.datetime64,
    config: OrderConfig,
    money: float | None = None,
    positions: pd.DataFrame | None = None,
    cash: float | None = None,
    days: int = 1,
) -> RebalanceOrders:
    """Orders that lead from a trader's positions to the target of the rebalance of `signal`.

    Without `positions` they are the strategy's own account, scaled to `money` (default: what the account is worth).
    With them there is `cash` beside them, or `money` is what they and the cash are worth together. They are spread over
    `days` sessions, the first of which is the one after the signal.

    Raises PortfolioError where the rebalance is not in the lake, and for what `make_orders` refuses.
    """
    account, target = load_account(lake, strategy, signal), load_target(lake, strategy, signal)
    is_of_strategy = positions is None
    held = account.symbols if positions is None else positions["symbol"].to_numpy(dtype=str)
    quotes = closing_quotes(lake, calendar, signal, strategy.backtest, held)
    if positions is None:
        positions, cash = scaled_positions(account, quotes, account.equity if money is None else money)
    elif cash is None:
        cash = _rest(positions, quotes, money)
    session = calendar.shift(signal, 1)
    rates = cost_rates(strategy.backtest, session)
    listed = make_orders(target, positions, cash, quotes, rates, config, days)
    own = _as_account(positions, quotes, cash, signal)
    # The strategy may hold stocks that are neither forecast nor in the benchmark, and that the desk does not have.
    targeted = target.index[target > 0].tolist()
    problem = load_problem(lake, calendar, strategy, signal, own, targeted)
    turnover_limit = strategy.limits.of(TurnoverLimit).upper(problem)
    exact = _turnover(account if is_of_strategy else own, target)
    if min(exact, listed.summary.one_way_turnover) <= turnover_limit + config.breach_tolerance:
        days_within_limit: int | None = 1
    else:
        several = listed if days > 1 else make_orders(target, positions, cash, quotes, rates, config, days=2)
        most = 2 * turnover_limit * listed.summary.equity * FEN_PER_CNY
        days_within_limit = days_within(several.whole, most, least=2)
    return RebalanceOrders(
        signal=signal,
        session=session,
        listed=listed,
        exceeded=_exceeded(problem, strategy, listed, config.breach_tolerance),
        turnover_limit=turnover_limit,
        days_within_limit=days_within_limit,
        positions=positions,
        daily=daily_orders(listed, [calendar.shift(session, day) for day in range(days)]) if days != 1 else None,
    )


def closing_quotes(
    lake: Lake,
    calendar: Calendar,
    session: np.datetime64,
    config: BacktestConfig,
    held: Sequence[str] | np.ndarray = (),
) -> pd.DataFrame:
    """Name, raw close and restriction at the close of `session` of every stock with a row, by symbol.

    Of those `held` that are listed and have no row in it, which is a suspension, the last close before it.
    """
    market = load_dense(lake, calendar, session, session, BACKTEST_FIELDS)
    today = {name: values[0] for name, values in market.fields.items()}
    code = restrictions(today, "close").astype(np.int64)
    if not config.buy_delisting:
        is_leaving = (today["trading_status"] == STATUS_CODES["delisting"]) & (code != Restriction.SUSPENDED)
        code = np.where(is_leaving, Restriction.DELISTING_PERIOD, code)
    security = lake.read("security", columns=["symbol", "name", "list_date"]).to_pandas().set_index("symbol")
    without_row = [symbol for symbol in held if symbol in security.index and symbol not in market.delist_dates]
    without_row = np.setdiff1d(np.array(without_row, dtype=str), market.symbols).tolist()
    last = _last_closes(lake, session, security["list_date"].reindex(without_row))
    symbols = [*market.symbols.tolist(), *last]
    return pd.DataFrame(
        {
            "name": security["name"].reindex(symbols).fillna("").to_numpy(),
            "close": np.append(today["close"], list(last.values())),
            "restriction": np.append(code, np.full(len(last), Restriction.NO_ROW, dtype=np.int64)),
        },
        index=symbols,
    ).sort_index()


def _last_closes(lake: Lake, session: np.datetime64, listed: pd.Series) -> dict[str, float]:
    """The newest close up to a session of each stock that has one; `listed` are their list dates by symbol."""
    found: dict[str, float] = {}
    if listed.empty:
        return found
    first = None if listed.isna().any() else np.datetime64(pd.Timestamp(listed.min()), "D")
    for day in lake.sessions("daily_bar", first, session)[::-1]:
        bars = lake.read("daily_bar", day, day, ["symbol", "close"]).to_pandas().set_index("symbol")["close"]
        found |= bars[bars.index.isin(listed.index.difference(list(found)))].to_dict()
        if len(found) == len(listed):
            break
    return found


def _rest(positions: pd.DataFrame, quotes: pd.DataFrame, money: float | None) -> float:
    """The cash beside positions that are worth `money` with it."""
    if money is None:
        raise PortfolioError("orders: positions alone do not say the cash beside them; give cash, or money in all")
    closes = quotes["close"].reindex(positions["symbol"]).to_numpy()
    return money - float(np.nansum(positions["shares"].to_numpy() * closes))


def _as_account(positions: pd.DataFrame, quotes: pd.DataFrame, cash: float, session: np.datetime64) -> Account | None:
    """The positions as an account, in raw shares at raw closes; None where there are none."""
    held = positions[positions["shares"] > 0].sort_values("symbol")
    if held.empty:
        return None
    symbols = held["symbol"].to_numpy(dtype=str)
    return Account(
        session=session,
        cash=cash,
        symbols=symbols,
        units=held["shares"].to_numpy(dtype=np.float64),
        prices=quotes["close"].reindex(symbols).to_numpy(dtype=np.float64),
    )


def _turnover(account: Account | None, target: pd.Series) -> float:
    """One-way turnover from what an account holds to the target, in parts of shares as small as need be."""
    held = pd.Series(dtype=np.float64) if account is None else account.weights()
    return float(target.sub(held, fill_value=0.0).abs().sum()) / 2


def _exceeded(problem: WeeklyProblem, strategy: Strategy, listed: OrderList, tolerance: float) -> pd.DataFrame:
    feasible = feasible_set(problem, strategy.limits, strategy.own_limits)
    holdings = listed.holdings.set_index("symbol")
    after, target = (
        holdings[column].reindex(problem.symbols, fill_value=0.0).to_numpy() for column in ("weight", "target_weight")
    )
    centers = np.array([row.center for row in feasible.rows])
    sums = dict(zip(((row.kind, row.name) for row in feasible.rows), feasible.sums(target) - centers, strict=True))
    active = dict(zip(problem.symbols.tolist(), target - problem.benchmark, strict=True))
    rows = [
        {
            "limit": each.limit,
            "name": each.name,
            "allowed": each.allowed,
            "target": float(active[each.name] if each.limit == StockLimit.kind else sums[each.limit, each.name]),
            "reached": each.reached,
        }
        for each in exceeded(problem, feasible, after, tolerance)
    ]
    return pd.DataFrame(rows, columns=list(EXCEEDED_COLUMNS))
