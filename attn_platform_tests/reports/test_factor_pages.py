import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.evaluation.factor_profile import FactorProfile
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.factor_pages import (
    render_factor_index,
    render_factor_report,
    write_factor_index,
    write_factor_report,
)
from attn_platform_tests.reports.factor_sample import CONFIG, factor_profile, factor_report_data, factor_subject
from attn_platform_tests.reports.sample import Page, numbers, read_page

HOSTILE = "\"'><script>alert(1)</script><img src=http://evil.example/x>&amp;"
PLOTS = {
    "rank-ic-by-year", "cumulative-rank-ic", "decay", "layer-returns", "persistence", "coverage-by-session",
    "histogram", "correlations",
}  # fmt: skip
TABLES = {
    "RankIC by horizon", "RankIC by year", "Mean return of each layer less the universe's", "Layers by horizon",
    "Persistence", "Distribution by year", "Rank correlation with other factors", "Definition",
}  # fmt: skip
NAMES = ("ret_1m", "ret_5d", "kmid")


@pytest.fixture(scope="module")
def html() -> str:
    return render_factor_report(factor_report_data(), factor_subject())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return read_page(html)


@pytest.fixture(scope="module")
def profile() -> FactorProfile:
    return factor_profile()


@pytest.fixture(scope="module")
def index() -> str:
    reports = [factor_report_data(name, seed) for seed, name in enumerate(NAMES)]
    return render_factor_index(reports, factor_subject(pages=frozenset(NAMES)), {})


def number(text: str) -> float:
    plain = float(text.replace("−", "-").replace(",", "").removesuffix("%"))
    return plain / 100 if text.endswith("%") else plain


def test_all_parts_are_there(page: Page) -> None:
    assert set(page.plots) == PLOTS
    assert set(page.tables) == TABLES
    assert "The market is simulated: the figures say nothing of A shares." in page.texts


def test_headline_figures_are_those_of_the_profile(html: str, profile: FactorProfile) -> None:
    shown = re.findall(r"<dt>(?:<span[^>]*>)?(.*?)(?:</span>)?</dt><dd>(.*?)</dd>", html)
    cards = {name: number(value) for name, value in shown}
    headline = profile.horizons.loc[10]
    assert cards == pytest.approx(
        {
            "RankIC, mean (10 sessions)": headline["rank_ic_mean"],
            "t-value, Newey–West": headline["newey_west_t"],
            "RankICIR": headline["rank_icir"],
            "Sessions with RankIC &gt; 0": headline["positive_share"],
            "Half-life (sessions)": profile.half_life,
            "Top − bottom layer (10 sessions)": headline["spread"],
            "Monotonicity of the layers": headline["monotonicity"],
            "Rank autocorrelation (5 sessions)": profile.persistence["autocorrelation"][5],
            "Turnover, top layer (5 sessions)": profile.persistence["top_turnover"][5],
            "Coverage": profile.coverage,
        },
        abs=0.051,
    )


def test_tables_hold_the_frames_of_the_profile(page: Page, profile: FactorProfile) -> None:
    rows = page.tables["RankIC by horizon"]
    assert [row[0] for row in rows[1:]] == ["1 session", "5 sessions", "10 sessions", "20 sessions"]
    for row, (_, figures) in zip(rows[1:], profile.horizons.iterrows(), strict=True):
        assert number(row[2]) == pytest.approx(figures["rank_ic_mean"], abs=5.1e-5)
        assert number(row[7]) == pytest.approx(figures["newey_west_t"], abs=5.1e-3)
    assert [row[0] for row in page.tables["RankIC by year"][1:]] == ["2020", "2021"]
    layers = page.tables["Mean return of each layer less the universe's"]
    assert [number(row[3]) for row in layers[1:]] == pytest.approx(profile.layers[10].tolist(), abs=5.1e-6)
    persistence = page.tables["Persistence"][2]
    assert [number(cell) for cell in persistence[1:]] == pytest.approx(profile.persistence.loc[5].tolist(), abs=5.1e-3)
    distribution = page.tables["Distribution by year"]
    assert [row[0] for row in distribution] == ["Year", "All", "2020", "2021"]
    assert distribution[0][-1] == "99%"
    assert number(distribution[1][-1]) == pytest.approx(profile.distribution.loc["all", "quantile_0.99"], abs=5.1e-3)


def test_definition_is_that_of_the_catalogue(page: Page) -> None:
    facts = dict(page.tables["Definition"][1:])
    definition = factor_report_data().definition
    assert facts["Factor"] == "ret_1m"
    assert facts["Class"] == "reversal"
    assert facts["Formula"] == definition.formula
    assert facts["Inputs"] == definition.reads
    assert facts["Look-back"] == f"{definition.lookback} sessions"
    assert facts["Source"] == definition.source
    assert facts["Data"] == "Simulated market (seed 7)"
    assert facts["Sessions"].startswith("2020-07-01 to 2021-")
    volatility = read_page(render_factor_report(factor_report_data("std_1m"), factor_subject()))
    assert dict(volatility.tables["Definition"][1:])["Least observations"] == "11"


def test_plots_hold_the_series_of_the_profile(page: Page, profile: FactorProfile) -> None:
    series = profile.series
    dates = series.sessions.astype(str).tolist()
    coverage = page.traces("coverage-by-session")
    assert coverage["Coverage"]["x"] == dates
    np.testing.assert_allclose(numbers(coverage["Coverage"]["y"]), series.coverage, rtol=1e-6)
    np.testing.assert_allclose(numbers(coverage["Stocks"]["y"]), series.stocks)
    cumulative = page.traces("cumulative-rank-ic")
    assert list(cumulative) == ["1 session", "5 sessions", "10 sessions", "20 sessions"]
    expected = pd.Series(series.rank_ic[:, 3]).cumsum()
    np.testing.assert_allclose(numbers(cumulative["20 sessions"]["y"]), expected, rtol=1e-5, atol=1e-6)
    decay = page.traces("decay")["RankIC"]
    assert decay["x"] == list(CONFIG.decay_lags)
    np.testing.assert_allclose(numbers(decay["y"]), profile.decay["rank_ic_mean"], rtol=1e-6)
    band = numbers(page.traces("decay")["± 2 standard errors"]["y"])
    half_width = 2 * abs(profile.decay["rank_ic_mean"] / profile.decay["newey_west_t"])
    np.testing.assert_allclose(band[: len(half_width)] - numbers(decay["y"]), half_width, rtol=1e-4)
    bars = page.traces("rank-ic-by-year")["RankIC"]
    assert bars["text"] == [f"{t:.1f}".replace("-", "−") for t in profile.yearly["newey_west_t"]]
    np.testing.assert_allclose(numbers(page.traces("layer-returns")["Layer"]["y"]), profile.layers[10], rtol=1e-6)
    np.testing.assert_allclose(numbers(page.traces("histogram")["Values"]["y"]), profile.histogram.shares, rtol=1e-6)
    correlations = page.traces("correlations")["Rank correlation"]
    assert correlations["y"] == profile.correlations.index.tolist()


def test_half_life_is_drawn_where_it_is(page: Page, profile: FactorProfile) -> None:
    [shape] = page.plots["decay"]["layout"]["shapes"]
    assert shape["x0"] == shape["x1"] == pytest.approx(profile.half_life)
    later = replace(profile, half_life=float("nan"))
    text = render_factor_report(factor_report_data(profile=later), factor_subject())
    assert "Half-life: &gt; 60 sessions." in text
    assert "shapes" not in read_page(text).plots["decay"]["layout"]


def test_other_factors_are_linked_where_their_pages_are(html: str) -> None:
    assert ".html" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    subject = factor_subject(pages=frozenset({"ret_1m", "ret_5d"}))
    page = read_page(render_factor_report(factor_report_data(), subject))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert [link for link in links if not link.startswith("#")] == ["index.html", "ret_5d.html"]
    assert [row[0] for row in page.tables["Rank correlation with other factors"][1:]] == ["ret_5d", "bp_lf", "kmid"]


def test_a_factor_without_values_has_a_page_that_says_so() -> None:
    data = factor_report_data(missing=True, notes=("No stock has a value of this factor.",))
    page = read_page(render_factor_report(data, factor_subject()))
    assert set(page.plots) == {"coverage-by-session"}
    assert set(page.tables) == {"RankIC by horizon", "Definition"}
    assert "No stock has a value of this factor." in page.texts
    assert page.tables["RankIC by horizon"][1][1:] == ["0", *["–"] * 6]
    assert not any("nan" in text.split() for text in page.texts)
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["#rank-ic-section", "#value-section", "#definition"]


def test_every_element_has_an_identifier_of_its_own(page: Page, index: str) -> None:
    for each in (page, read_page(index)):
        identifiers = [attributes["id"] for _, attributes in each.elements if "id" in attributes]
        assert len(identifiers) == len(set(identifiers))
        links = {attributes["href"] for tag, attributes in each.elements if tag == "a"}
        assert {link.removeprefix("#") for link in links if link.startswith("#")} <= set(identifiers)


def test_pages_read_nothing_from_a_network(page: Page, index: str) -> None:
    for each in (page, read_page(index)):
        for tag, attributes in each.elements:
            assert tag not in ("link", "iframe", "object", "embed", "base", "img")
            assert not attributes.get("src")
            assert re.fullmatch(r"(#[a-z-]+|[a-z0-9_]+\.html)?", attributes.get("href", ""))


def test_hostile_text_stays_text() -> None:
    data = factor_report_data(notes=(HOSTILE,))
    hostile = replace(
        data,
        definition=replace(data.definition, family=HOSTILE, formula=HOSTILE, source=HOSTILE),
        profile=replace(data.profile, correlations=pd.Series({HOSTILE: 0.5, "b": np.nan})),
    )
    subject = factor_subject(study=HOSTILE, universe=HOSTILE, data_source=DataSource(DataKind.VENDOR, HOSTILE))
    for text in (
        render_factor_report(hostile, subject),
        render_factor_index([hostile], subject, {HOSTILE: HOSTILE}),
    ):
        page = read_page(text)
        scripts = [attributes for tag, attributes in page.elements if tag == "script"]
        assert len(scripts) == 3 + text.count("Sorts a table")
        assert not [tag for tag, _ in page.elements if tag == "img"]
        assert "The market is simulated" not in text
        for plot in page.plots.values():
            assert not [label for label in re.findall(r"[^']*alert\(1\)[^']*", str(plot)) if "<" in label]


def test_index_has_a_row_a_factor_that_can_be_sorted(index: str) -> None:
    page = read_page(index)
    rows = page.tables["Factors"]
    assert [row[0] for row in rows[1:]] == list(NAMES)
    assert [row[1] for row in rows[1:]] == ["reversal", "reversal", "intra day"]
    assert rows[0][:4] == ["Factor", "Class", "RankIC, mean", "t, Newey–West"]
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links[-3:] == ["ret_1m.html", "ret_5d.html", "kmid.html"]
    for seed, (name, cells, attributes) in enumerate(
        zip(NAMES, rows[1:], page.cell_attributes["Factors"][1:], strict=True)
    ):
        profile = factor_profile(name, seed)
        assert number(cells[2]) == pytest.approx(profile.horizons["rank_ic_mean"][10], abs=5.1e-5)
        assert float(attributes[2]["data-order"]) == profile.horizons["rank_ic_mean"][10]
        assert attributes[2]["class"] == ("gain" if profile.horizons["rank_ic_mean"][10] >= 0 else "loss")
        assert "data-order" not in attributes[1]
    tables = [attributes for tag, attributes in page.elements if tag == "table"]
    assert [attributes.get("class") for attributes in tables] == ["sortable"]
    assert len([tag for tag, _ in page.elements if tag == "button"]) == len(rows[0])


def test_index_shows_the_correlation_of_each_factor_with_each(index: str) -> None:
    [matrix] = read_page(index).plots["correlation-matrix"]["data"]
    assert matrix["x"] == matrix["y"] == list(NAMES)
    values = numbers(matrix["z"])
    assert np.diag(values).tolist() == [1.0, 1.0, 1.0]
    assert values[0, 1] == pytest.approx(factor_profile("ret_1m").correlations["ret_5d"])


def test_index_of_one_factor_and_of_those_without_values() -> None:
    missing = {"con_eps_g": "table consensus is absent", "con_np_g": "table consensus is absent", "mine": "not made"}
    reports = [factor_report_data(missing=True)]
    page = read_page(render_factor_index(reports, factor_subject(), missing))
    assert page.plots == {}
    assert page.tables["Factors"][1] == ["ret_1m", "reversal", *["–"] * 5, "0.0%", "–", "–"]
    assert page.cell_attributes["Factors"][1][2]["data-order"] == "nan"
    endless = factor_report_data(profile=replace(factor_profile(), half_life=float("nan")))
    page = read_page(render_factor_index([endless], factor_subject(), {}))
    assert page.tables["Factors"][1][-1] == "> 60"
    assert float(page.cell_attributes["Factors"][1][-1]["data-order"]) > 60
    page = read_page(render_factor_index(reports, factor_subject(), missing))
    assert "Missing: con_eps_g, con_np_g. Reason: table consensus is absent." in page.texts
    assert "Missing: mine. Reason: not made." in page.texts
    assert "1 factor" in page.texts


def test_files_beside_each_other(tmp_path: Path) -> None:
    subject = factor_subject(pages=frozenset(NAMES))
    reports = [factor_report_data(name, seed) for seed, name in enumerate(NAMES)]
    paths = [write_factor_report(report, subject, tmp_path / "factors") for report in reports]
    paths.append(write_factor_index(reports, subject, {}, tmp_path / "factors"))
    pages = ("index", "kmid", "ret_1m", "ret_5d")
    assert sorted(path.name for path in (tmp_path / "factors").iterdir()) == [
        "assets", "factors.csv", *(f"{page}.{kind}" for page in pages for kind in ("data.js", "html")),
    ]  # fmt: skip
    assert all(path.is_file() for path in paths)
    table = pd.read_csv(tmp_path / "factors" / "factors.csv", encoding="utf-8-sig")
    assert len(table) == len(NAMES) * len(CONFIG.horizons)
    profile = factor_profile("ret_5d", 1)
    row = table[(table["factor"] == "ret_5d") & (table["horizon"] == 20)].iloc[0]
    assert row["rank_ic_mean"] == pytest.approx(profile.horizons["rank_ic_mean"][20], rel=1e-12)
    assert row["half_life"] == pytest.approx(profile.half_life, rel=1e-12)


def test_the_same_input_gives_the_same_bytes(html: str) -> None:
    assert render_factor_report(factor_report_data(), factor_subject()) == html


def test_a_page_in_the_colours_of_chinese_terminals() -> None:
    text = render_factor_report(factor_report_data(), factor_subject(), ReportConfig(colours="a_share"))
    assert '<html lang="en" class="a-share">' in text
