"""The page of data quality: all checks over all sessions of the raw tables."""

from pathlib import Path

import dagster as dg

from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.examine import survey
from attn_platform.orchestration.assets.market import SESSION_TABLES, STATIC_TABLES, present_tables
from attn_platform.orchestration.assets.reports import GROUP, data_source
from attn_platform.orchestration.provenance import code_version, table_metadata
from attn_platform.reports.data_pages import FOLDER, DataReportData, findings_frame, write_data_report
from attn_platform.studies.settings import Home

DATA_REPORT = "report_data"


def data_pages(home: Home) -> Path:
    """Folder of the page of data quality and its tables."""
    return home.reports / FOLDER


def build(home: Home) -> list[dg.AssetsDefinition]:
    """The page as an asset of the raw tables."""

    @dg.asset(
        name=DATA_REPORT,
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=code_version("attn_platform.market.quality", "attn_platform.reports"),
        deps=[
            *present_tables(home, STATIC_TABLES),
            *(
                dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
                for name in present_tables(home, SESSION_TABLES)
            ),
        ],
        description="What the checks of data quality find in the raw tables, with examples and remedies; coverage.",
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_data_page(home)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(str(data_pages(home))),
                "findings": table_metadata(findings_frame(data.survey.findings)),
            }
        )

    return [report]


def write_data_page(home: Home) -> DataReportData:
    """Examine the home's raw tables, and write the page and its tables into `data_pages`.

    `MissingDataError` where the lake has no daily bars.
    """
    data = DataReportData(
        title=home.study.title,
        data_source=data_source(home.settings.source),
        checks=CHECKS,
        survey=survey(home.lake, home.calendar),
    )
    write_data_report(data, data_pages(home))
    return data
