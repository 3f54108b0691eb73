"""Backtests of the strategies over all their target portfolios."""

import dagster as dg
import pandas as pd

from attn_platform.backtest.store import backtest_table, write_backtest
from attn_platform.evaluation.performance import monthly_excess_returns, performance_figures
from attn_platform.evaluation.store import predicted_range
from attn_platform.orchestration.assets.portfolios import resolve
from attn_platform.orchestration.provenance import code_version, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig

GROUP = "backtests"


def build(home: Home) -> list[dg.AssetsDefinition]:
    """One asset a strategy."""
    return [_backtest(home, config) for config in home.study.strategies]


def _backtest(home: Home, config: StrategyConfig) -> dg.AssetsDefinition:
    study, strategy = home.study, resolve(home, config)

    @dg.asset(
        name=backtest_table(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=code_version("attn_platform.backtest"),
        deps=[
            dg.AssetDep(strategy.portfolio_table, partition_mapping=dg.AllPartitionMapping()),
            dg.AssetDep("daily_bar", partition_mapping=dg.AllPartitionMapping()),
            dg.AssetDep("index_bar", partition_mapping=dg.AllPartitionMapping()),
        ],
        description=(
            f"Signal after the close of T, trades at T+1's {study.backtest.execution_price}, "
            f"{study.backtest.cost_per_side:.1%} a side; suspensions and one-price boards as they were."
        ),
    )
    def backtest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        _, last = predicted_range(home.lake, strategy.predictions)
        result = write_backtest(
            home.lake, home.calendar, config.name, strategy.portfolio_table, study.benchmark, last, study.backtest
        )
        daily = result.daily.set_index("date")
        daily["benchmark_net_value"] = (1.0 + daily["benchmark_return"].fillna(0.0)).cumprod()
        figures = performance_figures(result.daily, study.evaluation)
        return dg.MaterializeResult(
            metadata={
                "performance": table_metadata(pd.DataFrame(figures.items(), columns=["figure", "value"])),
                "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(daily)),
                "months": table_metadata(monthly_excess_returns(result.daily)),
                "excess annual return": figures["excess_annual_return"],
                "information ratio": figures["information_ratio"],
                "delistings while held": len(result.delistings),
            }
        )

    return backtest
