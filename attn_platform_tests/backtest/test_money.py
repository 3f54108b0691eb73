"""Money is conserved: to the fen with whole shares, from the ledger alone and in integers; to rounding with fractions.

The audit believes the ledger and the market only: it keeps cash in fen and shares as whole numbers, checks
each trade against the price, the lot, the board and the volume, and adds up where the money came from and went.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import floor, isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import BacktestResult, run_backtest
from attn_platform.market.dense import STATUS_CODES, DenseMarket
from attn_platform_tests.backtest.markets import random_market, random_targets

TEN_YEARS = 2500
ONE_A_YEAR = 1 / 250
SHORT = 60


def in_fen(amount: float) -> int:
    """A ledger's amount, which must be whole fen."""
    fen = Decimal(amount) * 100
    assert abs(fen - round(fen)) < Decimal("1e-4")
    return round(fen)


def half_up(amount: Decimal) -> int:
    """CNY as fen, but for the noise of floats."""
    return int((amount * 100).quantize(Decimal("1e-8")).quantize(Decimal(1), ROUND_HALF_UP))


def rows_by_day(frame: pd.DataFrame) -> dict[np.datetime64, list]:
    days = defaultdict(list)
    for day, row in zip(frame["date"].to_numpy().astype("datetime64[D]"), frame.itertuples(), strict=True):
        days[day].append(row)
    return days


def audit(result: BacktestResult, market: DenseMarket, config: BacktestConfig) -> dict[str, int]:
    """Totals in fen: price gains, dividends, costs; fails where the ledger does not add up."""
    column = {symbol: i for i, symbol in enumerate(market.symbols.tolist())}
    dividends, delistings, trades = (rows_by_day(f) for f in (result.dividends, result.delistings, result.trades))
    rate = Decimal(str(config.cost_per_side))
    start = cash = in_fen(config.initial_capital)
    shares: dict[str, int] = {}
    marked: dict[str, int] = {}  # fen a share at the last close
    totals = {"gains": 0, "dividends": 0, "costs": 0, "trades": 0, "delistings": 0}
    for net_value, date in result.daily[["net_value", "date"]].itertuples(index=False):
        day = np.datetime64(date, "D")
        today = {name: values[market.position(day)] for name, values in market.fields.items()}
        value_before = sum(count * marked[s] for s, count in shares.items())
        exchanged = 0  # spent on shares, less received for them
        for row in dividends[day]:
            assert shares[row.symbol] == row.shares
            shares[row.symbol] += int(row.new_shares)
            cash += in_fen(row.cash)
            totals["dividends"] += in_fen(row.cash)
        for row in delistings[day]:
            count = shares.pop(row.symbol)
            assert (row.units, in_fen(row.amount)) == (
                count,
                half_up(Decimal(count * marked[row.symbol]) / 100 * Decimal(str(config.delisting_recovery))),
            )
            assert in_fen(row.fee) == half_up(Decimal(in_fen(row.amount)) / 100 * rate)
            cash += in_fen(row.amount) - in_fen(row.fee)
            exchanged -= in_fen(row.amount)
            totals["costs"] += in_fen(row.fee)
            totals["delistings"] += 1
        for row in trades[day]:
            count, held = int(row.units), shares.get(row.symbol, 0)
            assert count == row.units
            if not count:
                assert row.fee == row.amount == 0
                continue
            check_trade(row.symbol, count, held, {n: v[column[row.symbol]] for n, v in today.items()}, config)
            price = Decimal(str(average_price({n: float(v[column[row.symbol]]) for n, v in today.items()})))
            assert in_fen(row.amount) == half_up(abs(count) * price)
            assert in_fen(row.fee) == half_up(Decimal(in_fen(row.amount)) / 100 * rate)
            signed = in_fen(row.amount) if count > 0 else -in_fen(row.amount)
            cash -= signed + in_fen(row.fee)
            exchanged += signed
            totals["costs"] += in_fen(row.fee)
            totals["trades"] += 1
            shares[row.symbol] = held + count
            if not shares[row.symbol]:
                del shares[row.symbol]
        assert cash >= 0
        closes = {s: today["close"][column[s]] for s in shares}
        marked = {s: marked[s] if isnan(close) else in_fen(close) for s, close in closes.items()}
        value = sum(count * marked[s] for s, count in shares.items())
        totals["gains"] += value - value_before - exchanged
        assert in_fen(round(net_value * config.initial_capital, 6)) == cash + value
    account = result.account
    held = {s: int(u) for s, u in zip(account.symbols.tolist(), account.units, strict=True) if u}
    assert held == shares
    assert in_fen(account.cash) == cash
    end = cash + sum(count * marked[s] for s, count in shares.items())
    assert end == start + totals["gains"] + totals["dividends"] - totals["costs"]
    return totals


def average_price(row: Mapping[str, float]) -> float:
    """The vwap or, where it is missing, what stands in for it."""
    candidates = (row["vwap"], row["amount"] / row["volume"], row["close"])
    return next(price for price in candidates if not isnan(price))


def check_trade(symbol: str, count: int, held: int, row: dict[str, float], config: BacktestConfig) -> None:
    """A valid order that the market could fill."""
    minimum, step = (200, 1) if symbol.startswith("688") else (100, 1) if symbol.endswith(".BJ") else (100, 100)
    board = row["open"] == row["high"] == row["low"] == row["close"]
    assert row["is_suspended"] == 0
    assert row["volume"] > 0
    if config.volume_cap is not None:
        assert abs(count) <= floor(config.volume_cap * row["volume"] + 1e-6)
    if count > 0:
        assert not (board and row["close"] == row["up_limit"])
        assert config.buy_delisting or row["trading_status"] != STATUS_CODES["delisting"]
        assert count >= minimum
        assert count % step == 0
    else:
        assert not (board and row["close"] == row["down_limit"])
        assert -count <= held
        in_steps = count % step == 0 or -count % step == held % step
        assert -count == held or (in_steps and (-count >= minimum or -count == held % step))


def backtest(
    seed: int, sessions: int, stocks: int, config: BacktestConfig, ex_rights: float = 0.05
) -> tuple[BacktestResult, DenseMarket]:
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions, stocks, ex_rights)
    return run_backtest(random_targets(rng, market), market, np.zeros(sessions), config), market


configs = st.builds(
    BacktestConfig,
    whole_shares=st.just(True),
    volume_cap=st.sampled_from([None, 0.01, 0.2]),
    unfilled=st.sampled_from(["drop", "carry"]),
    buy_delisting=st.booleans(),
    delisting_recovery=st.sampled_from([1.0, 0.37, 0.0]),
    cost_per_side=st.sampled_from([0.002, 0.0015, 0.0, 0.00137]),
    bonus_threshold=st.sampled_from([0.1, 0.01, 0.5]),
    initial_capital=st.sampled_from([20_000.0, 1e6, 1e8]),
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), stocks=st.integers(1, 10), config=configs)
def test_whole_shares_conserve_money_to_the_fen(seed: int, stocks: int, config: BacktestConfig) -> None:
    audit(*backtest(seed, SHORT, stocks, config), config)


@pytest.mark.slow
@pytest.mark.parametrize("unfilled", ["drop", "carry"])
@settings(max_examples=1, deadline=None, phases=[Phase.generate])  # too long to be shrunk
@given(seed=st.integers(0, 2**32 - 1))
def test_money_is_conserved_to_the_fen_over_ten_years(unfilled: str, seed: int) -> None:
    config = BacktestConfig(whole_shares=True, volume_cap=0.2, unfilled=unfilled, initial_capital=1e6)
    totals = audit(*backtest(seed, TEN_YEARS, 8, config, ex_rights=ONE_A_YEAR), config)
    assert totals["trades"] > 500
    assert totals["dividends"] > 0
    assert totals["costs"] > 0


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cap=st.sampled_from([None, 0.05]),
    unfilled=st.sampled_from(["drop", "carry"]),
    recovery=st.sampled_from([1.0, 0.4]),
)
def test_fractional_shares_conserve_money(seed: int, cap: float | None, unfilled: str, recovery: float) -> None:
    """Equity goes up by what the units held gained, at the prices that they were bought, marked and sold at."""
    config = BacktestConfig(volume_cap=cap, unfilled=unfilled, delisting_recovery=recovery, initial_capital=1e6)
    result, market = backtest(seed, SHORT, 9, config)
    factor = market["adj_factor"]
    closes = pd.DataFrame(market["close"] * factor).ffill().to_numpy()  # a missing row is a suspension
    column = {symbol: i for i, symbol in enumerate(market.symbols.tolist())}
    trades, delistings = rows_by_day(result.trades), rows_by_day(result.delistings)
    units: dict[str, float] = {}
    last: dict[str, float] = {}
    equity = config.initial_capital
    for net_value, date in result.daily[["net_value", "date"]].itertuples(index=False):
        row = market.position(day := np.datetime64(date, "D"))
        for event in delistings[day]:
            count = units.pop(event.symbol)
            assert event.units == pytest.approx(count, rel=1e-9)
            equity += count * last[event.symbol] * (recovery * (1 - config.cost_per_side) - 1)
        for trade in trades[day]:
            if trade.units:
                at = row, column[trade.symbol]
                price = average_price({name: float(values[at]) for name, values in market.fields.items()}) * factor[at]
                assert trade.amount == pytest.approx(abs(trade.units) * price, rel=1e-9, abs=1e-6)
                held = units.get(trade.symbol, 0.0)
                # Holdings move to the execution price first; the trade itself costs its fee only.
                equity += held * (price - last.get(trade.symbol, price)) - config.cost_per_side * trade.amount
                units[trade.symbol], last[trade.symbol] = held + trade.units, price
        for symbol, count in units.items():
            close = closes[row, column[symbol]]
            equity += count * (close - last[symbol])
            last[symbol] = close
        units = {symbol: count for symbol, count in units.items() if count > 1e-9}
        assert net_value * config.initial_capital == pytest.approx(equity, rel=1e-9)
