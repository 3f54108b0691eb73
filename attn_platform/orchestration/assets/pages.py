"""The pages that declare themselves, as assets of what they are made of."""

from typing import Any

import dagster as dg
import pandas as pd

from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.reports import GROUP, report_asset
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, page_link, page_metadata, table_metadata, with_files
from attn_platform.studies.pages import Page, page_file, pages_of, write_page
from attn_platform.studies.settings import Home


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.PAGES: tuple(map(report_asset, pages_of(home)))}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a page."""
    return [_page(home, page) for page in pages_of(home).values()]


def _page(home: Home, page: Page) -> dg.AssetsDefinition:
    own = () if page.file else (page.write.__module__,)

    @dg.asset(
        name=report_asset(page.name),
        group_name=GROUP,
        kinds={"html"},
        code_version=with_files(
            code_version("attn_platform.reports", *page.code, *own), [page.file] if page.file else []
        ),
        deps=[dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in page.reads(home)],
        description=page.description,
        metadata=page_link(home.reports, page_file(home, page)),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        path, summary = write_page(home, page)
        shown: dict[str, Any] = {
            name: table_metadata(value) if isinstance(value, pd.DataFrame) else value for name, value in summary.items()
        }
        return dg.MaterializeResult(metadata={**page_metadata(path), **shown})

    return report
