"""The page of the weekly report on made-up series: tables and sentences against plain products, files, size."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.published import published_table
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.drawing import PALETTES
from attn_platform.reports.exports import single_file
from attn_platform.reports.weekly_contents import (
    LONG,
    LONG_SHORT,
    SHORT,
    PublishedWeek,
    Series,
    WeeklyFactor,
    WeeklyPortfolio,
    WeeklyReportData,
    factor_frame,
)
from attn_platform.reports.weekly_figures import span_bars, strength_figure
from attn_platform.reports.weekly_page import sentence, write_weekly_report
from attn_platform_tests.reports.sample import Page, read_page

WEEK = exchange_calendar().between("2024-08-26", "2024-08-30")
SPANS = {"week": "2024-08-26", "month": "2024-08-01", "year": "2024-01-01"}
FACTORS = published_table("haitong20240830_table1_factors").set_index("factor")
PORTFOLIOS = published_table("haitong20240830_table2_portfolios").set_index("portfolio")
NO_DATA = "table transaction is absent (not imported)"


def series(seed: int, first: str = "2014-01-02") -> Series:
    sessions = exchange_calendar().between(first, "2024-08-30").astype("datetime64[s]")
    values = np.random.default_rng(seed).normal(0, 0.004, len(sessions))
    return Series(pd.Series(values, pd.DatetimeIndex(sessions)))


def factor(name: str, seed: int) -> WeeklyFactor:
    long, short = series(seed), series(seed + 100)
    both = Series(long.daily + short.daily)
    return WeeklyFactor(
        name, name.replace("_", " "), "a formula", "monthly", {LONG: long, SHORT: short, LONG_SHORT: both}
    )


def report(published: bool = True, absent: frozenset[str] = frozenset()) -> WeeklyReportData:
    return WeeklyReportData(
        title="Made up",
        data_source=DataSource(DataKind.SIMULATED, "made-up series"),
        sessions=WEEK,
        factors=[
            WeeklyFactor(name, name, "a formula", "monthly", absent=NO_DATA) if name in absent else factor(name, seed)
            for seed, name in enumerate(FACTORS.index)
        ],
        portfolios=[
            WeeklyPortfolio("csi500_ai_enhanced", "csi500", series(300, "2017-01-03")),
            WeeklyPortfolio("csi1000_ai_enhanced", "csi1000", None, "no backtest yet"),
        ],
        method=["How it is made."],
        published=PublishedWeek("Haitong", "real A shares", FACTORS, PORTFOLIOS) if published else None,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WeeklyReportData]:
    data = report(absent=frozenset({"open_buy_intention_ratio"}))
    return write_weekly_report(data, tmp_path_factory.mktemp("reports") / "weekly"), data


@pytest.fixture(scope="module")
def page(written: tuple[Path, WeeklyReportData]) -> Page:
    return read_page(single_file(written[0]))


def total(daily: pd.Series, first: str) -> float:
    product = 1.0
    for value in daily[pd.Timestamp(first) :]:
        product *= 1 + value
    return product - 1


def shown(value: float) -> str:
    text = f"{100 * value:+.2f}%".replace("-", "−")
    return "0.00%" if text[1:] == "0.00%" else text


def rows_of(page: Page, caption: str) -> list[Mapping[str, str]]:
    header, *rows = page.tables[caption]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize(("caption", "side"), [("Table 1: Long-short", LONG_SHORT), ("Table 1: Long excess", LONG)])
def test_both_tables_of_factors_have_the_figures(
    page: Page, written: tuple[Path, WeeklyReportData], caption: str, side: str
) -> None:
    by_title = {row["Factor"]: row for row in rows_of(page, caption)}
    assert len(by_title) == 14
    for each in written[1].factors:
        row = by_title[each.title]
        printed = FACTORS.loc[each.name]
        assert row["Week, published"] == shown(printed[f"{side}_week"])
        assert row["Year to date, published"] == shown(printed[f"{side}_ytd"])
        assert row["Months won, published"] == printed[f"{side}_months_won"]
        if each.absent:
            assert (row["Week"], row["Months won"], row["From"]) == ("–", "–", f"no data: {NO_DATA}")
            continue
        daily = each.sides[side].daily
        for label, span in (("Week", "week"), ("Month to date", "month"), ("Year to date", "year")):
            assert row[label] == shown(total(daily, SPANS[span]))
        months = [total(part, "2024-01-01") for _, part in daily["2024"].groupby(daily["2024"].index.month)]
        assert row["Months won"] == f"{sum(value > 0 for value in months)}/8"
        assert row["From"] == "2014-01-02"


def test_the_table_of_portfolios(page: Page, written: tuple[Path, WeeklyReportData]) -> None:
    first, second = rows_of(page, "Table 2: enhanced portfolios")
    excess = written[1].portfolios[0].excess
    assert excess is not None
    assert first["Year to date"] == shown(total(excess.daily, "2024-01-01"))
    assert first["Weeks won"].endswith("/34")
    assert (first["Weeks won, published"], first["Week, published"]) == ("23/34", "−0.70%")
    assert second["From"] == "no data: no backtest yet"


def test_each_factor_with_data_has_a_sentence_a_curve_and_bars(written: tuple[Path, WeeklyReportData]) -> None:
    known = [each for each in written[1].factors if not each.absent]
    html = written[0].read_text(encoding="utf-8")
    assert len(known) == 13
    for each in known:
        daily = each.sides[LONG_SHORT].daily
        week, month, year = (shown(total(daily, first)) for first in SPANS.values())
        won = each.sides[LONG_SHORT].won("month").split("/")[0]
        expected = (
            f"{each.title}: long-short {week} in the week, {month} in the month, {year} in the year, "
            f"{won} of 8 months won."
        )
        assert sentence(each) == expected
        assert f"<li>{expected}</li>" in html
        assert f'id="strength-{each.name}" class="plot"' in html
        assert f'id="bars-{each.name}" class="plot"' in html
    assert "strength-open_buy_intention_ratio" not in html


def test_curves_and_bars_are_those_of_the_series(written: tuple[Path, WeeklyReportData]) -> None:
    sides = written[1].factors[0].sides
    curves = strength_figure(sides, PALETTES["neutral"]).data
    assert [trace.name for trace in curves] == ["Long", "Short", "Long-short"]
    assert curves[2].y[-1] == pytest.approx(1 + total(sides[LONG_SHORT].daily, "2014-01-01"), rel=1e-6)
    assert curves[2].x[-1] == "2024-08-30"
    bars = span_bars(sides, PALETTES["neutral"]).data
    assert list(bars[1].y) == pytest.approx([total(sides[SHORT].daily, first) for first in SPANS.values()], rel=1e-5)


def test_the_tables_are_files_in_full_precision(written: tuple[Path, WeeklyReportData]) -> None:
    path, data = written
    table = pd.read_csv(path.parent / "2024-08-30_table1_factors.csv").set_index("factor")
    name = data.factors[0].name
    assert table.loc[name, "long_short_ytd"] == pytest.approx(
        total(data.factors[0].sides[LONG_SHORT].daily, "2024-01-01"), rel=1e-12
    )
    assert table.loc[name, "published_long_short_ytd"] == FACTORS.loc[name, "long_short_ytd"]
    assert table.loc["open_buy_intention_ratio", "absent"] == NO_DATA
    assert set(table["data_source"]) == {"made-up series"}
    portfolios = pd.read_csv(path.parent / "2024-08-30_table2_portfolios.csv").set_index("portfolio")
    assert portfolios.loc["csi500_ai_enhanced", "published_weeks_won"] == "23/34"


def test_the_data_of_both_is_stated_beside_the_published_figures(written: tuple[Path, WeeklyReportData]) -> None:
    html = written[0].read_text(encoding="utf-8")
    assert "Published are the figures of this week in Haitong, of real A shares; ours are of: made-up series." in html


def test_another_week_has_no_published_columns(tmp_path: Path) -> None:
    path = write_weekly_report(report(published=False), tmp_path)
    assert "ublished" not in path.read_text(encoding="utf-8").partition("<body>")[2].partition("<script")[0]
    assert not [name for name in factor_frame(report(published=False)).columns if name.startswith("published")]


def test_the_page_is_small_and_the_same_each_time(written: tuple[Path, WeeklyReportData], tmp_path: Path) -> None:
    """Fourteen rows over more than ten years, page and figures together."""
    path = write_weekly_report(report(), tmp_path / "weekly")
    figures = path.with_name("2024-08-30.data.js")
    assert path.stat().st_size + figures.stat().st_size < 300_000
    before = path.read_bytes(), figures.read_bytes()
    write_weekly_report(report(), tmp_path / "weekly")
    assert (path.read_bytes(), figures.read_bytes()) == before


def test_the_index_has_all_weeks_newest_first(tmp_path: Path) -> None:
    data = report()
    write_weekly_report(data, tmp_path)
    sessions = exchange_calendar().between("2024-08-19", "2024-08-23")
    nothing = WeeklyFactor("improved_reversal", "Improved reversal", "", "monthly", absent=NO_DATA)
    write_weekly_report(WeeklyReportData("Made up", data.data_source, sessions, [nothing], [], []), tmp_path)
    _, *rows = read_page((tmp_path / "index.html").read_text(encoding="utf-8")).tables["Weeks"]
    assert [row[0] for row in rows] == ["2024-08-30", "2024-08-23"]
    best = max(data.factors, key=lambda each: total(each.sides[LONG_SHORT].daily, "2024-08-26"))
    assert rows[0][1:3] == ["14 of 14", shown(total(best.sides[LONG_SHORT].daily, "2024-08-26"))]
    assert rows[1][1:] == ["0 of 1", "–", "–"]


def test_a_row_needs_its_sides_or_a_reason() -> None:
    with pytest.raises(ContractError, match="row a: needs long_excess, short_excess, long_short, or a reason"):
        WeeklyFactor("a", "A", "", "monthly")
