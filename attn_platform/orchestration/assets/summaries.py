"""Pages about all strategies together: the overview, and the exhibits of the study beside the published ones."""

import dagster as dg
import pandas as pd

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import figures_table
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.reports import GROUP, report_asset
from attn_platform.orchestration.assets.training import checkpoint_asset
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    code_version,
    configured,
    page_link,
    page_metadata,
    table_metadata,
)
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import OVERVIEW, prediction_table, study_pages
from attn_platform.studies.settings import Home
from attn_platform.workflows.overview import overview_page, write_overview_page
from attn_platform.workflows.study_report import (
    correlated_forecasts,
    has_exhibits,
    study_page,
    universe_drawn,
    write_study_page,
)

HEADLINES = ("excess_annual_return", "information_ratio", "rank_ic_mean")
_CODE = ("attn_platform.reports", "attn_platform.evaluation", "attn_platform.published")
_OVERVIEW_CODE = (*_CODE, "attn_platform.workflows.overview")
_STUDY_CODE = (
    *_CODE,
    "attn_platform.workflows.study_report",
    "attn_platform.workflows.study_method",
    "attn_platform.studies.differences",
)


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    study = (report_asset(study_pages(home.study.name)),) if has_exhibits(home) else ()
    return {MadeAt.SUMMARIES: (report_asset(OVERVIEW), *study)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The overview, and the page of a study that has exhibits."""
    return [_overview(home), *([_study(home)] if has_exhibits(home) else [])]


def _results(home: Home) -> list[str]:
    """Backtests of all strategies and mixes, and evaluations of their forecasts."""
    models = dict.fromkeys(strategy.model for strategy in home.study.strategies)
    return [*(backtest_table(each.name) for each in home.study.traded), *map(figures_table, models)]


def _overview(home: Home) -> dg.AssetsDefinition:
    study = home.study

    @dg.asset(
        name=report_asset(OVERVIEW),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=configured(code_version(*_OVERVIEW_CODE), study.evaluation, [each.name for each in study.traded]),
        deps=_results(home),
        description="All strategies and mixes in one table that sorts and filters, with the published figures.",
        metadata=page_link(home.reports, overview_page(home)),
    )
    def overview(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_overview_page(home)
        rows = [{"strategy": row.name, **{name: row.figures.get(name) for name in HEADLINES}} for row in data.rows]
        return dg.MaterializeResult(
            metadata={
                **page_metadata(overview_page(home)),
                "data": data.data_source.description,
                "strategies": table_metadata(pd.DataFrame(rows)),
            }
        )

    return overview


def _study(home: Home) -> dg.AssetsDefinition:
    study, universe = home.study, universe_drawn(home)
    everything = dg.AllPartitionMapping()
    tables = [
        *(prediction_table(member.model) for member in correlated_forecasts(home)),
        *(checkpoint_asset(model.name) for model in study.models),
        *([universe] if universe else []),
    ]

    @dg.asset(
        name=report_asset(study_pages(study.name)),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=configured(code_version(*_STUDY_CODE), study, load_study(study.name), home.settings.source),
        deps=[
            *dict.fromkeys([*_results(home), *map(figures_table, (each.name for each in study.forecasters))]),
            *(dg.AssetDep(table, partition_mapping=everything) for table in dict.fromkeys(tables)),
        ],
        description=f"Every exhibit of {study.title} from this home's results, beside the published one.",
        metadata=page_link(home.reports, study_page(home)),
    )
    def exhibits(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_study_page(home)
        return dg.MaterializeResult(
            metadata={
                **page_metadata(study_page(home)),
                "data": data.data_source.description,
                "strategies": len(data.strategies),
                "forecasts": len(data.forecasts),
                "missing": len(data.absent),
            }
        )

    return exhibits
