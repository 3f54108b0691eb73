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
from attn_platform.published import reader as published_file
from attn_platform.published.reader import published_table
from attn_platform.studies.pages import page_file
from attn_platform.studies.study import StrategyConfig
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
FACTOR_TABLES = (
    "ai69_exhibit10_factor_metrics",
    "ai69_exhibit22_factor_metrics",
    "ai69_exhibit34_factor_metrics_ensemble",
    "ai55_exhibit20_factor_metrics",
)
WEEKLY_TABLES = {
    "haitong20240830_table1_factors": ("long_short_months_won", "long_excess_months_won"),
    "haitong20240830_table2_portfolios": ("weeks_won",),
}


def information_ratio_name(correlation: str) -> str:
    return correlation.removesuffix("ic") + "icir"


def factor_rows() -> pd.DataFrame:
    """Every published row of composite-factor figures."""
    rows = pd.concat([published_table(name).assign(table=name) for name in FACTOR_TABLES], ignore_index=True)
    assert len(rows) == 26
    return rows


def test_no_published_table_is_without_an_identity() -> None:
    performance = {name for name, _ in REPEATED} | {origin for _, origins in REPEATED for origin in origins}
    held = {*FACTOR_TABLES, *CORRELATIONS, *WEEKLY_TABLES, *MONTH_TABLES.values(), *performance}
    held |= {"ai69_exhibit24_performance_relaxed"}  # its turnover, below; its ratios, in `test_performance`
    assert held == {path.stem for path in Path(published_file.__file__).parent.glob("*.csv")}


def test_printed_long_short_returns_are_half_the_spread_of_the_layers() -> None:
    """In every row, to three decimals of each: half a unit for the long-short return, as much for half the spread. It
    is neither the plain difference nor that of growth rates."""
    rows = factor_rows()
    top, bottom, long_short = (rows[f"{name}_annual_return"] for name in ("top", "bottom", "long_short"))
    rounding = 0.001 + 1e-12
    assert (abs(long_short - (top - bottom) / 2) <= rounding).all()
    assert (abs(long_short - (top - bottom)) > rounding).all()
    assert (abs(long_short - (np.log1p(top) - np.log1p(bottom)) / 2) > rounding).all()


def test_printed_benchmarks_are_one_figure_a_universe() -> None:
    """The benchmark is the equally weighted universe, whatever is forecast; AI-55 prints another one for XGBoost."""
    rows = factor_rows()
    universe = rows["table"].str[:4] + np.where(rows["model"] == "xgboost", "_xgboost", "")
    assert rows.groupby(universe)["benchmark_annual_return"].unique().map(list).to_dict() == {
        "ai55": [0.026],
        "ai55_xgboost": [0.057],
        "ai69": [0.064],
    }
    assert rows["benchmark_annual_return"].between(rows["bottom_annual_return"], rows["top_annual_return"]).all()


def test_printed_information_ratios_are_of_sessions_and_not_of_years() -> None:
    """A mean over its ratio is a deviation over time. Near 0.11 are those of single sessions; annualised ratios would
    make them 16 times as small."""
    rows = factor_rows()
    for name in CORRELATION_MEANS:
        deviation = rows[f"{name}_mean"] / rows[information_ratio_name(name)]
        assert deviation.between(0.095, 0.125).all(), name


def test_printed_precisions_are_shares_that_beat_the_median() -> None:
    rows = factor_rows()
    for name in ("top_precision", "bottom_precision"):
        assert rows[name].between(0.5, 0.65).all()


@pytest.mark.parametrize("table", WEEKLY_TABLES)
def test_printed_wins_are_of_the_periods_of_the_year_so_far(table: str) -> None:
    sessions = pd.DatetimeIndex(exchange_calendar().between("2024-01-01", "2024-08-30"))
    for column in WEEKLY_TABLES[table]:
        period = "M" if "months" in column else "W"
        counted = published_table(table)[column].str.split("/", expand=True).astype(int)
        assert (counted[1] == len(sessions.to_period(period).unique())).all()
        assert (counted[0] <= counted[1]).all()


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
    return pd.read_csv(page_file(pipeline.home, strategy.name).parent / "tables" / f"{name}.csv")


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
            assert len(series) > 20
            assert figures[f"{name}_mean"] == pytest.approx(series.mean(), rel=1e-10)
            assert figures[information_ratio_name(name)] == pytest.approx(series.mean() / series.std(), rel=1e-10)


def test_what_a_report_prints_is_what_the_lake_holds(
    pipeline: Pipeline, strategy: StrategyConfig, daily: pd.DataFrame
) -> None:
    printed = report_table(pipeline, strategy, "daily")
    page: Path = page_file(pipeline.home, strategy.name)
    assert page.exists()
    shared = [column for column in daily.columns if column in printed and column != "date"]
    assert {"net_value", "excess_net_value", "return", "turnover", "cost"} <= set(shared)
    aligned = daily.assign(date=daily["date"].astype(str)).set_index("date").loc[printed["date"]]
    for column in shared:
        np.testing.assert_allclose(printed[column], aligned[column], rtol=1e-12)
