"""Identities between published figures, and the same identities between the figures that a home shows its user.

Each says how figures belong together (a ratio and its parts, months and a year, layers and their spread). The printed
tables fix the definitions, to rounding; the tables that a run leaves in the lake and beside its reports must then obey
them to the last digits. What single tables print is in `test_performance` and `test_composite_factor`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.market.calendar import exchange_calendar
from attn_platform.published.reader import published_table
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.reports import report_page
from attn_platform_tests.homes import ENSEMBLE, MODEL, STRATEGY
from attn_platform_tests.pipelines import Pipeline

SESSIONS_PER_YEAR = 252
MONTHS = [f"{month:02d}" for month in range(1, 13)]
MONTH_TABLES = {
    "gat_residual": "ai55_exhibit02_monthly_excess_gat_residual",
    "gat_residual_mse": "ai55_exhibit04_monthly_excess_gat_residual_mse",
    "gat_xgboost_mix": "ai55_exhibit06_monthly_excess_gat_xgboost_mix",
}
REPEATED = [
    ("ai69_exhibit35_performance_ensemble", ("ai69_exhibit11_performance", "ai69_exhibit23_performance")),
    ("ai69_exhibit34_factor_metrics_ensemble", ("ai69_exhibit10_factor_metrics", "ai69_exhibit22_factor_metrics")),
    ("ai55_exhibit35_neutralisation", ("ai55_exhibit21_performance",)),
]
CORRELATIONS = ("ai69_exhibit32_prediction_correlation", "ai69_exhibit33_excess_return_correlation")
CORRELATION_MEANS = ("ic", "rank_ic", "weighted_ic", "weighted_rank_ic")


def printed_months(model: str) -> np.ndarray:
    months = published_table(MONTH_TABLES[model])[MONTHS].to_numpy().ravel()
    return months[~np.isnan(months)]


@pytest.mark.parametrize("model", MONTH_TABLES)
def test_a_printed_win_rate_counts_the_printed_months(model: str) -> None:
    """A month printed as 0.0 % may have been won or lost."""
    performance = published_table("ai55_exhibit21_performance").set_index("model")
    months = printed_months(model)
    won = performance.loc[model, "monthly_win_rate"] * len(months)
    assert won == pytest.approx(round(won), abs=0.01)
    assert (months > 0).sum() <= round(won) <= (months >= 0).sum()


@pytest.mark.parametrize("model", MONTH_TABLES)
def test_printed_months_compound_to_the_printed_annual_return_in_years_of_252_sessions(model: str) -> None:
    """And not in the calendar years of the test range, which are 4 % longer."""
    annual = published_table("ai55_exhibit21_performance").set_index("model").loc[model, "excess_annual_return"]
    months = printed_months(model)
    growth, rounding = np.log1p(months).sum(), 0.0005 * np.sqrt(len(months) / 3)
    years = len(exchange_calendar().between("2011-01-04", "2022-03-31")) / SESSIONS_PER_YEAR
    assert growth == pytest.approx(years * np.log1p(annual), abs=3 * rounding)
    assert abs(growth - len(months) / 12 * np.log1p(annual)) > 3 * rounding


@pytest.mark.parametrize(("table", "origins"), REPEATED)
def test_rows_printed_twice_are_the_same(table: str, origins: tuple[str, ...]) -> None:
    known = pd.concat([published_table(origin) for origin in origins])
    keys = [column for column in ("model", "horizon") if column in known]
    repeated = published_table(table).merge(known, on=keys, suffixes=("", "_again"))
    assert len(repeated) >= 2
    for column in known.columns.drop(keys):
        np.testing.assert_array_equal(repeated[column], repeated[f"{column}_again"])


@pytest.mark.parametrize("table", CORRELATIONS)
def test_printed_correlations_are_symmetric(table: str) -> None:
    matrix = published_table(table).set_index("model")
    assert list(matrix.index) == list(matrix.columns)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1.0)


@pytest.mark.parametrize(
    ("table", "one_way"),
    [
        ("ai69_exhibit11_performance", 0.15),
        ("ai69_exhibit23_performance", 0.15),
        ("ai69_exhibit24_performance_relaxed", 0.20),
        ("ai55_exhibit21_performance", 0.15),
    ],
)
def test_printed_turnover_is_that_of_a_limit_that_binds_every_five_sessions(table: str, one_way: float) -> None:
    """Both sides of every rebalance, and what limits that contradict each other, and drift until T+1, add to it."""
    limit = 2 * one_way * SESSIONS_PER_YEAR / 5
    assert published_table(table)["annual_two_sided_turnover"].between(limit, 1.12 * limit).all()


@pytest.fixture(params=[STRATEGY, ENSEMBLE])
def strategy(request: pytest.FixtureRequest, pipeline: Pipeline) -> StrategyConfig:
    return pipeline.home.study.strategy(request.param)


def report_table(pipeline: Pipeline, strategy: StrategyConfig, name: str) -> pd.DataFrame:
    return pd.read_csv(report_page(pipeline.home, strategy.name).parent / "tables" / f"{name}.csv")


@pytest.fixture
def performance(pipeline: Pipeline, strategy: StrategyConfig) -> pd.Series:
    return report_table(pipeline, strategy, "performance").set_index("figure")["value"]


@pytest.fixture
def daily(pipeline: Pipeline, strategy: StrategyConfig) -> pd.DataFrame:
    return pipeline.home.lake.read(backtest_table(strategy.name)).to_pandas()


def test_our_ratios_are_those_of_their_parts(performance: pd.Series) -> None:
    for ratio, numerator, denominator in (
        ("sharpe", "annual_return", "annual_volatility"),
        ("calmar", "annual_return", "max_drawdown"),
        ("information_ratio", "excess_annual_return", "tracking_error"),
        ("excess_calmar", "excess_annual_return", "excess_max_drawdown"),
    ):
        assert performance[ratio] == pytest.approx(performance[numerator] / performance[denominator], rel=1e-12)


def test_our_excess_net_value_compounds_the_differences(performance: pd.Series, daily: pd.DataFrame) -> None:
    difference = (daily["return"] - daily["benchmark_return"]).iloc[1:]
    np.testing.assert_allclose(daily["excess_net_value"].iloc[1:], np.cumprod(1 + difference), rtol=1e-12)
    years = len(difference) / SESSIONS_PER_YEAR
    final = daily["excess_net_value"].iloc[-1]
    assert (1 + performance["excess_annual_return"]) ** years == pytest.approx(final, rel=1e-10)
    assert (1 + performance["annual_return"]) ** years == pytest.approx(daily["net_value"].iloc[-1], rel=1e-10)
    ratio_of_net_values = daily["net_value"].iloc[-1] / np.prod(1 + daily["benchmark_return"].iloc[1:])
    assert abs(ratio_of_net_values / final - 1) > 1e-6


def test_our_months_compound_to_years_and_to_the_whole(
    pipeline: Pipeline, strategy: StrategyConfig, performance: pd.Series, daily: pd.DataFrame
) -> None:
    table = report_table(pipeline, strategy, "monthly_excess")
    months = table[MONTHS]
    np.testing.assert_allclose(np.nanprod(1 + months, axis=1) - 1, table["year_total"], atol=1e-12)
    assert np.prod(1 + table["year_total"]) == pytest.approx(daily["excess_net_value"].iloc[-1], rel=1e-11)
    won = performance["monthly_win_rate"] * months.notna().sum().sum()
    assert won == pytest.approx((months > 0).sum().sum(), abs=1e-9)


def test_our_turnover_is_what_was_traded(
    pipeline: Pipeline, strategy: StrategyConfig, performance: pd.Series, daily: pd.DataFrame
) -> None:
    trades = pipeline.home.lake.read(backtest_table(strategy.name, "trades")).to_pandas()
    years = (len(daily) - 1) / SESSIONS_PER_YEAR
    traded = trades["traded_weight"].abs()
    assert performance["annual_two_sided_turnover"] == pytest.approx(traded.sum() / years, rel=1e-10)
    by_session = traded.groupby(trades["date"]).sum()
    np.testing.assert_allclose(daily.set_index("date")["turnover"].loc[by_session.index], by_session, rtol=1e-10)
    np.testing.assert_allclose(
        daily["cost"].sum(), pipeline.home.study.backtest.cost_per_side * traded.sum(), rtol=1e-10
    )


def test_our_weekly_turnover_keeps_the_limit_unless_it_gave_way(pipeline: Pipeline, strategy: StrategyConfig) -> None:
    rebalances = report_table(pipeline, strategy, "rebalances")
    within = rebalances[~rebalances["relaxed"].fillna("").str.contains("turnover")].iloc[1:]
    assert len(within) >= 3
    assert (within["one_way_turnover"] <= strategy.limits.turnover + 1e-9).all()


def factor_figures(pipeline: Pipeline) -> Iterator[tuple[pd.Series, pd.DataFrame]]:
    """Of each horizon of a model: its figures, and its correlations by session."""
    lake = pipeline.home.lake
    sessions = lake.read(sessions_table(MODEL)).to_pandas()
    for _, figures in lake.read(figures_table(MODEL)).to_pandas().iterrows():
        yield figures, sessions[sessions["horizon"] == figures["horizon"]]


def test_our_long_short_return_is_half_the_spread_of_the_layers(pipeline: Pipeline) -> None:
    for figures, _ in factor_figures(pipeline):
        spread = figures["top_annual_return"] - figures["bottom_annual_return"]
        assert figures["long_short_annual_return"] == pytest.approx(spread / 2, rel=1e-12)


def test_our_correlations_are_those_of_the_sessions(pipeline: Pipeline) -> None:
    """ICIR and its kin are not annualised."""
    for figures, sessions in factor_figures(pipeline):
        for name in CORRELATION_MEANS:
            series = sessions[name].dropna()
            ratio = {"ic": "icir", "rank_ic": "rank_icir"}.get(name, name.replace("ic", "icir"))
            assert len(series) > 20
            assert figures[f"{name}_mean"] == pytest.approx(series.mean(), rel=1e-10)
            assert figures[ratio] == pytest.approx(series.mean() / series.std(), rel=1e-10)


def test_what_a_report_prints_is_what_the_lake_holds(
    pipeline: Pipeline, strategy: StrategyConfig, daily: pd.DataFrame
) -> None:
    printed = report_table(pipeline, strategy, "daily")
    page: Path = report_page(pipeline.home, strategy.name)
    assert page.exists()
    shared = [column for column in daily.columns if column in printed and column != "date"]
    assert {"net_value", "excess_net_value", "return", "turnover", "cost"} <= set(shared)
    aligned = daily.assign(date=daily["date"].astype(str)).set_index("date").loc[printed["date"]]
    for column in shared:
        np.testing.assert_allclose(printed[column], aligned[column], rtol=1e-12)
