"""Attribution of returns: hand-worked sessions, a plain loop, and backtests of random markets, to the last digit."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.benchmark import booked_prices, close_returns, index_dividends
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import run_backtest
from attn_platform.errors import ContractError
from attn_platform.evaluation.account_returns import BacktestFrames
from attn_platform.evaluation.backtest_attribution import (
    AttributedMarket,
    attribute_backtest,
    summed_effects,
)
from attn_platform.evaluation.return_attribution import (
    BLOCKED,
    BOOKINGS,
    CASH,
    COST,
    EFFECTS,
    INDUSTRY,
    SELECTION,
    TRADING,
    active_effects,
    carino_coefficients,
    factor_returns,
    linked_effects,
)
from attn_platform.market.dense import DenseMarket
from attn_platform_tests.backtest.markets import random_market, random_targets

NO_STYLE = np.zeros((2, 0))


def plain_regression(returns, industry, exposures, weights):
    """Weighted least squares on explicit dummies."""
    codes = np.unique(industry[weights > 0])
    design = np.column_stack([*(industry == code for code in codes), *exposures.T]).astype(float)
    root = np.sqrt(weights)
    fit, *_ = np.linalg.lstsq(design * root[:, None], returns * root, rcond=None)
    return fit[len(codes) :]


def plain_effects(held, benchmark, returns, industry, exposures, styles, industries):
    """Brinson and styles, stock by stock, for a benchmark that holds every industry."""
    total = sum(b * r for b, r in zip(benchmark, returns, strict=True))
    allocation, rest, by_style = [], [], np.zeros(len(styles))
    for j in range(industries):
        inside = [i for i in range(len(held)) if industry[i] == j]
        w, b = sum(held[i] for i in inside), sum(benchmark[i] for i in inside)
        r_b = sum(benchmark[i] * returns[i] for i in inside) / b
        allocation.append((w - b) * (r_b - total))
        left = sum(held[i] * (returns[i] - r_b) for i in inside)
        for k, style in enumerate(styles):
            z_b = sum(benchmark[i] * exposures[i, k] for i in inside) / b
            lean = sum(held[i] * (exposures[i, k] - z_b) for i in inside)
            by_style[k] += style * lean
            left -= style * lean
        rest.append(left)
    return allocation, by_style, rest, -(1 - sum(held)) * total


def test_two_stocks_of_two_industries_by_hand():
    """All that is earned is the bet on the first: (0.7 − 0.5) · (4 % − 1 %) + (0.3 − 0.5) · (−2 % − 1 %) = 1.2 %."""
    held, benchmark, returns = np.array([0.7, 0.3]), np.array([0.5, 0.5]), np.array([0.04, -0.02])
    industry = np.array([0, 1])
    effects = active_effects(
        held, benchmark, returns, industry, NO_STYLE, factor_returns(returns, industry, NO_STYLE, np.ones(2), 2)
    )
    np.testing.assert_allclose(effects.industries, [0.2 * 0.03, -0.2 * -0.03], atol=1e-15)
    np.testing.assert_allclose(effects.selection, 0, atol=1e-15)
    assert effects.cash == 0


def test_two_stocks_of_one_industry_and_cash_by_hand():
    """80 % invested: the industry is underweight at no price, 0.8 · (3 % − 1 %) is selection, cash lost 0.2 · 1 %."""
    held, benchmark, returns = np.array([0.7, 0.1]), np.array([0.5, 0.5]), np.array([0.04, -0.02])
    industry = np.array([0, 0])
    effects = active_effects(
        held, benchmark, returns, industry, NO_STYLE, factor_returns(returns, industry, NO_STYLE, np.ones(2), 1)
    )
    assert effects.industries[0] == 0
    assert effects.selection[0] == pytest.approx(0.7 * 0.04 - 0.1 * 0.02 - 0.8 * 0.01, abs=1e-15)
    assert effects.cash == pytest.approx(-0.2 * 0.01, abs=1e-15)
    assert effects.total == pytest.approx(held @ returns - 0.01, abs=1e-15)


def test_a_style_explains_two_stocks_by_hand():
    """Stocks at z = ±1 earn ±2 %: the style returns 2 %, and the lean of 0.4 on it is all the selection."""
    held, benchmark, returns = np.array([0.7, 0.3]), np.array([0.5, 0.5]), np.array([0.02, -0.02])
    industry, exposures = np.array([0, 0]), np.array([[1.0], [-1.0]])
    estimated = factor_returns(returns, industry, exposures, np.ones(2), 1)
    effects = active_effects(held, benchmark, returns, industry, exposures, estimated)
    np.testing.assert_allclose(estimated.styles, [0.02], atol=1e-15)
    np.testing.assert_allclose(effects.styles, [0.4 * 0.02], atol=1e-15)
    np.testing.assert_allclose(effects.selection, 0, atol=1e-15)


def random_session(rng, stocks=60, industries=5, styles=2):
    held = rng.dirichlet(np.ones(stocks)) * 0.95 * (rng.random(stocks) < 0.5)
    benchmark = rng.dirichlet(np.ones(stocks))
    industry = np.concatenate([np.arange(industries), rng.integers(0, industries, stocks - industries)])
    weights = np.where(rng.random(stocks) < 0.8, rng.random(stocks), 0.0)
    return held, benchmark, rng.normal(0, 0.02, stocks), industry, rng.normal(0, 1, (stocks, styles)), weights


@pytest.mark.parametrize("seed", range(5))
def test_a_plain_loop_finds_the_same(seed):
    held, benchmark, returns, industry, exposures, weights = random_session(np.random.default_rng(seed))
    estimated = factor_returns(returns, industry, exposures, weights, 5)
    expected = plain_regression(returns, industry, exposures, weights)
    np.testing.assert_allclose(estimated.styles, expected, atol=1e-13)
    effects = active_effects(held, benchmark, returns, industry, exposures, estimated)
    allocation, styles, rest, cash = plain_effects(held, benchmark, returns, industry, exposures, expected, 5)
    np.testing.assert_allclose(effects.industries, allocation, atol=1e-14)
    np.testing.assert_allclose(effects.styles, styles, atol=1e-14)
    np.testing.assert_allclose(effects.selection, rest, atol=1e-14)
    assert effects.cash == pytest.approx(cash, abs=1e-14)
    assert effects.total == pytest.approx((held - benchmark) @ returns, abs=1e-14)


def test_an_industry_outside_the_benchmark_is_measured_by_the_universe():
    """A stock alone in its industry outside of the benchmark, with one more of the universe: 0.4 · (mean − R_b)."""
    held, benchmark = np.array([0.6, 0.4, 0.0]), np.array([1.0, 0.0, 0.0])
    returns, industry = np.array([0.01, 0.05, 0.03]), np.array([0, 1, 1])
    estimated = factor_returns(returns, industry, np.zeros((3, 0)), np.ones(3), 3)
    effects = active_effects(held, benchmark, returns, industry, np.zeros((3, 0)), estimated)
    np.testing.assert_allclose(effects.industries, [0, 0.4 * (0.04 - 0.01), 0], atol=1e-15)
    np.testing.assert_allclose(effects.selection, [0, 0.4 * 0.01, 0], atol=1e-15)


def test_effects_of_two_sessions_are_linked_by_hand():
    """e = 10 % and −5 %: 4.5 % in all, shared out by ln(1 + e) / e."""
    dates = pd.to_datetime(["2020-01-30", "2020-02-03"])
    effects = pd.DataFrame({"a": [0.07, -0.05], "b": [0.03, 0.0]}, index=dates)
    linked = linked_effects(effects)
    k = np.log([1.1, 0.95]) / np.array([0.1, -0.05])
    scale = 0.045 / np.log(1.045)
    assert linked["excess_return"].item() == pytest.approx(0.045, abs=1e-15)
    assert linked["a"].item() == pytest.approx((0.07 * k[0] - 0.05 * k[1]) * scale, abs=1e-15)
    assert linked["b"].item() == pytest.approx(0.03 * k[0] * scale, abs=1e-15)
    months = linked_effects(effects, "M")
    np.testing.assert_allclose(months[["a", "b", "excess_return"]].to_numpy(), [[0.07, 0.03, 0.1], [-0.05, 0, -0.05]])


def test_linked_effects_sum_to_the_compounded_excess():
    rng = np.random.default_rng(3)
    effects = pd.DataFrame(rng.normal(0, 0.01, (500, 6)), index=pd.bdate_range("2019-01-01", periods=500))
    effects.iloc[7] = 0.0
    for period in ("M", "Q", "Y", None):
        linked = linked_effects(effects, period)
        parts = linked.drop(columns="excess_return").sum(axis=1)
        np.testing.assert_allclose(parts, linked["excess_return"], atol=1e-12)
    assert linked["excess_return"].item() == pytest.approx(np.prod(1 + effects.sum(axis=1)) - 1, abs=1e-12)


def test_a_total_loss_cannot_be_linked():
    with pytest.raises(ContractError, match="cannot be linked"):
        carino_coefficients(np.array([0.01, -1.0]))


def attributed(market, rng, styles=("size", "value"), industries=4):
    """What an attribution reads of a random market, with a benchmark of a few random stocks."""
    sessions, stocks = market.shape
    raw = rng.normal(0, 1, (sessions, stocks, len(styles)))
    benchmark = rng.dirichlet(np.ones(stocks), sessions) * (rng.random(stocks) < 0.7)
    prices = market["close"] * market["adj_factor"]
    return AttributedMarket(
        sessions=market.sessions,
        symbols=market.symbols,
        returns=close_returns(booked_prices(market)),
        unit_closes=prices,
        is_traded=market["is_suspended"] == 0,
        benchmark=benchmark / benchmark.sum(axis=1, keepdims=True),
        dividends=rng.uniform(0, 1e-4, sessions),
        industry=rng.integers(0, industries, (sessions, stocks)).astype(np.int16),
        industries=[f"industry {j}" for j in range(industries)],
        universe=rng.random((sessions, stocks)) < 0.8,
        regression_weights=np.where(rng.random((sessions, stocks)) < 0.1, np.nan, rng.random((sessions, stocks))),
        styles=styles,
        exposures=lambda row, chosen: raw[row, chosen],
    )


def backtested(market, targets, config, index_returns):
    result = run_backtest(targets, market, index_returns, config)
    signals = np.array(sorted(targets))
    base = signals[0]
    start = market.position(base)
    frames = BacktestFrames(
        result.daily, result.trades, result.holdings, result.delistings, signals[signals < market.sessions[-1]]
    )
    return frames, market.rows(slice(start, None))


VARIANTS = {
    "studies": {},
    "close": {"execution_price": "close"},
    "carry": {"unfilled": "carry", "volume_cap": 0.2, "initial_capital": 1e5},
    "capped": {"volume_cap": 0.05, "initial_capital": 1e5},
    "written off": {"delisting_recovery": 0.0, "buy_delisting": True},
    "all charges": {"stamp_duty": True, "transfer_fee": 0.00002, "minimum_commission": 5.0, "initial_capital": 1e5},
    "whole shares": {"whole_shares": True, "initial_capital": 1e6},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(3))
def test_effects_sum_to_the_excess_return_of_every_session(variant, seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, 80, 12)
    index_returns = rng.normal(0, 0.01, 80)
    config = BacktestConfig(**VARIANTS[variant])
    frames, rest = backtested(market, random_targets(rng, market), config, index_returns)
    inputs = attributed(rest, rng)
    if config.whole_shares:
        inputs = dataclasses.replace(inputs, unit_closes=rest["close"])
    rows = attribute_backtest(frames, inputs, config)
    wide = summed_effects(rows, EFFECTS)
    excess = frames.daily.set_index("date")["excess_return"].iloc[1:]
    np.testing.assert_allclose(wide.sum(axis=1), excess, atol=1e-10)
    linked = linked_effects(wide)
    assert linked["excess_return"].item() == pytest.approx(frames.daily["excess_net_value"].iloc[-1] - 1, abs=1e-10)
    assert linked[list(EFFECTS)].sum(axis=1).item() == pytest.approx(linked["excess_return"].item(), abs=1e-10)
    cost = -frames.daily["cost"].iloc[1:].to_numpy()
    np.testing.assert_allclose(wide[COST], cost, atol=2e-3 * abs(cost).max() + 1e-3)
    assert abs(wide[BOOKINGS]).max() < 5e-3
    if not config.whole_shares:
        # Nothing is left over: what is held, traded, paid and delisted explains the account.
        np.testing.assert_allclose(wide[BOOKINGS], 0, atol=1e-12)


def test_a_blocked_purchase_has_a_line_of_its_own_by_hand():
    """Half of the target is suspended and stays so: its money is in the other stock, which falls 10 %, while it rests.

    What was wanted earned 0.5 · 0 − 0.5 · 10 %; what was held, 1 · −10 %: blocked is −5 %.
    """
    sessions = pd.bdate_range("2020-01-06", periods=3).to_numpy().astype("datetime64[D]")
    rows = {
        "close": [[10, 10], [10, 10], [9, 10]], "adj_factor": [[1, 1]] * 3, "is_suspended": [[0, 0], [0, 1], [0, 1]],
        "trading_status": [[0, 0]] * 3, "up_limit": [[11, 11]] * 3, "down_limit": [[9, 9]] * 3,
        "volume": [[1e6, 1e6], [1e6, 0], [1e6, 0]], "amount": [[1e7, 1e7], [1e7, 0], [1e7, 0]],
    }  # fmt: skip
    rows |= dict.fromkeys(("open", "high", "low", "vwap"), rows["close"])
    market = DenseMarket(
        sessions, np.array(["600000.SH", "600001.SH"]), {name: np.array(each, float) for name, each in rows.items()}
    )
    config = BacktestConfig(cost_per_side=0.0)
    targets = {sessions[0]: pd.Series([0.5, 0.5], index=market.symbols)}
    frames, rest = backtested(market, targets, config, np.zeros(3))
    inputs = attributed(rest, np.random.default_rng(0), styles=(), industries=1)
    inputs = dataclasses.replace(inputs, benchmark=np.full((3, 2), 0.5), dividends=np.zeros(3))
    wide = summed_effects(attribute_backtest(frames, inputs, config), EFFECTS)
    assert wide[BLOCKED].tolist() == pytest.approx([0.0, -0.05], abs=1e-12)
    assert wide[SELECTION].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert wide[CASH].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


def test_trades_and_costs_by_hand():
    """Bought at 10 and worth 11 at the close, for 0.2 % of what was traded."""
    sessions = pd.bdate_range("2020-01-06", periods=2).to_numpy().astype("datetime64[D]")
    market = random_market(np.random.default_rng(1), 2, 1)
    fields = {
        name: np.array([[10.0], [price]])
        for name, price in (("open", 10.0), ("high", 11.0), ("low", 10.0), ("close", 11.0), ("vwap", 10.0))
    }
    fields |= {"adj_factor": np.ones((2, 1)), "is_suspended": np.zeros((2, 1)), "trading_status": np.zeros((2, 1))}
    fields |= {"up_limit": np.full((2, 1), 20.0), "down_limit": np.full((2, 1), 5.0), "volume": np.full((2, 1), 1e9)}
    fields |= {"amount": np.full((2, 1), 1e10)}
    market = dataclasses.replace(market, sessions=sessions, fields=fields, delist_dates={})
    config = BacktestConfig()
    frames, rest = backtested(market, {sessions[0]: pd.Series([1.0], index=market.symbols)}, config, np.zeros(2))
    inputs = attributed(rest, np.random.default_rng(0), styles=(), industries=1)
    inputs = dataclasses.replace(inputs, benchmark=np.ones((2, 1)), dividends=np.zeros(2))
    wide = summed_effects(attribute_backtest(frames, inputs, config), EFFECTS)
    invested = 1 / 1.002
    assert wide[TRADING].item() == pytest.approx(0.1 * invested, abs=1e-12)
    assert wide[COST].item() == pytest.approx(-0.002 * invested, abs=1e-12)
    assert wide[CASH].item() == pytest.approx(-0.1, abs=1e-12)  # all cash at the close before


def test_nothing_of_later_sessions_changes_what_was_attributed():
    rng = np.random.default_rng(9)
    market = random_market(rng, 60, 10)
    index_returns, targets = rng.normal(0, 0.01, 60), random_targets(rng, market)
    inputs_seed, known = 4, 40

    def run(noise):
        fields = {name: values.copy() for name, values in market.fields.items()}
        returns = index_returns.copy()
        changed_targets = dict(targets)
        if noise:
            for name in ("open", "high", "low", "close", "vwap", "adj_factor"):
                fields[name][known:] *= 1.37
            returns[known:] = 0.3
            changed_targets = {day: weights for day, weights in targets.items() if day < market.sessions[known]}
        changed = dataclasses.replace(market, fields=fields)
        frames, rest = backtested(changed, changed_targets, BacktestConfig(), returns)
        inputs = attributed(rest, np.random.default_rng(inputs_seed))
        if noise:
            start = known - (60 - len(rest.sessions))
            inputs.benchmark[start:] = 1.0 / inputs.benchmark.shape[1]
            inputs.industry[start:] = 0
            inputs.universe[start:] = True
            inputs.regression_weights[start:] = 1.0
        return attribute_backtest(frames, inputs, BacktestConfig())

    plain, noisy = run(False), run(True)
    until = pd.Timestamp(market.sessions[known - 1])
    assert (plain["date"] > until).any()
    before = [frame[frame["date"] <= until].reset_index(drop=True) for frame in (plain, noisy)]
    pd.testing.assert_frame_equal(*before, check_exact=True)
    assert not plain["value"].equals(noisy["value"])


def test_an_industry_that_nobody_holds_has_no_row():
    rng = np.random.default_rng(2)
    market = random_market(rng, 30, 6)
    frames, rest = backtested(market, random_targets(rng, market), BacktestConfig(), rng.normal(0, 0.01, 30))
    inputs = attributed(rest, rng)
    inputs = dataclasses.replace(inputs, industries=(*inputs.industries, "of later years"))
    rows = attribute_backtest(frames, inputs, BacktestConfig())
    assert "industry 0" in set(rows["name"])
    assert "of later years" not in set(rows["name"])
    of_industries = rows[rows["effect"] == INDUSTRY].groupby("date")["value"].sum()
    np.testing.assert_allclose(of_industries, summed_effects(rows, EFFECTS)[INDUSTRY], atol=1e-15)


def test_index_dividends_are_of_the_members_before_the_session():
    factor = np.array([[1.0, 1.0], [1.0, 1.25], [1.02, 1.25]])
    market = random_market(np.random.default_rng(1), 3, 2)
    market = dataclasses.replace(market, fields={"adj_factor": factor})
    weights = np.array([[0.5, 0.5], [0.4, 0.6], [0.9, 0.1]])
    dividends = index_dividends(market, weights, bonus_threshold=0.1)
    np.testing.assert_allclose(dividends[1:], [0.0, 0.4 * (1 - 1 / 1.02)], atol=1e-15)
