"""The HTML page of data quality: all checks over all sessions of the raw tables."""

from __future__ import annotations

from pathlib import Path

from attn_platform import reports
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.examine import survey
from attn_platform.reports.data_contents import FOLDER, DataReportData
from attn_platform.studies.settings import Home
from attn_platform.workflows.reports import data_source


def data_pages(home: Home) -> Path:
    """Folder of the page of data quality and its tables."""
    return home.reports / FOLDER


def write_data_page(home: Home) -> DataReportData:
    """Examine the home's raw tables, and write the page and its tables into `data_pages`.

    `MissingDataError` where the lake has no daily bars.
    """
    data = DataReportData(
        title=home.study.title,
        data_source=data_source(home),
        checks=CHECKS,
        survey=survey(home.lake, home.calendar),
    )
    reports.write_data_report(data, data_pages(home))
    return data
