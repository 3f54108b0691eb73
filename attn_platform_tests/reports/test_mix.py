"""The page of a mix: what it has of a strategy's, its parts beside it, and the months that the study printed."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.published import published_months, published_table
from attn_platform.reports import formatting
from attn_platform.reports.contents import PERFORMANCE_FIGURES, StrategyReportData
from attn_platform.reports.strategy import relaxed_names
from attn_platform.reports.strategy_page import render_strategy_report
from attn_platform.reports.tables import report_tables
from attn_platform_tests.reports.sample import Page, read_page, strategy_report_data

PARTS = {
    part: {name: place + at / 100 for at, name in enumerate(PERFORMANCE_FIGURES)}
    for place, part in enumerate(("first_part", "second_part", "third_part"))
}
CORRELATIONS = pd.DataFrame(
    [[1.0, 0.5, 0.25], [0.5, 1.0, -0.125], [0.25, -0.125, 1.0]], index=list(PARTS), columns=list(PARTS)
)
NOTHING = pd.DataFrame()


@pytest.fixture(scope="module")
def data() -> StrategyReportData:
    whole = strategy_report_data()
    holdings = whole.holdings.assign(score=np.nan, reason=None)
    return strategy_report_data(
        strategy="halves",
        mix_parts=PARTS,
        mix_correlations=CORRELATIONS,
        published_months=published_months("ai55", "gat_xgboost_mix"),
        factor_figures={},
        rank_ic=pd.Series(dtype=float),
        weighted_rank_ic=pd.Series(dtype=float),
        layers=NOTHING,
        best_weeks=NOTHING,
        week_contributors=NOTHING,
        conditions=NOTHING,
        layer_annual_returns=pd.Series(dtype=float),
        industry_exposures=NOTHING,
        style_exposures=NOTHING,
        holdings=holdings,
        checkpoint_windows=NOTHING,
        explanation=None,
        limit_states=NOTHING,
        binding_limits=NOTHING,
        stock_reasons=NOTHING,
    )


@pytest.fixture(scope="module")
def page(data: StrategyReportData) -> Page:
    return read_page(render_strategy_report(data))


def test_the_parts_stand_beside_the_mix(page: Page, data: StrategyReportData) -> None:
    header, *rows = page.tables["The mix and its parts"]
    assert header == ["Figure", "Halves", "First part", "Second part", "Third part"]
    assert len(rows) == len(PERFORMANCE_FIGURES)
    for name, row in zip(PERFORMANCE_FIGURES, rows, strict=True):
        figures = (data.performance, *PARTS.values())
        assert row == [formatting.label(name), *(formatting.figure(name, each[name]) for each in figures)]


def test_each_pair_of_parts_has_its_correlation_once(page: Page) -> None:
    text = page.text_before_table["The mix and its parts"]
    for pair in ("0.50 (first part and second part)", "0.25 (first part and third part)"):
        assert text.count(pair) == 1
    assert "(second part and third part)" in text
    assert "(second part and first part)" not in text


def test_published_months_stand_below_ones_own(page: Page) -> None:
    names = list(page.tables)
    printed = "Excess return by month, Huatai AI-55, exhibit 6"
    assert names.index(printed) == names.index("Excess return by month") + 1
    table = published_table("ai55_exhibit06_monthly_excess_gat_xgboost_mix")
    assert [row[0] for row in page.tables[printed][1:]] == table["year"].astype(str).tolist()
    assert page.tables[printed][1][1] == "3.4%"
    assert "real A shares, 2011-01-04 to 2022-03-31" in page.text_before_table[printed]


def test_what_a_mix_has_not_is_left_out(page: Page) -> None:
    assert {"Largest holdings", "Worst weeks"} <= set(page.tables)
    assert not {"Figures of the composite factor", "Checkpoint windows"} & set(page.tables)
    assert not {"rank-ic", "layers", "binding-limits"} & set(page.plots)
    assert not {"Score", "Reason"} & set(page.tables["Largest holdings"][0])


def test_the_tables_have_the_parts_in_full(data: StrategyReportData) -> None:
    tables = report_tables(data)
    own = tables["mix_parts"].set_index("figure")
    assert own.columns.tolist() == ["halves", *PARTS]
    assert own.loc["sharpe", "third_part"] == PARTS["third_part"]["sharpe"]
    pd.testing.assert_frame_equal(tables["mix_correlations"].set_index("strategy"), CORRELATIONS, check_names=False)
    assert tables["published_months"].equals(published_table("ai55_exhibit06_monthly_excess_gat_xgboost_mix"))
    assert not {"mix_parts", "mix_correlations", "published_months"} & set(report_tables(strategy_report_data()))


def test_what_gave_way_is_read_from_the_accounts_record() -> None:
    record = '[{"limit": "turnover", "name": ""}, {"limit": "industry", "name": "banks"}]'
    assert (relaxed_names(record), relaxed_names("[]")) == ("industry banks, turnover", "")
