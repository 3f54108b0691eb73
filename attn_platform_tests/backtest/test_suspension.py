"""What is not delisted: rows that are missing, suspensions until the end, and what a delisting pays."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.account import Account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import BacktestResult, run_backtest
from attn_platform.market.dense import DenseMarket
from attn_platform_tests.backtest.test_simulator import flat_market, no_benchmark

NAN = float("nan")
FREE = BacktestConfig(cost_per_side=0.0)
A, B = "600001.SH", "600002.SH"


def halted(rows: bool) -> DenseMarket:
    """The first stock is halted in sessions 2 to 4 and reopens 30 % lower; with the halt's rows, or without."""
    closes = [10.0, 10.0, 10.0, 10.0, 10.0, 7.0, 7.0]
    market = flat_market({A: closes, B: [20.0] * 7})
    for name in ("open", "high", "low", "vwap", "volume", "amount"):
        market.fields[name][2:5, 0] = 0.0 if name in ("volume", "amount") else NAN
    market.fields["is_suspended"][2:5, 0] = 1.0
    if not rows:
        for values in market.fields.values():
            values[2:5, 0] = NAN
    return market


def backtest(market: DenseMarket, config: BacktestConfig, *targets: tuple[int, dict[str, float]]) -> BacktestResult:
    signals = {market.sessions[at]: pd.Series(weights) for at, weights in targets}
    return run_backtest(signals, market, no_benchmark(market), config)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"execution_price": "close"},
        {"execution_price": "open", "volume_cap": 0.1},
        {"unfilled": "carry"},
        {"whole_shares": True},
        {"whole_shares": True, "unfilled": "carry", "volume_cap": 0.1},
    ],
)
def test_a_halt_is_the_same_with_its_rows_and_without(changes: dict[str, object]) -> None:
    config = BacktestConfig(cost_per_side=0.0, initial_capital=1e5, **changes)
    targets = (0, {A: 0.5, B: 0.5}), (3, {B: 1.0})
    with_rows, without = (backtest(halted(rows), config, *targets) for rows in (True, False))
    assert without.delistings.empty
    pd.testing.assert_frame_equal(without.daily, with_rows.daily, check_exact=True)
    columns = with_rows.trades.columns.drop("restriction")
    pd.testing.assert_frame_equal(without.trades[columns], with_rows.trades[columns], check_exact=True)
    assert without.account.to_record() == with_rows.account.to_record()
    # Half of the money was in it, and it can be sold when it is 30 % lower.
    assert without.daily["net_value"].iloc[-1] == pytest.approx(0.85, rel=1e-12)
    assert without.daily["suspended_count"].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert without.daily["suspended_share"].iloc[3] == pytest.approx(0.5)


def test_a_row_that_is_missing_says_so_in_the_ledger() -> None:
    result = backtest(halted(rows=False), FREE, (0, {A: 0.5, B: 0.5}), (3, {B: 1.0}))
    (blocked,) = result.trades[result.trades["is_blocked"]].to_dict("records")
    assert (blocked["symbol"], blocked["restriction"], blocked["price"]) == (A, "no_row", 10.0)


def test_a_flag_that_is_forgotten_does_not_sell_what_nobody_bought() -> None:
    market = halted(rows=True)
    market.fields["is_suspended"][2:5, 0] = 0.0
    market.fields["open"][2:5, 0] = market.fields["vwap"][2:5, 0] = 10.0
    for price in ("vwap", "open", "close"):
        config = BacktestConfig(cost_per_side=0.0, execution_price=price)
        result = backtest(market, config, (0, {A: 0.5, B: 0.5}), (3, {B: 1.0}))
        assert result.daily["net_value"].iloc[-1] == pytest.approx(0.85, rel=1e-12)


def test_dividends_of_a_halt_without_rows_are_paid_when_it_ends() -> None:
    """One share becomes two while the rows are missing; whole shares get the second one with the next row."""
    market = halted(rows=False)
    market.fields["adj_factor"][5:, 0] = 2.0
    for name in ("open", "high", "low", "close", "vwap"):
        market.fields[name][5:, 0] = 5.0
    whole = BacktestConfig(cost_per_side=0.0, whole_shares=True, initial_capital=1e5)
    for config in (FREE, whole):
        result = backtest(market, config, (0, {A: 0.5, B: 0.5}))
        assert result.daily["net_value"].tolist() == pytest.approx([1.0] * 7, rel=1e-12)
    (dividend,) = result.dividends.to_dict("records")
    assert (dividend["date"], dividend["new_shares"]) == (pd.Timestamp(market.sessions[5]), 5000.0)


def test_without_a_delist_date_a_stock_without_rows_stays_to_the_end() -> None:
    market = flat_market({A: [10, 10, 5, NAN, NAN, NAN], B: [20.0] * 6})
    result = backtest(market, FREE, (0, {A: 0.5, B: 0.5}), (3, {B: 1.0}))
    assert result.delistings.empty
    assert result.daily["net_value"].tolist() == pytest.approx([1, 1, 0.75, 0.75, 0.75, 0.75])
    assert result.daily["suspended_count"].iloc[-1] == 1
    assert result.daily["suspended_share"].iloc[-1] == pytest.approx(1 / 3)
    assert result.daily["unrecovered_net_value"].tolist() == result.daily["net_value"].tolist()


@pytest.mark.parametrize(("recovery", "after"), [(1.0, 0.75), (0.4, 0.6), (0.0, 0.5)])
def test_what_is_suspended_until_its_delisting_ties_the_money_up_until_then(recovery: float, after: float) -> None:
    market = flat_market({A: [10, 10, 5, NAN, NAN, NAN, NAN], B: [20.0] * 7})
    market = DenseMarket(market.sessions, market.symbols, market.fields, {A: market.sessions[5]})
    config = BacktestConfig(cost_per_side=0.0, delisting_recovery=recovery)
    result = backtest(market, config, (0, {A: 0.5, B: 0.5}), (3, {B: 1.0}), (5, {B: 1.0}))
    assert result.daily["net_value"].tolist() == pytest.approx([1, 1, 0.75, 0.75, 0.75, after, after])
    assert result.daily["cash_share"].tolist()[3:] == pytest.approx([0, 0, 1 - 0.5 / after, 0], abs=1e-12)
    assert result.daily["unrecovered_net_value"].tolist() == pytest.approx([1, 1, 0.75, 0.75, 0.75, 0.5, 0.5])
    (event,) = result.delistings.to_dict("records")
    assert (event["date"], event["price"]) == (pd.Timestamp(market.sessions[5]), 5 * recovery)


def test_the_whole_portfolio_can_be_lost() -> None:
    market = flat_market({A: [10, 10, NAN, NAN, NAN], B: [20.0] * 5}, {A: np.datetime64("2015-01-07")})
    result = backtest(market, BacktestConfig(delisting_recovery=0.0), (0, {A: 1.0}), (2, {B: 1.0}))
    assert result.daily["net_value"].tolist()[2:] == [0.0, 0.0, 0.0]
    assert result.daily["return"].tolist()[2:] == [-1.0, 0.0, 0.0]
    assert result.account.equity == 0.0
    recovered = backtest(market, BacktestConfig(), (0, {A: 1.0}), (2, {B: 1.0})).daily
    assert recovered["unrecovered_net_value"].tolist() == result.daily["net_value"].tolist()
    assert recovered["net_value"].iloc[-1] == pytest.approx(0.998 / 1.002 / 1.002)


def test_rows_after_the_delisting_are_not_traded() -> None:
    market = flat_market({A: [10, 10, 12, 12, 12], B: [20.0] * 5}, {A: np.datetime64("2015-01-07")})
    result = backtest(market, FREE, (0, {A: 0.5, B: 0.5}), (2, {A: 1.0}))
    assert result.daily["net_value"].tolist() == pytest.approx([1.0] * 5)
    (blocked,) = result.trades[result.trades["is_blocked"]].to_dict("records")
    assert (blocked["symbol"], blocked["restriction"]) == (A, "delisted")


def test_an_order_waits_for_a_stock_without_a_row_until_it_is_delisted() -> None:
    """It is held, its purchase goes on when rows come back, and is void from the delisting on."""
    market = flat_market({A: [10, 10, NAN, 8, 8, 8, 8], B: [20.0] * 7}, {A: np.datetime64("2015-01-12")})
    carry = BacktestConfig(cost_per_side=0.0, unfilled="carry", initial_capital=1000.0)
    result = backtest(market, carry, (0, {A: 0.2, B: 0.5}), (1, {A: 0.6, B: 0.4}))
    # 600 of A at 10 are 60 shares: 20 held, 40 bought at 8 with the 300 in cash and 100 of B.
    units = result.trades.set_index(["date", "symbol"])["units"]
    assert units[pd.Timestamp(market.sessions[3]), A] == pytest.approx(40)
    assert result.account.to_record()["symbols"] == [B]
    assert not result.account.has_orders


def test_a_stock_that_was_never_seen_cannot_be_ordered() -> None:
    market = flat_market({A: [NAN, NAN, 10, 10], B: [20.0] * 4})
    carry = BacktestConfig(cost_per_side=0.0, unfilled="carry")
    result = backtest(market, carry, (0, {A: 0.5, B: 0.5}))
    assert isinstance(result.account, Account)
    assert result.account.symbols.tolist() == [B]
    assert result.trades.set_index("symbol").loc[A, "restriction"] == "no_row"
