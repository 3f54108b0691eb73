"""The HTML page of data quality: all checks over all sessions of the raw tables."""

from __future__ import annotations

from pathlib import Path

from attn_platform import reports
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.examine import survey
from attn_platform.reports.data_contents import DataReportData, counts_of, findings_frame
from attn_platform.studies.names import DATA
from attn_platform.studies.pages import Summary, page
from attn_platform.studies.settings import Home
from attn_platform.workflows.raw_tables import SESSION_TABLES, STATIC_TABLES, present_tables
from attn_platform.workflows.reports import data_source


def _raw_tables(home: Home) -> tuple[str, ...]:
    return (*present_tables(home, STATIC_TABLES), *present_tables(home, SESSION_TABLES))


@page(
    DATA,
    description="What the checks of data quality find in the raw tables, with examples and remedies; coverage.",
    reads=_raw_tables,
    code=("attn_platform.market.quality",),
)
def data_page(home: Home, folder: Path) -> Summary:
    """Examine the home's raw tables, and write the page and its tables; `MissingDataError` without daily bars."""
    data = DataReportData(
        title=home.study.title,
        data_source=data_source(home),
        checks=CHECKS,
        survey=survey(home.lake, home.calendar),
    )
    reports.write_data_report(data, folder)
    findings = data.survey.findings
    return {"found": counts_of([finding.severity for finding in findings]), "findings": findings_frame(findings)}
