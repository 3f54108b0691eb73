import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import run_backtest
from attn_platform.errors import ContractError, MissingDataError
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.performance import (
    best_weeks,
    drawdowns,
    monthly_excess_returns,
    performance_figures,
    untraded_figures,
    worst_weeks,
    yearly_figures,
)
from attn_platform.published.reader import published_table
from attn_platform_tests.backtest.markets import random_market, random_targets

PERFORMANCE_TABLES = (
    "ai69_exhibit11_performance",
    "ai69_exhibit23_performance",
    "ai69_exhibit24_performance_relaxed",
    "ai69_exhibit35_performance_ensemble",
    "ai55_exhibit21_performance",
    "ai55_exhibit35_neutralisation",
)
MONTH_TABLES = (
    "ai55_exhibit02_monthly_excess_gat_residual",
    "ai55_exhibit04_monthly_excess_gat_residual_mse",
    "ai55_exhibit06_monthly_excess_gat_xgboost_mix",
)
# Ratio, numerator, denominator.
RATIOS = (
    ("sharpe", "annual_return", "annual_volatility"),
    ("calmar", "annual_return", "max_drawdown"),
    ("information_ratio", "excess_annual_return", "tracking_error"),
    ("excess_calmar", "excess_annual_return", "excess_max_drawdown"),
)


def frame(dates: list[str], returns: list[float], benchmark: list[float], turnover: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"date": pd.to_datetime(dates), "return": returns, "benchmark_return": benchmark, "turnover": turnover}
    )


def random_daily(seed: int, first: str = "2019-03-15", sessions: int = 700) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0002, 0.015, sessions)
    daily = pd.DataFrame(
        {
            "date": pd.bdate_range(first, periods=sessions),
            "return": benchmark + rng.normal(0.0005, 0.004, sessions),
            "benchmark_return": benchmark,
            "turnover": rng.uniform(0, 0.3, sessions) * (np.arange(sessions) % 5 == 1),
        }
    )
    daily.loc[0, ["return", "benchmark_return"]] = np.nan
    daily.loc[0, "turnover"] = 0.0
    return daily


@pytest.mark.parametrize("table", PERFORMANCE_TABLES)
def test_the_keys_are_the_columns_of_the_published_tables(table: str) -> None:
    columns = [name for name in published_table(table).columns if name not in ("model", "horizon")]
    assert list(performance_figures(random_daily(0))) == columns


@pytest.mark.parametrize("table", PERFORMANCE_TABLES)
@pytest.mark.parametrize(("ratio", "numerator", "denominator"), RATIOS)
def test_published_ratios_are_ours(table: str, ratio: str, numerator: str, denominator: str) -> None:
    """To rounding: four decimals of the parts, two of the ratio."""
    rows = published_table(table)
    half = 0.00005
    least = (rows[numerator] - half) / (rows[denominator] + half)
    most = (rows[numerator] + half) / (rows[denominator] - half)
    assert ((rows[ratio] >= least - 0.0051) & (rows[ratio] <= most + 0.0051)).all()


def test_published_monthly_win_rates_are_whole_months() -> None:
    """AI-69 tests 151 months, AI-55 135: every rate times its months is a whole number, to rounding."""
    for table in PERFORMANCE_TABLES:
        months = 151 if table.startswith("ai69") else 135
        won = published_table(table)["monthly_win_rate"] * months
        assert (abs(won - won.round()) <= 0.00005 * months + 1e-9).all()


@pytest.mark.parametrize("table", MONTH_TABLES)
def test_published_yearly_totals_compound(table: str) -> None:
    rows = published_table(table)
    months = rows.drop(columns=["year", "year_total"]).fillna(0.0)
    geometric = (1 + months).prod(axis=1) - 1
    rounding = 0.0005 * (1 + geometric) * months.ne(0).sum(axis=1) + 0.0005
    assert (abs(geometric - rows["year_total"]) <= rounding).all()
    # The sum of the months is no alternative: it misses the best years by more than rounding can explain.
    assert (abs(months.sum(axis=1) - rows["year_total"]) > rounding).any()


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_a_plain_loop(seed: int) -> None:
    daily = random_daily(seed)
    r, b = daily["return"].tolist()[1:], daily["benchmark_return"].tolist()[1:]
    dates, n = daily["date"].tolist()[1:], len(r)
    e = [x - y for x, y in zip(r, b, strict=True)]

    def annual(returns: list[float]) -> float:
        return math.exp(math.fsum(math.log(1 + x) for x in returns) * 252 / n) - 1

    def deviation(returns: list[float]) -> float:
        mean = math.fsum(returns) / n
        return math.sqrt(math.fsum((x - mean) ** 2 for x in returns) / (n - 1) * 252)

    def worst(returns: list[float]) -> float:
        value = peak = 1.0
        deepest = 0.0
        for x in returns:
            value *= 1 + x
            peak = max(peak, value)
            deepest = max(deepest, (peak - value) / peak)
        return deepest

    months: dict[tuple[int, int], float] = {}
    for day, x in zip(dates, e, strict=True):
        months[day.year, day.month] = months.get((day.year, day.month), 1.0) * (1 + x)
    expected = {
        "annual_return": annual(r),
        "annual_volatility": deviation(r),
        "sharpe": annual(r) / deviation(r),
        "max_drawdown": worst(r),
        "calmar": annual(r) / worst(r),
        "excess_annual_return": annual(e),
        "tracking_error": deviation(e),
        "information_ratio": annual(e) / deviation(e),
        "excess_max_drawdown": worst(e),
        "excess_calmar": annual(e) / worst(e),
        "monthly_win_rate": sum(value > 1 for value in months.values()) / len(months),
        "annual_two_sided_turnover": math.fsum(daily["turnover"]) / (n / 252),
    }
    assert performance_figures(daily) == pytest.approx(expected, rel=1e-11)


def benchmark_drift(figures: Mapping[str, Any]) -> Any:
    """The benchmark's 252 × mean daily return, from a portfolio's figures to third order of the daily returns.

    It is the same for all portfolios against one benchmark only if the excess net value compounds the differences.
    """
    return (
        np.log(1 + figures["annual_return"])
        - np.log(1 + figures["excess_annual_return"])
        - figures["tracking_error"] ** 2 / 2
        + figures["annual_volatility"] ** 2 / 2
    )


@pytest.mark.parametrize("study", ["ai69", "ai55"])
def test_published_excess_returns_compound_the_differences(study: str) -> None:
    rows = pd.concat([published_table(name) for name in PERFORMANCE_TABLES if name.startswith(study)])
    assert np.ptp(benchmark_drift(rows)) < 2e-4
    ratio_of_net_values = np.log(1 + rows["annual_return"]) - np.log(1 + rows["excess_annual_return"])
    assert np.ptp(ratio_of_net_values) > 1e-3


def test_our_excess_returns_compound_the_differences() -> None:
    daily = random_daily(100, sessions=2520)
    drifts = []
    for seed, deviation in enumerate((0.002, 0.005, 0.01)):
        noise = np.random.default_rng(seed).normal(0.0003 * seed, deviation, len(daily))
        drifts.append(
            benchmark_drift(performance_figures(daily.assign(**{"return": daily["benchmark_return"] + noise})))
        )
    assert drifts == pytest.approx([252 * daily["benchmark_return"].mean()] * 3, abs=5e-4)


def test_drawdown_counts_from_the_start() -> None:
    assert drawdowns(pd.Series([-0.1, 0.2, -0.5, 0.1])).tolist() == pytest.approx([0.1, 0.0, 0.5, 0.45], rel=1e-12)


def test_a_session_without_return_is_the_base_only_at_the_start() -> None:
    daily = random_daily(1)
    assert performance_figures(daily) == performance_figures(daily.iloc[1:])
    for hole in (np.nan, np.inf):
        with pytest.raises(MissingDataError, match="hole on 2019-03-26"):
            performance_figures(daily.assign(**{"return": daily["return"].where(daily.index != 7, hole)}))
    with pytest.raises(MissingDataError, match="no session after its base"):
        performance_figures(daily.iloc[:1])
    with pytest.raises(ContractError, match="turnover"):
        performance_figures(daily.drop(columns="turnover"))
    with pytest.raises(ContractError, match="in order"):
        performance_figures(daily.iloc[::-1])


def test_nothing_at_risk_has_no_ratio() -> None:
    still = frame(["2020-01-02", "2020-01-03"], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0])
    figures = performance_figures(still)
    assert (figures["annual_return"], figures["max_drawdown"], figures["monthly_win_rate"]) == (0.0, 0.0, 0.0)
    assert np.isnan([figures[name] for name, _, _ in RATIOS]).all()


def test_a_year_has_as_many_sessions_as_configured() -> None:
    daily = frame(["2020-01-02", "2020-01-03"], [0.1, 0.1], [0.0, 0.0], [0.3, 0.0])
    figures = performance_figures(daily, EvaluationConfig(sessions_per_year=4))
    assert figures["annual_return"] == pytest.approx(1.1**4 - 1)
    assert figures["annual_two_sided_turnover"] == pytest.approx(0.6)


def test_month_table_by_hand() -> None:
    daily = frame(
        ["2020-11-02", "2020-11-30", "2020-12-01", "2021-02-01"],
        [0.02, 0.01, -0.01, 0.05],
        [0.01, 0.00, 0.01, 0.02],
        [0.0] * 4,
    )
    table = monthly_excess_returns(daily)
    assert list(table.columns) == list(published_table(MONTH_TABLES[0]).columns)
    table = table.set_index("year")
    assert table.loc[2020, "11"] == pytest.approx(1.01 * 1.01 - 1)
    assert table.loc[2020, "12"] == pytest.approx(-0.02)
    assert table.loc[2020, "year_total"] == pytest.approx(1.01 * 1.01 * 0.98 - 1)
    assert table.loc[2021, "02"] == table.loc[2021, "year_total"] == pytest.approx(0.03)
    assert table.notna().sum().sum() == 5


def test_month_table_of_ours_compounds_as_the_published() -> None:
    table = monthly_excess_returns(random_daily(4))
    months = table.drop(columns=["year", "year_total"])
    np.testing.assert_allclose((1 + months.fillna(0.0)).prod(axis=1) - 1, table["year_total"], rtol=1e-11)
    assert table["year"].tolist() == [2019, 2020, 2021]


def test_yearly_figures_equal_those_of_each_year_alone() -> None:
    daily = random_daily(5).iloc[1:]
    table = yearly_figures(daily).set_index("year")
    for year, part in daily.groupby(daily["date"].dt.year):
        alone, row = performance_figures(part), table.loc[year]
        years = len(part) / 252
        assert row["sessions"] == len(part)
        assert (1 + row["return"]) ** (1 / years) - 1 == pytest.approx(alone["annual_return"], rel=1e-10)
        assert (1 + row["excess_return"]) ** (1 / years) - 1 == pytest.approx(alone["excess_annual_return"], rel=1e-10)
        assert row["benchmark_return"] == pytest.approx(np.prod(1 + part["benchmark_return"]) - 1, rel=1e-10)
        for name in ("annual_volatility", "tracking_error", "max_drawdown", "excess_max_drawdown"):
            assert row[name] == pytest.approx(alone[name], rel=1e-12)
        assert row["months_won"] / row["months"] == pytest.approx(alone["monthly_win_rate"])
        assert row["two_sided_turnover"] / years == pytest.approx(alone["annual_two_sided_turnover"])


def test_worst_weeks_by_hand() -> None:
    # A Friday; a whole week; the Monday after it.
    daily = frame(
        ["2020-01-03", "2020-01-06", "2020-01-10", "2020-01-13"],
        [0.01, 0.02, -0.05, 0.00],
        [0.00, 0.01, 0.01, 0.02],
        [0.0] * 4,
    )
    weeks = worst_weeks(daily, count=2)
    assert weeks["first_session"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-06", "2020-01-13"]
    assert weeks["last_session"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-10", "2020-01-13"]
    assert weeks["excess_return"].tolist() == pytest.approx([1.01 * 0.94 - 1, -0.02])
    assert weeks["return"].tolist() == pytest.approx([1.02 * 0.95 - 1, 0.0])
    assert weeks["benchmark_return"].tolist() == pytest.approx([1.01 * 1.01 - 1, 0.02])
    best = best_weeks(daily, count=2)
    assert best["last_session"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-03", "2020-01-13"]
    assert best["excess_return"].tolist() == pytest.approx([0.01, -0.02])


def test_a_backtest_is_measured_as_it_comes() -> None:
    rng = np.random.default_rng(2)
    market = random_market(rng, sessions=60, stocks=8)
    result = run_backtest(random_targets(rng, market), market, rng.normal(0, 0.01, 60), BacktestConfig())
    figures = performance_figures(result.daily)
    years = (len(result.daily) - 1) / 252
    assert (1 + figures["annual_return"]) ** years == pytest.approx(result.daily["net_value"].iloc[-1], rel=1e-11)
    assert (1 + figures["excess_annual_return"]) ** years == pytest.approx(
        result.daily["excess_net_value"].iloc[-1], rel=1e-11
    )


def test_an_excess_net_value_below_nothing_is_a_total_loss() -> None:
    """A day on which the index doubles and the strategy halves: 1 + r_p − r_b is −0.5."""
    daily = frame(["2020-01-02", "2020-01-03", "2020-01-06"], [0.01, -0.5, 0.02], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0])
    assert performance_figures(daily)["excess_annual_return"] == -1.0


def test_untraded_figures_by_hand() -> None:
    """Half a year: 1.1 squared is 1.21, and 1 where the delisted tenth is lost."""
    daily = random_daily(2, sessions=127).assign(
        net_value=np.linspace(1, 1.1, 127), unrecovered_net_value=np.linspace(1, 1.0, 127), suspended_count=3
    )
    daily["suspended_share"] = 0.07
    delistings = pd.DataFrame({"weight": [0.04, 0.06]})
    assert untraded_figures(daily, delistings) == pytest.approx(
        {
            "delistings": 2,
            "delisted_weight": 0.1,
            "final_net_value": 1.1,
            "unrecovered_net_value": 1.0,
            "annual_return": 0.21,
            "unrecovered_annual_return": 0.0,
            "suspended_at_end": 3,
            "suspended_weight": 0.07,
        }
    )


def test_what_rounding_alone_makes_is_no_win_and_no_ratio() -> None:
    """A portfolio that is its benchmark, but for a last place: no month is won, and nothing is divided by the noise."""
    daily = random_daily(1)
    daily["return"] = daily["benchmark_return"] + np.where(np.arange(len(daily)) % 2, 1.0, -1.0) * 2.0**-60
    daily.loc[5::20, "return"] = daily["benchmark_return"] + 2.0**-54
    figures = performance_figures(daily)
    assert figures["monthly_win_rate"] == 0.0
    assert np.isnan(figures["information_ratio"])
    assert np.isnan(figures["excess_calmar"])
    assert figures["sharpe"] == pytest.approx(figures["annual_return"] / figures["annual_volatility"])
    assert yearly_figures(daily)["months_won"].sum() == 0
