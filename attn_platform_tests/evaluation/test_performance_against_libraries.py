"""Performance figures against empyrical and quantstats, where they define a figure as the studies do.

Two of the twelve they lack or define otherwise: their Sharpe and information ratios divide mean returns, AI-69's and
AI-55's annual ones, and neither knows what was traded.
"""

import empyrical
import numpy as np
import pandas as pd
import pytest
import quantstats.stats as quantstats

from attn_platform.evaluation.performance import (
    drawdowns,
    monthly_excess_returns,
    performance_figures,
    yearly_figures,
)

SESSIONS_PER_YEAR = 252
MONTHS = [f"{month:02d}" for month in range(1, 13)]
QUANTSTATS_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def random_daily(seed: int, mean: float) -> pd.DataFrame:
    """Three and a half years of a portfolio and its benchmark; the base row has no returns."""
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2018-05-16", periods=900)
    benchmark = rng.standard_t(4, len(dates)) * 0.009
    daily = pd.DataFrame(
        {
            "date": dates,
            "return": mean + benchmark + rng.normal(0, 0.004, len(dates)),
            "benchmark_return": benchmark,
            "turnover": 0.06,
        }
    )
    daily.loc[0, ["return", "benchmark_return"]] = np.nan
    return daily


@pytest.fixture(params=[(0, 0.0006), (1, -0.0004), (2, 0.0)], ids=["gains", "losses", "neither"])
def daily(request: pytest.FixtureRequest) -> pd.DataFrame:
    return random_daily(*request.param)


@pytest.fixture
def returns(daily: pd.DataFrame) -> pd.Series:
    return daily.set_index("date")["return"].iloc[1:]


@pytest.fixture
def excess(daily: pd.DataFrame) -> pd.Series:
    indexed = daily.set_index("date").iloc[1:]
    return indexed["return"] - indexed["benchmark_return"]


def test_figures_are_empyricals(daily: pd.DataFrame, returns: pd.Series, excess: pd.Series) -> None:
    figures = performance_figures(daily)
    months = empyrical.aggregate_returns(excess, "monthly")
    expected = {
        "annual_return": empyrical.annual_return(returns),
        "annual_volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.annual_return(returns) / empyrical.annual_volatility(returns),
        "max_drawdown": -empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns),
        "excess_annual_return": empyrical.annual_return(excess),
        "tracking_error": empyrical.annual_volatility(excess),
        "information_ratio": empyrical.annual_return(excess) / empyrical.annual_volatility(excess),
        "excess_max_drawdown": -empyrical.max_drawdown(excess),
        "excess_calmar": empyrical.calmar_ratio(excess),
        "monthly_win_rate": (months > 0).mean(),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-11)


def test_figures_are_quantstats(daily: pd.DataFrame, returns: pd.Series, excess: pd.Series) -> None:
    figures = performance_figures(daily)
    expected = {
        "annual_return": quantstats.cagr(returns, periods=SESSIONS_PER_YEAR),
        "annual_volatility": quantstats.volatility(returns, periods=SESSIONS_PER_YEAR),
        "max_drawdown": -quantstats.max_drawdown(returns),
        "calmar": quantstats.calmar(returns, periods=SESSIONS_PER_YEAR),
        "excess_annual_return": quantstats.cagr(excess, periods=SESSIONS_PER_YEAR),
        "tracking_error": quantstats.volatility(excess, periods=SESSIONS_PER_YEAR),
        "excess_max_drawdown": -quantstats.max_drawdown(excess),
        "excess_calmar": quantstats.calmar(excess, periods=SESSIONS_PER_YEAR),
        "monthly_win_rate": quantstats.win_rate(excess, aggregate="ME"),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-11)


def test_drawdowns_are_theirs(returns: pd.Series) -> None:
    ours = drawdowns(returns)
    np.testing.assert_allclose(ours, -empyrical.stats.drawdown_series(returns), atol=1e-13)
    np.testing.assert_allclose(ours, -quantstats.to_drawdown_series(returns), atol=1e-12)


def test_month_table_is_theirs(daily: pd.DataFrame, excess: pd.Series) -> None:
    table = monthly_excess_returns(daily).set_index("year")
    theirs = quantstats.monthly_returns(excess)
    np.testing.assert_allclose(table[MONTHS].fillna(0.0), theirs[QUANTSTATS_MONTHS], atol=1e-12)
    for (year, month), value in empyrical.aggregate_returns(excess, "monthly").items():
        assert table.loc[year, f"{month:02d}"] == pytest.approx(value, abs=1e-13)
    for year, value in empyrical.aggregate_returns(excess, "yearly").items():
        assert table.loc[year, "year_total"] == pytest.approx(value, abs=1e-13)


def test_yearly_figures_are_empyricals(daily: pd.DataFrame, returns: pd.Series, excess: pd.Series) -> None:
    table = yearly_figures(daily).set_index("year")
    for year in table.index:
        year_returns, year_excess = (series[series.index.year == year] for series in (returns, excess))
        row = table.loc[year]
        assert row["return"] == pytest.approx(empyrical.cum_returns_final(year_returns), rel=1e-11)
        assert row["excess_return"] == pytest.approx(empyrical.cum_returns_final(year_excess), rel=1e-11)
        assert row["annual_volatility"] == pytest.approx(empyrical.annual_volatility(year_returns), rel=1e-11)
        assert row["max_drawdown"] == pytest.approx(-empyrical.max_drawdown(year_returns), rel=1e-11)
        assert row["excess_max_drawdown"] == pytest.approx(-empyrical.max_drawdown(year_excess), rel=1e-11)
