import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.evaluation.performance import (
    monthly_excess_returns,
    performance_figures,
    worst_weeks,
    yearly_figures,
)
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    BINDING_COLUMNS,
    FACTOR_FIGURES,
    PERFORMANCE_FIGURES,
    UNTRADED_FIGURES,
    WORST_WEEKS_COLUMNS,
    DataKind,
    DataSource,
)
from attn_platform.reports.exports import single_file
from attn_platform.reports.formatting import LABELS
from attn_platform.reports.glossary import explanation
from attn_platform.reports.scripts import PLOTLY, data_script
from attn_platform.reports.strategy_page import render_strategy_report, write_strategy_report
from attn_platform_tests.reports.sample import (
    ASSIGNS,
    Page,
    numbers,
    planted_signals,
    read_page,
    strategy_report_data,
    with_dates,
)

PERFORMANCE = "Performance of the enhanced portfolio"
FACTOR = "Figures of the composite factor"
UNTRADED = "Delisted and suspended holdings"
RATIOS = {"sharpe", "calmar", "information_ratio", "excess_calmar", "annual_two_sided_turnover"}
RATIOS |= {"icir", "rank_icir", "weighted_icir", "weighted_rank_icir"}
DAILY_FIGURES = ("rank_ic", "weighted_rank_ic", "year_total", "months_won", "contribution")
REBALANCE_FIGURES = ("one_way_turnover", "cost", "unfilled", "relaxed")
HOLDINGS_FIGURES = ("weight", "benchmark_weight", "active_weight", "industry", "score", "reason")
HOSTILE = "\"'><script>alert(1)</script><img src=http://evil.example/x>&amp;"


@pytest.fixture(scope="module")
def html() -> str:
    return render_strategy_report(strategy_report_data())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return read_page(html)


def page_of(path: Path) -> Page:
    """A written page with the scripts that it links."""
    return read_page(single_file(path))


def plain(text: str) -> str:
    return text.replace("−", "-").replace(",", "").replace("+", "")


def expected(name: str, value: float, percent_digits: int) -> str:
    return f"{value:.2f}" if name in RATIOS else f"{100 * value:.{percent_digits}f}%"


def depths(returns: pd.Series) -> list[float]:
    """Drawdowns by a plain loop."""
    net_value = highest = 1.0
    result = []
    for value in returns:
        net_value *= 1 + value
        highest = max(highest, net_value)
        result.append(net_value / highest - 1)
    return result


def printed(exhibit: str) -> dict[str, str]:
    """The row of the model as the CSV file has it, read without the package's reader."""
    with resources.files("attn_platform.published").joinpath(f"{exhibit}.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["model"] == "inter_task_attention" and r["horizon"] == "20d"]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("caption", "names", "own", "exhibit", "digits"),
    [
        (PERFORMANCE, PERFORMANCE_FIGURES, "performance", "ai69_exhibit11_performance", 2),
        (FACTOR, FACTOR_FIGURES, "factor_figures", "ai69_exhibit10_factor_metrics", 1),
    ],
)
def test_comparison_shows_own_published_and_difference(
    page: Page, caption: str, names: tuple[str, ...], own: str, exhibit: str, digits: int
) -> None:
    values, theirs = getattr(strategy_report_data(), own), printed(exhibit)
    rows = {row[0]: row[1:] for row in page.tables[caption][1:]}
    assert len(rows) == len(names)
    for name in names:
        ours, published, difference = (plain(text) for text in rows[LABELS[name]])
        assert ours == expected(name, values[name], digits)
        assert published == expected(name, float(theirs[name]), digits)
        gap = values[name] - float(theirs[name])
        assert difference == (f"{gap:.2f}" if name in RATIOS else f"{100 * gap:.{digits}f} pp")


def test_headline_figures_are_those_of_the_tables(html: str) -> None:
    data = strategy_report_data()
    cards = dict(re.findall(r"<dt>(?:<span[^>]*>)?(.*?)(?:</span>)?</dt><dd>(.*?)</dd>", html))
    for name in ("excess_annual_return", "information_ratio", "max_drawdown", "annual_two_sided_turnover"):
        assert plain(cards[LABELS[name]]) == expected(name, data.performance[name], 2)
    assert plain(cards["RankIC, mean"]) == expected("rank_ic_mean", data.factor_figures["rank_ic_mean"], 1)


@pytest.mark.parametrize("caption", [PERFORMANCE, FACTOR])
@pytest.mark.parametrize(
    "source",
    [
        DataSource(DataKind.SIMULATED, "Simulated market (seed 7)"),
        DataSource(DataKind.VENDOR, "Real A-share data, imported 2024-09-02"),
    ],
)
def test_data_source_stands_next_to_every_published_figure(caption: str, source: DataSource) -> None:
    page = read_page(render_strategy_report(strategy_report_data(data_source=source)))
    compared = [name for name, rows in page.tables.items() if any("Published" in cell for cell in rows[0])]
    assert sorted(compared) == sorted([PERFORMANCE, FACTOR])
    assert page.tables[caption][0][1] == f"This run: {source.description}"
    above = page.text_before_table[caption]
    assert source.description in above
    assert "Huatai AI-69, exhibit 1" in above
    assert "2011-01-04 to 2023-07-31" in above
    assert ("simulated: set against" in above) == (source.kind is DataKind.SIMULATED)


def test_without_published_figures_nothing_is_compared() -> None:
    data = strategy_report_data(published_performance=None, published_factor_figures=None)
    page = read_page(render_strategy_report(data))
    for caption in (PERFORMANCE, FACTOR):
        assert len(page.tables[caption][0]) == 2
        assert "print no figures" in page.text_before_table[caption]


def test_plots_hold_the_input_series(page: Page) -> None:
    data = strategy_report_data()
    dates = [f"{session:%Y-%m-%d}" for session in data.daily.index]
    net_value, excess = page.traces("net-value"), page.traces("excess-net-value")
    series = (
        (net_value["Strategy"], data.daily["net_value"]),
        (net_value["CSI 500"], data.daily["benchmark_net_value"]),
        (excess["Excess net value"], data.daily["excess_net_value"]),
        (net_value["Drawdown"], depths(data.daily["return"])),
        (excess["Drawdown"], depths(data.daily["excess_return"])),
        (page.traces("rank-ic")["RankIC"], np.cumsum(data.rank_ic.to_numpy())),
        (page.traces("rank-ic")["Weighted RankIC"], np.cumsum(data.weighted_rank_ic.to_numpy())),
        (page.traces("layers")["Layer 3"], data.layers["layer_3"]),
    )
    for trace, values in series:
        assert trace["x"] == dates
        np.testing.assert_allclose(numbers(trace["y"]), values, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(
        numbers(page.traces("layer-returns")["Layer"]["y"]), data.layer_annual_returns, rtol=1e-6
    )


def test_all_parts_are_there(page: Page) -> None:
    assert set(page.plots) == {
        *("excess-net-value", "net-value", "rank-ic", "layers", "layer-returns"),
        *("industry-extremes", "industry-weights", "styles", "turnover-cost"),
        *("binding-limits", "stock-reasons"),
    }
    assert set(page.tables) == {
        *(PERFORMANCE, FACTOR, "Excess return by month", "Figures by year", UNTRADED, "What was set"),
        *("Best weeks and why", "Worst weeks and why", "What moved the week"),
        *("Rebalances with relaxed limits", "Limits that bind", "Largest holdings", "Provenance", "Checkpoint windows"),
    }
    assert page.tables["Figures by year"][1] == ["2021", "33", "4.12%", "1.23"]
    worst = page.tables["Worst weeks and why"][1]
    assert worst[:4] == ["2021-12-10", "−2.10%", "股票0 +0.21%; 股票1 −1.54%", "银行 −0.31%"]
    assert worst[4:] == ["−0.07%", "−3.10%", "−1.00%"]
    assert page.tables["What was set"][2] == ["own constraint", "few_banks", "on", "No more than three banks."]
    weeks = page.choices["week-contributors"]
    assert list(weeks) == ["2021-12-10", "2021-12-17"]
    assert weeks["2021-12-17"] == [
        ["Stock", "600002.SH 股票2", "医药", "+1.00%", "12.00%", "+1.230%"],
        ["The rest", "", "", "–", "–", "+0.770%"],
    ]
    assert page.tables["Checkpoint windows"][1] == ["2021-11-15", "5", "9f3c2a71"]
    assert len(page.tables["Largest holdings"]) == 31


def test_what_could_not_be_traded_stands_beside_its_assumption(page: Page) -> None:
    assert page.tables[UNTRADED] == [
        ["Figure", "Value"],
        ["Delistings while held", "2"],
        ["Their weights, summed", "1.23%"],
        ["Net value at the end", "1.2346"],
        ["Net value without recovery", "1.2200"],
        ["Annual return", "7.65%"],
        ["Annual return without recovery", "7.12%"],
        ["Holdings suspended at the end", "1"],
        ["Their weight", "0.45%"],
    ]
    assert "which is an assumption" in page.text_before_table[UNTRADED]
    assert "valued at their last price" in page.text_before_table[UNTRADED]
    untraded = {**strategy_report_data().untraded, "delistings": 0.0, "suspended_at_end": 0.0}
    quiet = read_page(render_strategy_report(strategy_report_data(untraded=untraded)))
    assert "No holding was delisted. No holding is suspended" in " ".join(quiet.text_before_table[UNTRADED].split())


def test_figures_of_the_evaluation_are_taken_as_they_come() -> None:
    daily = strategy_report_data().daily.rename_axis("date").reset_index()
    data = strategy_report_data(
        performance=performance_figures(daily),
        yearly=yearly_figures(daily),
        month_table=monthly_excess_returns(daily),
        worst_weeks=worst_weeks(daily, count=3),
    )
    page = read_page(render_strategy_report(data))
    excess = daily.set_index("date")["excess_return"]
    december = np.prod(1 + excess["2021-12-01":"2021-12-31"]) - 1
    cells = dict(zip(page.tables["Excess return by month"][0], page.tables["Excess return by month"][1], strict=True))
    assert plain(cells["12"]) == f"{100 * december:.1f}%"
    assert [row[0] for row in page.tables["Figures by year"][1:]] == ["2021", "2022"]
    assert len(page.tables["Worst weeks and why"]) == 4


def test_provenance_names_data_code_and_test_range(page: Page) -> None:
    facts = dict(page.tables["Provenance"][1:])
    assert facts["Data source"] == "Simulated market (seed 7)"
    assert facts["Code"] == "4c1f0de"
    assert facts["Raw data"] == "blake2b 5d0f9a31"
    assert facts["Test range"] == "2021-11-15 to 2022-02-04 (60 sessions)"


def test_month_cells_are_tinted(page: Page) -> None:
    cells = page.cell_attributes["Excess return by month"][1]
    assert cells[11] == {"class": "gain", "style": "--heat: 0.25"}
    assert cells[12] == {"class": "loss", "style": "--heat: 0.91"}
    assert cells[1] == {}


@pytest.mark.slow
def test_same_input_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib\n"
        "from attn_platform.reports.strategy_page import render_strategy_report\n"
        "from attn_platform_tests.reports.sample import strategy_report_data\n"
        "print(hashlib.sha256(render_strategy_report(strategy_report_data()).encode()).hexdigest())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(render_strategy_report(strategy_report_data()).encode()).hexdigest()
    assert result.stdout.strip() == here


def test_page_reads_nothing_from_a_network(html: str, page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not attributes.get("src")
        assert attributes.get("href", "#").startswith("#")
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert html.count("Plotly, Inc.") == 1


def test_links_lead_to_sections(page: Page) -> None:
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert len(links) == 10
    assert {link.removeprefix("#") for link in links} <= set(identifiers)
    for plot in page.plots:
        assert plot in identifiers


def test_hostile_text_stays_text() -> None:
    data = strategy_report_data()
    holdings = data.holdings.assign(name=HOSTILE, industry=HOSTILE, symbol=HOSTILE)
    hostile = strategy_report_data(
        title=HOSTILE,
        strategy=HOSTILE,
        model=HOSTILE,
        study=HOSTILE,
        universe=HOSTILE,
        benchmark=HOSTILE,
        data_source=DataSource(DataKind.VENDOR, HOSTILE),
        notes=(HOSTILE,),
        holdings=holdings,
        fingerprints={HOSTILE: HOSTILE},
        rebalances=data.rebalances.assign(relaxed=HOSTILE),
        industry_exposures=data.industry_exposures.rename(columns={"银行": HOSTILE}),
        style_exposures=data.style_exposures.rename(columns={"bp": HOSTILE}),
        checkpoint_windows=pd.DataFrame({HOSTILE: [HOSTILE]}),
        limit_states=data.limit_states.replace({"name": {"银行": HOSTILE}}),
        binding_limits=data.binding_limits.replace({"name": {"银行": HOSTILE}}),
        stock_reasons=data.stock_reasons.rename(columns={"between its limits": HOSTILE}),
    )
    page = read_page(render_strategy_report(hostile))
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert len(page.plots) == 11
    assert len(scripts) == 3, "plotly.js, the figures, and what draws them"
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.tables["Largest holdings"][1][:2] == [HOSTILE, HOSTILE]
    assert dict(page.tables["Provenance"][1:])[HOSTILE] == HOSTILE
    assert f"Industry {HOSTILE}" in [row[0] for row in page.tables["Limits that bind"]]
    for plot in page.plots.values():
        labels = re.findall(r"[^']*alert\(1\)[^']*", str(plot))
        assert not [text for text in labels if "<" in text]


@pytest.mark.parametrize("sessions", [1, 5])
def test_very_short_backtests(sessions: int) -> None:
    data = strategy_report_data(
        sessions=sessions, performance=dict.fromkeys(PERFORMANCE_FIGURES, float("nan")), published_performance=None
    )
    page = read_page(render_strategy_report(data))
    assert {row[1] for row in page.tables[PERFORMANCE][1:]} == {"–"}
    noun = "session" if sessions == 1 else "sessions"
    assert any(f"only {sessions} {noun}: annualised" in text for text in page.texts)
    assert "Every limit held (1 rebalance)." in page.texts
    assert "Rebalances with relaxed limits" not in page.tables


def test_long_backtests_carry_no_warning() -> None:
    page = read_page(render_strategy_report(strategy_report_data(), ReportConfig(short_test_sessions=60)))
    assert not any("annualised figures" in text for text in page.texts)


def test_a_simulated_market_says_what_was_planted_and_what_knowing_it_is_worth() -> None:
    figures = dict(strategy_report_data().factor_figures) | {"rank_ic_mean": 0.0683, "weighted_rank_ic_mean": 0.0598}
    page = read_page(render_strategy_report(strategy_report_data(planted=planted_signals(), factor_figures=figures)))
    [note] = [text for text in page.texts if text.startswith("The market is simulated, with signals planted")]
    assert "(linear 9.0 bp)" in note, "a signal that is off is not named"
    assert note.endswith("Its RankIC is 6.8%; a forecast that knew them all would have 12.7%.")
    rows = page.tables["Planted signals"][1:]
    assert [row[0] for row in rows] == ["Linear", "Path", "All of them, known", "This forecast"]
    assert [plain(cell) for cell in rows[1]] == ["Path", "order: seen by some", "0.0", "-0.3%", "-0.3%"]
    assert [row[3:] for row in rows[2:]] == [["12.7%", "11.9%"], ["6.8%", "6.0%"]]
    assert any("a strength of 0 switches a signal off" in text for text in page.texts)


@pytest.mark.slow
def test_homes_that_kept_no_signals_and_markets_without_any() -> None:
    page = read_page(render_strategy_report(strategy_report_data(planted=planted_signals(known=False))))
    [note] = [text for text in page.texts if text.startswith("The market is simulated, with signals planted")]
    assert note.endswith("nothing of A shares.")
    assert [row[0] for row in page.tables["Planted signals"][1:]] == ["Linear", "Path", "This forecast"]
    assert page.tables["Planted signals"][1][3:] == ["–", "–"]
    page = read_page(render_strategy_report(strategy_report_data(planted=planted_signals(linear=0.0))))
    assert any("nothing was planted" in text for text in page.texts)
    page = read_page(render_strategy_report(strategy_report_data()))
    assert "Planted signals" not in page.tables
    assert not any("planted" in text for text in page.texts), "real data have none"


def test_empty_parts_are_left_out() -> None:
    empty, none = pd.DataFrame(), pd.Series(dtype=float)
    data = strategy_report_data(
        yearly=empty,
        month_table=empty,
        worst_weeks=empty,
        best_weeks=empty,
        week_contributors=empty,
        conditions=empty,
        untraded={},
        factor_figures={},
        rank_ic=none,
        weighted_rank_ic=none,
        layers=empty,
        layer_annual_returns=none,
        industry_exposures=empty,
        style_exposures=empty,
        rebalances=empty,
        holdings=empty,
        holdings_date=None,
        limit_states=empty,
        binding_limits=empty,
        stock_reasons=empty,
        checkpoint_windows=empty,
        fingerprints={},
        notes=(),
    )
    page = read_page(render_strategy_report(data))
    assert set(page.plots) == {"excess-net-value", "net-value"}
    assert set(page.tables) == {PERFORMANCE, "Provenance"}
    assert "No rebalance falls into the test range." in page.texts
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["#net-value-section", "#performance", "#trading", "#provenance"]


def test_missing_values_everywhere_still_make_a_page() -> None:
    data = strategy_report_data()
    fields = ("yearly", "month_table", "layers", "industry_exposures", "style_exposures", "rank_ic", "weighted_rank_ic")
    missing = {name: getattr(data, name) * np.nan for name in fields}
    for name in ("yearly", "month_table"):
        missing[name]["year"] = getattr(data, name)["year"]
    missing["daily"] = data.daily * np.nan
    missing["limit_states"] = data.limit_states.assign(**dict.fromkeys(("lower", "upper", "value", "price"), np.nan))
    sides = dict.fromkeys(("at_upper", "at_lower", "mean_price"), np.nan)
    missing["binding_limits"] = data.binding_limits.assign(**sides)
    missing["factor_figures"] = dict.fromkeys(FACTOR_FIGURES, float("nan"))
    numeric = ["weight", "benchmark_weight", "active_weight", "score"]
    # A column that no stock has a value of is left out: one stock has them all
    missing["holdings"] = data.holdings.copy()
    missing["holdings"].loc[1:, "name"] = None
    missing["holdings"].loc[1:, numeric] = np.nan
    page = read_page(render_strategy_report(strategy_report_data(**missing)))
    assert set(page.plots) == {"excess-net-value", "net-value", "layer-returns", "turnover-cost", "stock-reasons"}
    assert page.tables["Figures by year"][1] == ["2021", "–", "–", "–"]
    assert page.tables["Excess return by month"][1] == ["2021", *[""] * 13]
    assert page.tables["Largest holdings"][2][1:5] == ["–", "–", "–", "–"]
    assert not any("nan" in text.split() for text in page.texts)


def test_relaxations_beyond_the_limit_are_announced() -> None:
    page = read_page(render_strategy_report(strategy_report_data(), ReportConfig(relaxations_shown=2)))
    assert len(page.tables["Rebalances with relaxed limits"]) == 3
    assert (
        "A limit was relaxed on 3 of 12 rebalances. The newest 2 are shown; rebalances.csv has all."
        in page.text_before_table["Rebalances with relaxed limits"]
    )


def test_a_share_colours_are_a_matter_of_configuration(page: Page) -> None:
    chinese = read_page(render_strategy_report(strategy_report_data(), ReportConfig(colours="a_share")))
    classes = [next(a["class"] for tag, a in p.elements if tag == "html") for p in (page, chinese)]
    assert classes == ["neutral", "a-share"]
    assert chinese.traces("layer-returns")["Layer"]["marker"]["color"][0] == "rgba(211,77,77,1)"
    assert chinese.tables == page.tables


def test_a_written_page_links_its_scripts_and_is_the_rendered_one_with_them_inside(tmp_path, html: str) -> None:
    path = tmp_path / "reports" / "one" / "index.html"
    for _ in range(2):
        write_strategy_report(strategy_report_data(), path)
    files = sorted(file.relative_to(tmp_path / "reports").as_posix() for file in tmp_path.rglob("*") if file.is_file())
    assert files == [f"assets/{PLOTLY}", "one/index.data.js", "one/index.html"]
    written = path.read_text(encoding="utf-8")
    links = re.findall(r'<script src="(.*?)"></script>', written)
    assert links == [f"../assets/{PLOTLY}", "index.data.js"]
    assert [(path.parent / link).resolve().is_file() for link in links] == [True, True]
    assert single_file(path) == html
    assert "src=" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


def test_all_pages_of_a_folder_of_reports_share_one_plotly(tmp_path) -> None:
    reports = tmp_path / "reports"
    for name in ("one/index.html", "factors/a.html", "factors/b.html", "overview.html"):
        write_strategy_report(strategy_report_data(), reports / name)
        page = (reports / name).read_text(encoding="utf-8")
        link = re.findall(r'<script src="(.*?)"></script>', page)[0]
        assert (reports / name).parent.joinpath(link).resolve() == reports / "assets" / PLOTLY
    assert len(list(tmp_path.rglob("*.min.js"))) == 1
    write_strategy_report(strategy_report_data(), tmp_path / "elsewhere" / "page.html")
    assert (tmp_path / "elsewhere" / "assets" / PLOTLY).is_file(), "without a folder of reports beside the page"


def test_a_page_of_twelve_years_is_light(tmp_path) -> None:
    path = tmp_path / "reports" / "long" / "index.html"
    write_strategy_report(strategy_report_data(sessions=3056), path)
    assert path.stat().st_size < 300_000
    assert len({len(trace.get("x", ())) for trace in page_of(path).plots["layers"]["data"]} - {3056}) == 0


def test_equal_dates_are_written_once_and_short_lists_stay_where_they_are() -> None:
    days = [f"2021-01-{day:02d}" for day in range(1, 26)]
    figures = {
        "a": {"data": [{"x": days, "y": [1]}, {"x": list(days)}, {"x": ["top", "bottom"]}, {"y": [2]}], "layout": {}},
        "b": {"data": [{"x": [*days[:-1], "2021-02-01"]}], "layout": {}},
    }
    text = data_script(figures, {"</script>": {"<&>": [["\u2028"]]}})
    assert not set(text) & set("<>&\u2028")
    content = json.loads(text.removeprefix(ASSIGNS).rstrip(";\n"))
    assert [trace.get("x") for trace in content["figures"]["a"]["data"]] == [0, 0, ["top", "bottom"], None]
    assert content["figures"]["b"]["data"][0]["x"] == 1
    assert with_dates(content) == figures
    assert content["tables"] == {"</script>": {"<&>": [["\u2028"]]}}


def test_every_figure_of_the_tables_is_explained_with_its_source(page: Page) -> None:
    explained = {a["title"] for _, a in page.elements if a.get("class") == "term" and a["tabindex"] == "0"}
    assert all("Source: " in text for text in explained)
    columns = (*PERFORMANCE_FIGURES, *FACTOR_FIGURES, *UNTRADED_FIGURES, *DAILY_FIGURES)
    for name in (*columns, *WORST_WEEKS_COLUMNS, *REBALANCE_FIGURES, *HOLDINGS_FIGURES, *BINDING_COLUMNS[2:]):
        text = explanation(LABELS.get(name, name.capitalize().replace("_", " ")))
        assert text is not None, name
    for name in (*PERFORMANCE_FIGURES, *FACTOR_FIGURES):
        assert explanation(LABELS[name]) in explained
    assert "0.5^(k / (N/2))" in explanation("Weighted RankIC, mean")
    assert explanation("RankIC, mean (10 sessions)") == explanation("RankIC, mean")
    assert explanation("银行") is None
