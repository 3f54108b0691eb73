"""The pages of the reports (`studies.pages`), each an asset of what it is made of."""

from typing import Any

import dagster as dg
import pandas as pd

from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    code_version,
    configured,
    page_link,
    page_metadata,
    table_metadata,
    with_files,
)
from attn_platform.studies.names import report_asset
from attn_platform.studies.pages import Aside, MadeWith, Page, page_file, pages_of, write_page
from attn_platform.studies.settings import Home

GROUP = "reports"
STAGES = {MadeWith.RESULTS: MadeAt.REPORTS, MadeWith.SUMMARIES: MadeAt.SUMMARIES, MadeWith.SCHEDULE: MadeAt.PAGES}


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    pages = pages_of(home).values()
    return {
        stage: tuple(report_asset(page.name) for page in pages if page.made_with is made_with)
        for made_with, stage in STAGES.items()
    }


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a page."""
    return [_page(home, page) for page in pages_of(home).values()]


def _page(home: Home, page: Page) -> dg.AssetsDefinition:
    code = with_files(code_version("attn_platform.reports", *page.code), [page.file] if page.file else [])

    @dg.asset(
        name=report_asset(page.name),
        group_name=GROUP,
        kinds={"html"},
        code_version=configured(code, *page.configuration),
        deps=[dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in page.reads],
        description=page.description,
        metadata=page_link(home.reports, page_file(home, page.name)),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        path, summary = write_page(home, page)
        shown = {name: _metadata(value) for name, value in summary.items()}
        return dg.MaterializeResult(metadata={**page_metadata(path), **shown})

    return report


def _metadata(value: Any) -> Any:
    """What is said of a page, as metadata of its materialisation."""
    if isinstance(value, Aside):
        return dg.MetadataValue.md(str(value.value)) if value.is_markdown else value.value
    return table_metadata(value) if isinstance(value, pd.DataFrame) else value
