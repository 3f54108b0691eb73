"""The page of data quality says what a survey found, and its tables hold the same."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.lake import Lake
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.examine import Survey, survey
from attn_platform.market.quality.findings import Finding
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.data_contents import DataReportData, counts_of, reported_counts
from attn_platform.reports.data_pages import render_data_report, write_data_report
from attn_platform_tests.market.quality.markets import CALENDAR, SESSIONS, honest_market, write
from attn_platform_tests.reports.sample import Page, numbers, read_page

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataReportData:
    """Of a market in which volumes are lots and one column has no value."""
    frames = honest_market()
    bars = frames["daily_bar"].assign(volume=frames["daily_bar"]["volume"] / 100)
    values = frames["valuation"].assign(pcf_ocf_ttm=np.nan)
    lake = write(Lake(tmp_path_factory.mktemp("lots")), frames | {"daily_bar": bars, "valuation": values})
    source = DataSource(DataKind.VENDOR, "files of a small market")
    return DataReportData("A study", source, CHECKS, survey(lake, CALENDAR))


@pytest.fixture(scope="module")
def html(data: DataReportData) -> str:
    return render_data_report(data)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return read_page(html)


def test_the_summary_counts_findings_by_severity(html: str, data: DataReportData) -> None:
    cards = dict(re.findall(r"<dt>(?:<span[^>]*>)?(.*?)(?:</span>)?</dt><dd>(.*?)</dd>", html))
    severities = [finding.severity for finding in data.survey.findings]
    assert cards["Errors"] == str(severities.count("error"))
    assert cards["Notes"] == str(severities.count("note"))
    assert cards["Sessions"] == str(len(SESSIONS))
    assert cards["Daily bars"] == f"{len(honest_market()['daily_bar']):,}"
    assert severities.count("error") > 0


def test_every_finding_has_its_row_its_remedy_and_its_examples(page: Page, data: DataReportData) -> None:
    rows = page.tables["Findings"]
    assert [(row[0], row[1].replace(" ", "_"), row[2]) for row in rows[1:]] == [
        (finding.severity, finding.check, finding.table) for finding in data.survey.findings
    ]
    lots = next(each for each in data.survey.findings if each.check == "price_of_amount_in_bar")
    assert "volumes look like lots" in lots.text
    assert any("volumes look like lots" in text for text in page.texts)
    assert f"Remedy: {lots.remedy}." in page.texts
    examples = page.tables["Examples of price of amount in bar, daily_bar"]
    assert examples[0] == ["Date", "Symbol", "Low", "High", "Close", "Volume", "Amount"]
    assert len(examples) == 1 + len(lots.examples)
    assert float(examples[1][3]) == lots.examples[0]["high"]


def test_every_check_is_listed_with_what_must_hold(page: Page) -> None:
    assert [row[2] for row in page.tables["Checks made"][1:]] == [check.states for check in CHECKS]


def test_the_plots_show_the_coverage(page: Page, data: DataReportData) -> None:
    assert set(page.plots) == {"rows", "suspended", "missing"}
    covered = data.survey.coverage
    bars = next(trace for trace in page.traces("rows").values() if trace["name"] == "daily_bar")
    assert numbers(bars["y"]) == pytest.approx(covered["rows of daily_bar"].to_numpy())
    [suspended] = page.traces("suspended").values()
    assert numbers(suspended["y"]) == pytest.approx(covered["suspended"].to_numpy(), abs=1e-7)
    [missing] = page.plots["missing"]["data"]
    empty = numbers(missing["z"])[missing["y"].index("valuation.pcf_ocf_ttm")]
    assert empty == pytest.approx(np.ones(len(empty)))


def test_the_tables_hold_findings_examples_and_coverage(data: DataReportData, tmp_path: Path) -> None:
    path = write_data_report(data, tmp_path)
    assert path == tmp_path / "index.html"
    findings = pd.read_csv(tmp_path / "tables" / "findings.csv")
    assert findings.columns.tolist() == ["check", "table", "severity", "count", "examined", "text", "remedy"]
    assert findings["text"].tolist() == [finding.text for finding in data.survey.findings]
    assert findings["count"].tolist() == [finding.count for finding in data.survey.findings]
    examples = pd.read_csv(tmp_path / "tables" / "examples.csv")
    assert len(examples) == sum(len(finding.examples) for finding in data.survey.findings)
    assert json.loads(examples["example"].iloc[0])
    coverage = pd.read_csv(tmp_path / "tables" / "coverage.csv")
    assert coverage["session"].tolist() == SESSIONS.astype(str).tolist()
    assert reported_counts(tmp_path) == counts_of([finding.severity for finding in data.survey.findings])
    assert reported_counts(tmp_path / "other") is None


def test_a_clean_market_says_so(data: DataReportData) -> None:
    clean = replace(data, survey=Survey([], data.survey.coverage))
    page = read_page(render_data_report(clean))
    assert f"None of {len(CHECKS)} checks found anything." in page.texts
    assert counts_of([]) == "0 errors, 0 warnings, 0 notes"
    assert counts_of(["error", "note"]) == "1 error, 0 warnings, 1 note"


def test_text_of_the_data_is_escaped(data: DataReportData) -> None:
    finding = Finding("codes", HOSTILE, "error", HOSTILE, HOSTILE, 1, 2, ({HOSTILE: HOSTILE},))
    html = render_data_report(replace(data, title=HOSTILE, survey=Survey([finding], data.survey.coverage)))
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_same_survey_gives_the_same_page(html: str, data: DataReportData) -> None:
    assert render_data_report(data) == html
