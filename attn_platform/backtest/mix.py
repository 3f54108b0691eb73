"""Mixes of strategies: equal money each, set back to equal every 60 sessions (AI-55, `gat_xgboost_mix`).

Each part runs in its own account; the study does not say how the money is moved. Here a reset moves it at the close of
its session from the parts that did better to the others: each part trades all its holdings in proportion, at the close
and without restrictions, and pays costs; nothing is netted between the parts. Parts hold fractional shares, so that a
part with more or less money does the same per yuan, and the mix follows from the parts' backtests alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import CostRates, cost_rates
from attn_platform.backtest.ledger import empty_frame
from attn_platform.backtest.simulator import daily_frame
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import ConfigurationError, SimulationError
from attn_platform.market.dense import DenseMarket

MIX_FIELDS = ("close", "adj_factor")
# What scales with a part's share of the money, and what with the money itself.
SHARES = ("held_weight", "target_weight", "weight", "traded_weight", "cost", "unfilled_weight")
AMOUNTS = ("units", "amount", "fee")


class MixConfig(BaseModel):
    """How a mix is kept at equal parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reset_sessions: int = Field(default=60, ge=1)  # AI-55


@dataclass(frozen=True)
class MixPart:
    """The backtest of one strategy of a mix: the frames of a `BacktestResult`."""

    name: str
    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame


@dataclass(frozen=True)
class MixResult:
    """A mix as the frames of a `BacktestResult`; trades and delistings have the `part` they belong to as well.

    In `daily`, turnover, cost and the shares are the parts' own weighted by their money at the close before, plus those
    of the resets; the counts count a stock once a part. The unrecovered net value is the mix of the parts' own, with
    resets that trade the same shares of their money. Trades of resets have the restriction "none".
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame
    dividends: pd.DataFrame


@dataclass(frozen=True)
class _Money:
    """Net values of the parts in the mix [T, P] (Σ = 1 at the base) and what moved them."""

    net_values: np.ndarray  # after the resets
    before: np.ndarray  # at the same closes, before the resets
    alone: np.ndarray  # of the parts on their own
    cash_shares: np.ndarray
    resets: Mapping[int, CostRates]  # rows of the resets

    @property
    def shares(self) -> np.ndarray:
        """Each part's share of the mix [T, P], after the resets."""
        return self.net_values / self.net_values.sum(axis=1, keepdims=True)

    def reset_costs(self, row: int) -> np.ndarray:
        """Cost of a reset by part [P], of the same unit as the net values."""
        change = self.net_values[row] - self.before[row]
        rates = self.resets[row]
        return np.where(change > 0, rates.buy, rates.sell) * self.reset_trades(row)

    def reset_trades(self, row: int) -> np.ndarray:
        """Stocks that a reset trades, by part [P]: cash is moved without a trade."""
        return abs(self.net_values[row] - self.before[row]) * (1.0 - self.cash_shares[row])


def mix_backtests(parts: Sequence[MixPart], market: DenseMarket, mix: MixConfig, config: BacktestConfig) -> MixResult:
    """The mix of some backtests, which must have the same sessions, benchmark and initial capital.

    `market` has all these sessions with close and adj_factor: between its trades, a part's weights drift with them.
    """
    if config.whole_shares or config.minimum_commission:
        raise ConfigurationError(
            "a mix is one of fractional shares without a minimum commission, so that its parts do the same whatever "
            "their money; set whole_shares to false and minimum_commission to 0"
        )
    daily = _alike(parts)
    dates = daily[0]["date"].to_numpy()
    money, unrecovered = (_move_money(daily, name, mix, config) for name in ("net_value", "unrecovered_net_value"))
    drifts = [_Drift(part, dates, money.alone[:, place], market) for place, part in enumerate(parts)]
    trades = [_scaled(part.trades, part.name, dates, money, place) for place, part in enumerate(parts)]
    resets = [
        _reset_trades(drift, row, money, place, config.initial_capital)
        for row in money.resets
        for place, drift in enumerate(drifts)
    ]
    delistings = [_scaled(part.delistings, part.name, dates, money, place) for place, part in enumerate(parts)]
    return MixResult(
        daily=_daily(daily, money, unrecovered.net_values.sum(axis=1)),
        trades=_in_order([*trades, *resets]),
        holdings=_holdings(drifts, dates, money),
        delistings=_in_order(delistings),
        dividends=empty_frame("dividends"),
    )


@dataclass(frozen=True)
class MixMoney:
    """Whose money a mix is: shares of the parts [T, P] after each close and its reset; what resets cost [T].

    The cost of a reset is over the money of the mix at the close before its session, as a return is.
    """

    dates: np.ndarray
    shares: np.ndarray
    reset_costs: np.ndarray


def mix_money(parts: Sequence[pd.DataFrame], mix: MixConfig, config: BacktestConfig) -> MixMoney:
    """From the daily frames of the parts' backtests: with these shares s, the return of the mix in session t is

    Σ s(t − 1) r(t) − reset_costs(t), r the parts' own returns.
    """
    money = _move_money(parts, "net_value", mix, config)
    totals, costs = money.net_values.sum(axis=1), np.zeros(len(money.net_values))
    for row in money.resets:
        costs[row] = float(money.reset_costs(row).sum()) / totals[row - 1]
    return MixMoney(parts[0]["date"].to_numpy(), money.shares, costs)


class _Drift:
    """Weights of one part at any close: those after its last trades, moved by prices and by its own net value."""

    def __init__(self, part: MixPart, dates: np.ndarray, net_value: np.ndarray, market: DenseMarket) -> None:
        self.name, self.dates, self.net_value = part.name, dates, net_value
        self.symbols = market.symbols
        self.prices = market["close"] * market["adj_factor"]
        self.first = market.position(dates[0])
        # A session that leaves nothing but cash has trades and no holdings.
        traded = np.unique(np.concatenate([part.trades["date"].to_numpy(), part.holdings["date"].to_numpy()]))
        self.rows = np.searchsorted(dates, traded)
        self.paid = np.searchsorted(market.symbols, part.delistings["symbol"].to_numpy(dtype=str))
        self.paid_in = np.searchsorted(dates, part.delistings["date"].to_numpy())
        held = dict(iter(part.holdings.groupby("date")))
        nothing = part.holdings.iloc[:0]
        self.held = [
            (np.searchsorted(market.symbols, frame["symbol"].to_numpy(dtype=str)), frame["weight"].to_numpy())
            for frame in (held.get(pd.Timestamp(date), nothing) for date in traded)
        ]

    def at(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns of the market and weights of what is held at the close of a session."""
        last = int(np.searchsorted(self.rows, row, side="right")) - 1
        if last < 0:
            return np.array([], dtype=np.intp), np.array([])
        since, (columns, weights) = self.rows[last], self.held[last]
        stays = ~np.isin(columns, self.paid[(self.paid_in > since) & (self.paid_in <= row)])
        columns, weights = columns[stays], weights[stays]
        moved = self.last_prices(row, columns) / self.last_prices(since, columns)
        return columns, weights * moved * self.net_value[since] / self.net_value[row]

    def last_prices(self, row: int, columns: np.ndarray) -> np.ndarray:
        """Adjusted closes at a session or, of a stock without a row, the last one before it."""
        prices = self.prices[self.first + row, columns]
        back = self.first + row
        while np.isnan(prices).any() and back > 0:
            back -= 1
            prices = np.where(np.isnan(prices), self.prices[back, columns], prices)
        return prices


def _alike(parts: Sequence[MixPart]) -> list[pd.DataFrame]:
    """The daily frames; SimulationError if they do not fit."""
    if not parts:
        raise SimulationError("a mix needs at least one strategy")
    daily = [part.daily.reset_index(drop=True) for part in parts]
    for part, frame in zip(parts, daily, strict=True):
        if not frame[["date", "benchmark_return"]].equals(daily[0][["date", "benchmark_return"]]):
            raise SimulationError(
                f"{part.name} and {parts[0].name} have different sessions or benchmarks and cannot be mixed; "
                "backtest them alike"
            )
    return daily


def _move_money(daily: Sequence[pd.DataFrame], net_value: str, mix: MixConfig, config: BacktestConfig) -> _Money:
    """The parts' net values of one kind, moved by the resets."""
    alone, cash_shares = (
        np.column_stack([frame[name].to_numpy() for frame in daily]) for name in (net_value, "cash_share")
    )
    growth = np.divide(alone[1:], alone[:-1], out=np.ones_like(alone[1:]), where=alone[:-1] != 0)
    dates = daily[0]["date"].to_numpy().astype("datetime64[D]")
    net_values = np.full(alone.shape, 1.0 / alone.shape[1])
    before, resets = net_values.copy(), {}
    for row in range(1, len(dates)):
        net_values[row] = before[row] = net_values[row - 1] * growth[row - 1]
        if row % mix.reset_sessions == 0:
            resets[row] = cost_rates(config, dates[row])
            net_values[row] = _equal(before[row], 1.0 - cash_shares[row], resets[row])
    return _Money(net_values, before, alone, cash_shares, resets)


def _equal(values: np.ndarray, invested: np.ndarray, rates: CostRates) -> float:
    """The money x that each part has after a reset: Σ x + Σ costs = Σ values, each part paying for what it trades."""

    def missing(level: float) -> float:
        change = level - values
        return float((change + np.where(change > 0, rates.buy, rates.sell) * invested * abs(change)).sum())

    # The richest part that does not sell; between it and the next one the equation is linear.
    richest = max(value for value in values if missing(value) <= 0)
    cost = np.where(values <= richest, rates.buy, -rates.sell) * invested
    return float((values * (1.0 + cost)).sum() / (1.0 + cost).sum())


def _scaled(frame: pd.DataFrame, name: str, dates: np.ndarray, money: _Money, place: int) -> pd.DataFrame:
    """Rows of one part's own ledger as shares and amounts of the mix: by its money at the close before."""
    before = np.searchsorted(dates, frame["date"].to_numpy()) - 1
    share, scale = money.shares[before, place], money.net_values[before, place] / money.alone[before, place]
    changed = {column: frame[column] * share for column in SHARES if column in frame}
    changed |= {column: frame[column] * scale for column in AMOUNTS if column in frame}
    return frame.assign(part=name, **changed)


def _reset_trades(drift: _Drift, row: int, money: _Money, place: int, capital: float) -> pd.DataFrame:
    """What one part trades in a reset: all its holdings in proportion, at the close."""
    columns, weights = drift.at(row)
    before, after, rates = money.before[row], money.net_values[row], money.resets[row]
    equity, equity_after = float(before.sum()), float(after.sum())
    change = weights * (after[place] - before[place])
    fee = abs(change) * (rates.buy if after[place] > before[place] else rates.sell)
    price = drift.last_prices(row, columns)
    frame = pd.DataFrame(
        {
            "date": drift.dates[row],
            "symbol": drift.symbols[columns],
            "held_weight": weights * before[place] / equity,
            "target_weight": weights * after[place] / equity_after,
            "weight": weights * after[place] / equity_after,
            "traded_weight": change / equity,
            "cost": fee / equity,
            "restriction": Restriction.NONE.name.lower(),
            "is_blocked": False,
            "unfilled_weight": 0.0,
            "units": change * capital / price,
            "price": price,
            "amount": abs(change) * capital,
            "fee": fee * capital,
            "part": drift.name,
        }
    )
    return frame[frame["traded_weight"] != 0]


def _holdings(drifts: Sequence[_Drift], dates: np.ndarray, money: _Money) -> pd.DataFrame:
    """Weights by stock, over all parts, after each session in which a part traded."""
    frames = [empty_frame("holdings")]
    for row in np.unique(np.concatenate([*(drift.rows for drift in drifts), [*money.resets]])).astype(int):
        total = np.zeros(len(drifts[0].symbols))
        for place, drift in enumerate(drifts):
            columns, weights = drift.at(row)
            total[columns] += weights * money.shares[row, place]
        held = total > 0
        frames.append(pd.DataFrame({"date": dates[row], "symbol": drifts[0].symbols[held], "weight": total[held]}))
    return pd.concat(frames, ignore_index=True).astype(frames[0].dtypes)


def _in_order(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    kept = [frame for frame in frames if not frame.empty] or list(frames[:1])
    joined = pd.concat(kept, ignore_index=True)
    return joined.astype(frames[0].dtypes).sort_values(["date", "part", "symbol"], ignore_index=True)


def _daily(daily: Sequence[pd.DataFrame], money: _Money, unrecovered: np.ndarray) -> pd.DataFrame:
    base = np.full((1, len(daily)), 1.0 / len(daily))
    shares_before = np.concatenate([base, money.shares[:-1]])
    turnover, cost = (
        (np.column_stack([frame[name].to_numpy() for frame in daily]) * shares_before).sum(axis=1)
        for name in ("turnover", "cost")
    )
    for row in money.resets:
        equity = float(money.before[row].sum())
        turnover[row] += float(money.reset_trades(row).sum()) / equity
        cost[row] += float(money.reset_costs(row).sum()) / equity
    suspended = np.column_stack([frame["suspended_share"].to_numpy() for frame in daily])
    records = daily[0][["date"]].assign(
        turnover=turnover,
        cost=cost,
        cash_share=(money.cash_shares * money.shares).sum(axis=1),
        holding_count=sum(frame["holding_count"].to_numpy() for frame in daily),
        suspended_count=sum(frame["suspended_count"].to_numpy() for frame in daily),
        suspended_share=(suspended * money.shares).sum(axis=1),
    )
    return daily_frame(money.net_values.sum(axis=1), unrecovered, daily[0]["benchmark_return"].to_numpy(), records)
