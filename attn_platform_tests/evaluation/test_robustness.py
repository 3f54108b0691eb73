"""Robustness: literature examples, hand-worked cases, and backtests at other costs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import run_backtest
from attn_platform.errors import ContractError
from attn_platform.evaluation.config import EvaluationConfig, RobustnessConfig
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.robustness import (
    capacities,
    cost_sensitivity,
    deflated_sharpe,
    expected_maximum_sharpe,
    overlapping_t,
    period_stability,
    probabilistic_sharpe,
    seed_figures,
    sharpe_of,
    trade_capacities,
    worst_rolling,
)
from attn_platform_tests.backtest.markets import random_market, random_targets

CONFIG = EvaluationConfig()


def test_deflated_sharpe_of_the_literature():
    """Bailey and López de Prado (2014), numerical example: an annual ratio of 2.5 over 1,250 sessions, 250 a year.

    Skewness −3, kurtosis 10; 100 trials whose annual ratios have a variance of 1/2: SR₀ = 0.1132, DSR = 0.9004. Of 46
    trials it would have been 0.9505.
    """
    sharpe, variance = 2.5 / np.sqrt(250), 0.5 / 250
    maximum = expected_maximum_sharpe(100, variance)
    assert maximum == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(sharpe, maximum, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    few = expected_maximum_sharpe(46, variance)
    assert probabilistic_sharpe(sharpe, few, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)


def test_the_expected_maximum_is_about_that_of_drawn_trials():
    rng = np.random.default_rng(2)
    drawn = rng.normal(0, 0.05, (20_000, 50)).max(axis=1).mean()
    assert expected_maximum_sharpe(50, 0.05**2) == pytest.approx(drawn, rel=0.02)


def test_one_trial_is_not_deflated():
    excess = np.random.default_rng(1).normal(0.0005, 0.005, 500)
    found = deflated_sharpe(excess, np.array([sharpe_of(excess)]), CONFIG)
    assert found["expected_maximum_sharpe"] == 0
    assert found["trials"] == 1
    skewness, kurtosis = stats.skew(excess), stats.kurtosis(excess, fisher=False)
    assert found["skewness"] == pytest.approx(skewness)
    assert found["kurtosis"] == pytest.approx(kurtosis)
    sharpe = excess.mean() / excess.std(ddof=1)
    spread = np.sqrt(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    assert found["deflated_sharpe"] == pytest.approx(stats.norm.cdf(sharpe * np.sqrt(499) / spread))


def test_more_trials_leave_more_doubt():
    excess = np.random.default_rng(1).normal(0.0005, 0.005, 500)
    ratios = np.random.default_rng(3).normal(0, 0.03, 30)
    few, many = (deflated_sharpe(excess, ratios[:count], CONFIG)["deflated_sharpe"] for count in (3, 30))
    assert many < few < 1


@pytest.mark.parametrize(("trials", "variance"), [(0, 1.0), (3, -1.0)])
def test_a_search_without_trials_is_refused(trials, variance):
    with pytest.raises(ContractError, match="a search has at least one"):
        expected_maximum_sharpe(trials, variance)


@pytest.mark.parametrize("price", ["vwap", "close"])
def test_costs_from_the_turnover_are_those_of_other_backtests(price):
    rng = np.random.default_rng(5)
    market = random_market(rng, 120, 12)
    targets, index = random_targets(rng, market), rng.normal(0, 0.01, 120)
    costs = (0.001, 0.002, 0.003, 0.005)
    config = EvaluationConfig(robustness=RobustnessConfig(costs_per_side=costs))
    daily = run_backtest(targets, market, index, BacktestConfig(execution_price=price)).daily
    found = cost_sensitivity(daily, 0.002, config).set_index("cost_per_side")
    for cost in costs:
        again = run_backtest(targets, market, index, BacktestConfig(execution_price=price, cost_per_side=cost)).daily
        expected = performance_figures(again, config)
        # These portfolios turn over completely each week, so a step of 0.1 % a side is some 10 % a year.
        assert found.loc[cost, "annual_return"] == pytest.approx(expected["annual_return"], abs=1e-3)
        assert found.loc[cost, "excess_annual_return"] == pytest.approx(expected["excess_annual_return"], abs=1e-3)
    assert found.loc[0.002, "annual_return"] == pytest.approx(performance_figures(daily)["annual_return"], abs=1e-12)
    assert found["annual_return"].is_monotonic_decreasing


def test_capacity_by_hand():
    """1 % traded in a stock that trades 1 m a day: 10 % of that is 0.1 m, so the account may have 10 m."""
    day = pd.Timestamp("2020-01-02")
    trades = pd.DataFrame(
        {
            "date": day,
            "symbol": ["a", "b", "c", "d"],
            "traded_weight": [0.01, -0.03, 0.06, 0.0],
        }
    )
    amounts = pd.DataFrame({"date": day, "symbol": ["a", "b", "d"], "amount": [1e6, 9e6, 1e6]})
    found = trade_capacities(trades, amounts, 0.1)
    assert found["symbol"].tolist() == ["a", "b", "c"]
    assert found["capacity"].tolist()[:2] == pytest.approx([1e7, 3e7])
    assert np.isnan(found["capacity"].iloc[2])
    of_shares = capacities(found, (0.1, 0.25, 0.26, 1.0))
    assert of_shares.tolist() == pytest.approx([1e7, 1e7, 3e7, 3e7])


def test_no_trade_has_no_capacity():
    empty = pd.DataFrame({"date": [], "symbol": [], "traded_weight": [], "amount": [], "capacity": []})
    assert capacities(empty, (0.5,)).isna().all()


def test_periods_by_hand():
    dates = pd.to_datetime(["2020-06-29", "2020-06-30", "2020-07-01", "2021-01-04"])
    daily = pd.DataFrame({"excess_return": [0.01, -0.02, 0.03, 0.01]}, index=dates)
    rank_ic = pd.Series([0.1, np.nan, 0.3, 0.2], dates)
    found = period_stability(daily, rank_ic, CONFIG).set_index("period")
    assert found.index.tolist() == ["2020", "2021", "2020 H1", "2020 H2", "2021 H1"]
    assert found.loc["2020", "excess_return"] == pytest.approx(1.01 * 0.98 * 1.03 - 1)
    assert found.loc["2020 H1", "excess_return"] == pytest.approx(1.01 * 0.98 - 1)
    assert found.loc["2020 H1", "excess_max_drawdown"] == pytest.approx(0.02)
    assert found.loc["2020 H1", "tracking_error"] == pytest.approx(np.std([0.01, -0.02], ddof=1) * np.sqrt(252))
    assert found.loc["2020", ["months_won", "months"]].tolist() == [1, 2]
    assert found.loc["2020", "rank_ic_mean"] == pytest.approx(0.2)
    assert np.isnan(found.loc["2021", "information_ratio"])


def test_the_worst_stretch_by_hand():
    excess = pd.Series([0.1, -0.1, -0.1, 0.2], pd.bdate_range("2020-01-01", periods=4))
    last, worst = worst_rolling(excess, 2)
    assert last == excess.index[2]
    assert worst == pytest.approx(0.81 - 1)
    assert worst_rolling(excess, 5)[0] is None


def test_the_overlap_is_that_of_the_horizon():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 2000)
    overlapping = pd.Series(np.convolve(noise, np.ones(10), "valid") / 10 + 0.1)
    plain = overlapping.mean() / (overlapping.std() / np.sqrt(len(overlapping)))
    assert abs(overlapping_t(overlapping, 10)) < 0.5 * abs(plain)
    assert overlapping_t(overlapping, 1) == pytest.approx(plain)


def test_a_seed_that_knows_the_returns_has_rank_ic_one():
    returns = np.random.default_rng(4).normal(0, 0.05, (6, 40))
    forecasts = returns.copy()
    forecasts[1::2] = np.nan
    found = seed_figures(forecasts, returns, 10, CONFIG)
    assert found["rank_ic_mean"] == pytest.approx(1)
    top = np.log1p([np.sort(row)[-4:].mean() for row in returns[::2]]).mean()
    everything = np.log1p(returns[::2].mean(axis=1)).mean()
    expected = np.expm1(252 / 10 * top) - np.expm1(252 / 10 * everything)
    assert found["top_excess_return"] == pytest.approx(expected)
