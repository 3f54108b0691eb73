"""The HTML report of each strategy, with the same figures as CSV beside it."""

import dagster as dg

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import attribution_table, figures_table
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.explanation import explanation_asset
from attn_platform.orchestration.assets.robustness import robustness_asset
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, configured, page_link, page_metadata
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.workflows.explanations import explained_models
from attn_platform.workflows.reports import report_page, write_mix_report, write_report

GROUP = "reports"
PAGE_CODE = (
    *("attn_platform.reports", "attn_platform.evaluation.performance", "attn_platform.evaluation.robustness"),
    *("attn_platform.published", "attn_platform.workflows.reports"),
)
"""What the page of a strategy or a mix is made by, its templates, style sheet and published figures among it."""
EXCESS, RANK_IC = "excess_annual_return", "rank_ic_mean"  # of the figures those that an asset's page names


def report_asset(strategy: str) -> str:
    """Name of a strategy's report asset."""
    return f"report_{strategy}"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.REPORTS: tuple(report_asset(each.name) for each in home.study.traded)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a strategy, and one a mix."""
    return [
        *(_report(home, config) for config in home.study.strategies),
        *(_mix_report(home, config) for config in home.study.mixes),
    ]


def _report(home: Home, config: StrategyConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=report_asset(config.name),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=configured(code_version(*PAGE_CODE), config, home.study.evaluation),
        deps=[
            backtest_table(config.name),
            figures_table(config.model),
            attribution_table(config.name),
            robustness_asset(config.name),
            dg.AssetDep(portfolio_table(config.name), partition_mapping=dg.AllPartitionMapping()),
            "security",
            *(explanation_asset(model.name) for model in explained_models(home) if model.name == config.model),
        ],
        description=(
            "One page: net and excess value, months, layers, RankIC, what the model reads, where the excess return "
            "came from, how far to trust it, exposures, turnover, what was relaxed."
        ),
        metadata=page_link(home.reports, report_page(home, config.name)),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_report(home, config)
        return dg.MaterializeResult(
            metadata={
                **page_metadata(report_page(home, config.name)),
                "data": data.data_source.description,
                "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(data.daily)),
                "excess annual return": formatting.figure(EXCESS, data.performance[EXCESS]),
                "RankIC": formatting.figure(RANK_IC, data.factor_figures[RANK_IC]),
            }
        )

    return report


def _mix_report(home: Home, config: StrategyMixConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=report_asset(config.name),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=configured(code_version(*PAGE_CODE), config, home.study.evaluation),
        deps=[
            *(backtest_table(name) for name in (config.name, *config.parts)),
            attribution_table(config.name),
            *(
                dg.AssetDep(table, partition_mapping=dg.AllPartitionMapping())
                for table in (*map(portfolio_table, config.parts), "index_weight")
            ),
            "industry",
            "security",
        ],
        description=(
            "One page: net and excess value, months, the mix beside its parts, where the excess return came from, "
            "exposures, turnover and cost, holdings."
        ),
        metadata=page_link(home.reports, report_page(home, config.name)),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_mix_report(home, config)
        return dg.MaterializeResult(
            metadata={
                **page_metadata(report_page(home, config.name)),
                "data": data.data_source.description,
                "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(data.daily)),
                "excess annual return": formatting.figure(EXCESS, data.performance[EXCESS]),
            }
        )

    return report
