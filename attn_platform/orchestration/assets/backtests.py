"""Backtests of the strategies over all their target portfolios, and of the mixes of them."""

from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from attn_platform.backtest.store import backtest_table, backtest_tables
from attn_platform.evaluation.performance import monthly_excess_returns, performance_figures, untraded_figures
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    code_version,
    configured,
    data_version,
    figures_metadata,
    table_metadata,
)
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.workflows.backtests import backtest_mix, backtest_strategy
from attn_platform.workflows.portfolios import resolve

GROUP = "backtests"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.REPORTS: tuple(backtest_table(each.name) for each in home.study.traded)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a strategy, and one a mix."""
    return [
        *(_backtest(home, config) for config in home.study.strategies),
        *(_mix(home, config) for config in home.study.mixes),
    ]


def _backtest(home: Home, config: StrategyConfig) -> dg.AssetsDefinition:
    strategy = resolve(home, config)
    costs = strategy.backtest

    @dg.asset(
        name=backtest_table(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(code_version("attn_platform.backtest"), strategy.benchmark, costs),
        deps=[
            *(
                dg.AssetDep(table, partition_mapping=dg.AllPartitionMapping())
                for table in (
                    *(strategy.portfolio_table, strategy.predictions, "daily_bar", "index_bar"),
                    *(("index_weight",) if costs.benchmark_return == "total_return" else ()),
                )
            ),
            "security",
        ],
        description=(
            f"Signal after the close of T, trades at T+1's {costs.execution_price}, {costs.cost_per_side:.2%} a side; "
            "suspensions and price limits as they were."
        ),
    )
    def backtest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        result = backtest_strategy(home, config)
        return dg.MaterializeResult(
            data_version=data_version(home.lake, *backtest_tables(config.name)),
            metadata=_metadata(home, result.daily, result.delistings),
        )

    return backtest


def _mix(home: Home, config: StrategyMixConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=backtest_table(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(code_version("attn_platform.backtest"), config),
        deps=[
            *(backtest_table(part) for part in config.parts),
            dg.AssetDep("daily_bar", partition_mapping=dg.AllPartitionMapping()),
            "security",
        ],
        description=(
            f"Equal money in {' and '.join(config.parts)}, set back to equal every {config.reset_sessions} sessions."
        ),
    )
    def backtest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        result = backtest_mix(home, config)
        return dg.MaterializeResult(
            data_version=data_version(home.lake, *backtest_tables(config.name)),
            metadata=_metadata(home, result.daily, result.delistings),
        )

    return backtest


def _metadata(home: Home, daily: pd.DataFrame, delistings: pd.DataFrame) -> dict[str, Any]:
    figures = performance_figures(daily, home.study.evaluation)
    untraded = untraded_figures(daily, delistings, home.study.evaluation)
    months = monthly_excess_returns(daily)
    curves = daily.set_index("date")
    curves["benchmark_net_value"] = (1.0 + curves["benchmark_return"].fillna(0.0)).cumprod()
    return {
        "performance": figures_metadata({"value": figures}),
        "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(curves)),
        "months": table_metadata(
            months.assign(**months.drop(columns="year").map(partial(formatting.percent, digits=1)))
        ),
        "excess annual return": formatting.figure("excess_annual_return", figures["excess_annual_return"]),
        "information ratio": formatting.figure("information_ratio", figures["information_ratio"]),
        "delistings while held": len(delistings),
        "annual return without recovery from delistings": formatting.figure(
            "unrecovered_annual_return", untraded["unrecovered_annual_return"]
        ),
        "holdings suspended at the end": int(untraded["suspended_at_end"]),
    }
