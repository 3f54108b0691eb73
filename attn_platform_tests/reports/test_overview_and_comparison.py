"""The overview and `attn compare`, on made-up results: figures against the backtests, links, what lacks."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from attn_platform.backtest.store import backtest_table
from attn_platform.cli.app import app
from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.studies.names import OVERVIEW
from attn_platform.studies.pages import pages_of, write_page
from attn_platform.studies.settings import Home
from attn_platform.workflows.comparison import compare, comparison_page
from attn_platform.workflows.pages.overview import gather_overview
from attn_platform_tests.reports.sample import Page, read_page
from attn_platform_tests.reports.study_sample import own_performance, study_home, write_backtest

ONE, OTHER, MIX = "gat_residual", "xgboost", "gat_xgboost_mix"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = study_home(tmp_path_factory.mktemp("home"), "ai55", ("gat_residual", "xgboost"))
    made.save()
    return made


@pytest.fixture(scope="module")
def page(home: Home) -> Page:
    path, _ = write_page(home, pages_of(home)[OVERVIEW])
    return read_page(path.read_text(encoding="utf-8"))


def test_every_strategy_and_mix_has_its_line(home: Home, page: Page) -> None:
    header, *rows = page.tables["All strategies"]
    assert [row[0] for row in rows] == [ONE, OTHER, MIX]
    assert [row[1] for row in rows] == ["strategy", "strategy", "mix"]
    of = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    own = own_performance(home, ONE)
    assert of[ONE]["Sharpe ratio"] == f"{own['sharpe']:.2f}".replace("-", "−")
    assert of[ONE]["Excess annual return, published"] == "16.17%"
    assert of[OTHER]["RankIC, mean, published"] == "11.4%"
    assert of[MIX]["Information ratio, published"] == "2.94"
    assert (of[MIX]["RankIC, mean"], of[MIX]["RankIC, mean, published"]) == ("–", "–")


def test_lines_sort_by_their_values_and_lead_to_their_pages(home: Home, page: Page) -> None:
    _, *rows = page.cell_attributes["All strategies"]
    at = page.tables["All strategies"][0].index("Excess annual return")
    orders = [float(row[at]["data-order"]) for row in rows]
    assert orders == pytest.approx([own_performance(home, each)["excess_annual_return"] for each in (ONE, OTHER, MIX)])
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a" and "href" in attributes]
    assert {f"../{ONE}/index.html", f"../{MIX}/index.html", "../study_ai55/index.html"} <= set(links)


def test_what_has_no_backtest_is_named(home: Home, tmp_path) -> None:
    empty = Home(tmp_path, home.settings)
    write_backtest(empty, ONE, home.lake.read(backtest_table(ONE))["date"].to_numpy(), seed=0)
    data = gather_overview(empty)
    assert [row.name for row in data.rows] == [ONE]
    assert list(data.absent) == [OTHER, MIX]


def test_a_comparison_is_on_common_sessions(home: Home, tmp_path) -> None:
    """The second one begins ten sessions later: figures of both are those of the rest."""
    other = Home(tmp_path, home.settings)
    dates = home.lake.read(backtest_table(ONE))["date"].to_numpy()
    write_backtest(other, ONE, dates, seed=0)
    write_backtest(other, OTHER, dates[10:], seed=1)
    found = compare(other, ONE, OTHER)
    daily = {name: other.lake.read(backtest_table(name)).to_pandas() for name in (ONE, OTHER)}
    series = [daily[ONE]["excess_return"].to_numpy()[11:], daily[OTHER]["excess_return"].to_numpy()[1:]]
    rates = [np.prod(1 + each) ** (252 / len(each)) - 1 for each in series]
    assert len(found.excess) == len(dates) - 11
    assert found.difference.estimate == pytest.approx(rates[0] - rates[1], rel=1e-9)
    assert found.performance[ONE]["excess_annual_return"] == pytest.approx(rates[0], rel=1e-9)
    assert found.correlation == pytest.approx(np.corrcoef(*series)[0, 1], abs=1e-12)
    held = [other.lake.read(backtest_table(name, "holdings")).to_pandas() for name in (ONE, OTHER)]
    weights = [frame.pivot(index="date", columns="symbol", values="weight").fillna(0.0) for frame in held]
    shared = pd.Index(weights[0].index).intersection(weights[1].index)
    assert len(found.overlap) == len(shared) > 0
    for date, value in found.overlap.items():
        one, two = (frame.loc[date.date()] for frame in weights)
        both = sum(min(one.get(symbol, 0.0), two.get(symbol, 0.0)) for symbol in {*one.index, *two.index})
        assert value == pytest.approx(both, abs=1e-12)


def attn(home: Home, *arguments: str) -> str:
    """What a command prints; fails where it does not end well."""
    result = CliRunner().invoke(app, [*arguments, "--home", str(home.root)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_compare_prints_and_writes(home: Home) -> None:
    printed = json.loads(attn(home, "compare", ONE, MIX, "--json"))
    assert printed["lower"] <= printed["excess_annual_return_difference"] <= printed["upper"]
    assert printed["data"] == "made-up results"
    own = own_performance(home, MIX)
    assert printed["performance"][MIX] == pytest.approx(own, rel=1e-12)
    page = comparison_page(home, ONE, MIX)
    assert printed["page"] == str(page)
    daily = pd.read_csv(page.parent / "daily.csv")
    assert len(daily) == printed["sessions"]
    text = attn(home, "compare", ONE, MIX)
    assert str(page) in text
    assert "Excess annual return" in text
    assert "blocks of 21 sessions" in text


def test_what_cannot_be_compared_is_told(home: Home, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="gat_residual is compared with itself"):
        compare(home, ONE, ONE)
    with pytest.raises(ConfigurationError, match="has no strategy or mix 'gat_residul'"):
        compare(home, ONE, "gat_residul")
    empty = Home(tmp_path, home.settings)
    with pytest.raises(MissingDataError, match="run attn materialize backtest_gat_residual"):
        compare(empty, ONE, OTHER)
    dates = home.lake.read(backtest_table(ONE))["date"].to_numpy()
    write_backtest(empty, ONE, dates[:20], seed=0)
    write_backtest(empty, OTHER, dates[30:], seed=1)
    with pytest.raises(MissingDataError, match="have 0 sessions in common"):
        _ = compare(empty, ONE, OTHER).excess


def test_reports_are_made_by_their_names(home: Home) -> None:
    for name, folder in (("overview", "overview"), ("study", "study_ai55")):
        assert attn(home, "report", name).strip() == str(home.reports / folder / "index.html")
