import csv
from importlib import resources

import pandas as pd
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.published import published_months, published_row, published_source, published_table, published_tables
from attn_platform.reports.contents import FACTOR_FIGURES, PERFORMANCE_FIGURES


def test_every_file_is_a_table_with_a_source() -> None:
    names = published_tables()
    assert len(names) == 17
    assert names == tuple(sorted(names))
    for name in names:
        assert len(published_table(name))
        assert published_source(name)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ai69_exhibit11_performance", "Huatai AI-69, exhibit 11"),
        ("ai55_exhibit02_monthly_excess_gat_residual", "Huatai AI-55, exhibit 2"),
        ("haitong20240830_table1_factors", "Haitong weekly 2024-08-30, table 1"),
    ],
)
def test_source_cites_the_exhibit(name: str, source: str) -> None:
    assert published_source(name) == source


@pytest.mark.parametrize("name", published_tables())
def test_tables_hold_the_numbers_of_the_file(name: str) -> None:
    with resources.files("attn_platform.published").joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    table = published_table(name)
    assert list(table.columns) == header
    assert len(table) == len(rows)
    for row, values in zip(rows, table.itertuples(index=False), strict=True):
        for text, value in zip(row, values, strict=True):
            assert pd.isna(value) if text == "" else text == value or float(text) == float(value)


def test_a_table_is_the_callers_own() -> None:
    table = published_table("ai69_exhibit11_performance")
    table["sharpe"] = 99.0
    assert published_table("ai69_exhibit11_performance")["sharpe"].max() < 1


def test_row_by_model_and_horizon() -> None:
    row = published_row("ai69_exhibit11_performance", "inter_task_attention", "20d")
    assert row is not None
    assert tuple(row.figures) == PERFORMANCE_FIGURES
    assert row.figures["excess_annual_return"] == 0.1740
    assert row.figures["excess_calmar"] == 3.82
    assert (row.source, row.horizon, row.test_range) == (
        "Huatai AI-69, exhibit 11",
        "20d",
        "2011-01-04 to 2023-07-31",
    )


def test_tables_without_horizons_ignore_them() -> None:
    with_horizon = published_row("ai55_exhibit20_factor_metrics", "xgboost", "10d")
    assert with_horizon == published_row("ai55_exhibit20_factor_metrics", "xgboost")
    assert with_horizon is not None
    assert with_horizon.horizon is None
    assert tuple(with_horizon.figures) == FACTOR_FIGURES
    assert with_horizon.figures["weighted_ic_mean"] == -0.003


def test_text_columns_and_the_key_are_no_figures() -> None:
    row = published_row("haitong20240830_table2_portfolios", "csi1000_ai_enhanced")
    assert row is not None
    assert dict(row.figures) == {"excess_week": 0.0022, "excess_month": 0.0160, "excess_ytd": 0.0282}
    year = published_row("ai55_exhibit02_monthly_excess_gat_residual", "2014")
    assert year is not None
    assert "year" not in year.figures
    assert year.figures["year_total"] == -0.019


def test_what_the_study_did_not_print_is_none() -> None:
    assert published_row("ai69_exhibit11_performance", "lstm", "10d") is None
    assert published_row("ai69_exhibit23_performance", "lstm", "20d") is None


def test_an_ambiguous_row_asks_for_the_horizon() -> None:
    with pytest.raises(ConfigurationError, match=r"3 rows of multi_task_baseline.*10d, 20d, 10d\+20d"):
        published_row("ai69_exhibit11_performance", "multi_task_baseline")


@pytest.mark.parametrize("name", ["ai69_exhibit99_performance", "ai69_exhibit11", "../errors", ""])
def test_an_unknown_table_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match="ai69_exhibit11_performance"):
        published_table(name)


@pytest.mark.parametrize(
    ("portfolio", "source", "total_2011"),
    [
        ("gat_residual", "Huatai AI-55, exhibit 2", None),
        ("gat_residual_mse", "Huatai AI-55, exhibit 4", None),
        ("gat_xgboost_mix", "Huatai AI-55, exhibit 6", 0.162),
    ],
)
def test_months_are_those_of_the_portfolios_exhibit(portfolio: str, source: str, total_2011: float | None) -> None:
    found = published_months("ai55", portfolio)
    assert found is not None
    assert (found.source, found.test_range) == (source, "2011-01-04 to 2022-03-31")
    assert found.months["year"].tolist() == list(range(2011, 2023))
    if total_2011 is not None:
        assert found.months["year_total"][0] == total_2011
    # A year's total is its months' geometric one, up to the printed digits.
    whole = found.months[found.months["year"].between(2011, 2021)]
    months = whole[[f"{month:02d}" for month in range(1, 13)]]
    assert ((1 + months).prod(axis=1) - 1 - whole["year_total"]).abs().max() < 0.01


@pytest.mark.parametrize(("study", "portfolio"), [("ai69", "gat_residual"), ("ai55", "nn"), ("ai55", "residual")])
def test_months_that_were_not_printed_are_none(study: str, portfolio: str) -> None:
    assert published_months(study, portfolio) is None
