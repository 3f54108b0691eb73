"""The page of data quality: all checks over all sessions of the raw tables."""

import dagster as dg

from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.reports import GROUP
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, page_link, page_metadata, table_metadata
from attn_platform.reports.data_contents import PAGE, findings_frame
from attn_platform.studies.settings import Home
from attn_platform.workflows.data_page import data_pages, write_data_page
from attn_platform.workflows.raw_tables import SESSION_TABLES, STATIC_TABLES, present_tables

DATA_REPORT = "report_data"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.PAGES: (DATA_REPORT,)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
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
        metadata=page_link(home.reports, data_pages(home) / PAGE),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_data_page(home)
        return dg.MaterializeResult(
            metadata={
                **page_metadata(data_pages(home) / PAGE),
                "findings": table_metadata(findings_frame(data.survey.findings)),
            }
        )

    return [report]
