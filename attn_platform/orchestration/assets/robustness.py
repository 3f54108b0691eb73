"""Beyond the backtest: attribution of the excess return, forecasts of each seed, and capacity."""

import dagster as dg
import pandas as pd

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.backtest_attribution import summed_effects
from attn_platform.evaluation.return_attribution import EFFECTS, linked_effects
from attn_platform.evaluation.robustness import capacities
from attn_platform.evaluation.store import attribution_table, contributors_table, exposures_table, robustness_tables
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.training import forecast_code, reads_adjacency
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    code_version,
    configured,
    data_version,
    data_versions,
    joined,
    table_metadata,
)
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import checkpoint_asset, prediction_table, robustness_asset
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.training.seed_predictions import seeds_table
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.attribution import attribute_mix, attribute_returns
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.robustness import forecast_seeds, measure_robustness
from attn_platform.workflows.training import model_training

GROUP = "robustness"
ATTRIBUTING = (
    *("return_attribution", "account_returns", "backtest_attribution"),
    *("held_weights", "held_exposures", "mixed"),
)
"""Modules of `evaluation` that attribute returns, and say what was held."""


def seeded_models(home: Home) -> tuple[ModelConfig, ...]:
    """Models that a strategy trades on, whose seeds are looked at one by one."""
    traded = {strategy.model for strategy in home.study.strategies}
    return tuple(model for model in home.study.models if model.name in traded)


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    traded = [each.name for each in home.study.traded]
    return {
        MadeAt.REPORTS: (
            *(seeds_table(model.name) for model in seeded_models(home)),
            *map(attribution_table, traded),
            *map(robustness_asset, traded),
        ),
    }


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Two assets a strategy or a mix, and one a model."""
    return [
        *(_seeds(home, model) for model in seeded_models(home)),
        *(_attribution(home, config) for config in home.study.strategies),
        *(_mix_attribution(home, config) for config in home.study.mixes),
        *(_robustness(home, config) for config in home.study.traded),
    ]


def _all_of(*tables: str) -> list[dg.AssetDep]:
    """Tables by session, of which all sessions are read."""
    return [dg.AssetDep(table, partition_mapping=dg.AllPartitionMapping()) for table in dict.fromkeys(tables)]


def _seeds(home: Home, model: ModelConfig) -> dg.AssetsDefinition:
    table, task = seeds_table(model.name), model_training(home, model)

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet", "pytorch"},
        code_version=configured(
            joined(forecast_code(task), code_version("attn_platform.training.seed_predictions")), list(model.seeds)
        ),
        deps=[
            *_all_of(prediction_table(model.name), task.panel, checkpoint_asset(model.name)),
            *(_all_of(ADJACENCY) if reads_adjacency(model) else ()),
        ],
        description="Forecasts of each seed on the rebalances; their mean is the model's forecast.",
    )
    def seeds(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        made = forecast_seeds(home, model)
        sessions = home.lake.sessions(table)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(str(data_versions(home.lake, sessions, table).value)),
            metadata={"rebalances": len(sessions), "forecast in this run": len(made)},
        )

    return seeds


def _attribution_code() -> str:
    return code_version(
        *(f"attn_platform.evaluation.{name}" for name in ATTRIBUTING),
        "attn_platform.workflows.attribution",
        "attn_platform.backtest.benchmark",
    )


def _attributed(home: Home, name: str, attribution: pd.DataFrame) -> dg.MaterializeResult:
    """What an attribution has written, and its effects in sum."""
    effects = summed_effects(attribution, EFFECTS)
    total = linked_effects(effects).iloc[0].rename_axis("effect").reset_index(name="linked")
    written = (attribution_table(name), exposures_table(name), contributors_table(name))
    return dg.MaterializeResult(
        data_version=data_version(home.lake, *written),
        metadata={"effects": table_metadata(total), "sessions": len(effects)},
    )


def _mix_attribution(home: Home, config: StrategyMixConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=attribution_table(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(joined(_attribution_code(), code_version("attn_platform.backtest.mix")), config),
        deps=[
            *(name for part in config.parts for name in (backtest_table(part), attribution_table(part))),
            backtest_table(config.name),
            *_all_of("daily_bar", "index_weight"),
            "industry",
            "security",
        ],
        description=(
            "Excess return of each session by industries, styles and selection, and what blocked trades, costs (those "
            "of the resets, too), cash and the benchmark's own error did to it: from its parts; active exposures, and "
            "what moved each week."
        ),
    )
    def attribution(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _attributed(home, config.name, attribute_mix(home, config))

    return attribution


def _attribution(home: Home, config: StrategyConfig) -> dg.AssetsDefinition:
    strategy = resolve(home, config)

    @dg.asset(
        name=attribution_table(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(
            _attribution_code(),
            strategy.styles,
            strategy.industry_scheme,
            strategy.preprocessing,
            home.study.evaluation.attribution,
        ),
        deps=[
            backtest_table(config.name),
            *_all_of(
                *(strategy.portfolio_table, strategy.predictions, "daily_bar", "valuation", "index_weight"),
                *strategy.style_tables.values(),
            ),
            "industry",
            "security",
        ],
        description=(
            "Excess return of each session by industries, styles and selection, and what blocked trades, costs, cash "
            "and the benchmark's own error did to it; sums to it exactly. Beside it the active exposures after every "
            "close, and what moved each week."
        ),
    )
    def attribution(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _attributed(home, config.name, attribute_returns(home, config))

    return attribution


def _robustness(home: Home, config: StrategyConfig | StrategyMixConfig) -> dg.AssetsDefinition:
    study = home.study
    of_forecast: list[dg.AssetDep | str] = []
    if isinstance(config, StrategyConfig):
        has_seeds = config.model in [model.name for model in seeded_models(home)]
        of_forecast = [*_all_of(prediction_table(config.model)), *((seeds_table(config.model),) if has_seeds else ())]

    @dg.asset(
        name=robustness_asset(config.name),
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(
            code_version("attn_platform.evaluation.robustness", "attn_platform.workflows.robustness"),
            study.evaluation,
            study.evaluation_horizon,
            config.horizon if isinstance(config, StrategyConfig) else "",
        ),
        deps=[backtest_table(config.name), *_all_of("daily_bar"), *of_forecast, "security"],
        description=(
            "RankIC and excess return of each seed, which a mix has not, and the money at which trades meet the day's "
            "volume."
        ),
    )
    def robustness(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        measured = measure_robustness(home, config)
        of_shares = capacities(measured.trades, study.evaluation.robustness.traded_shares)
        return dg.MaterializeResult(
            data_version=data_version(home.lake, *robustness_tables(config.name)),
            metadata={
                "seeds": table_metadata(measured.seeds),
                "capacity": table_metadata(of_shares.rename_axis("share of trades").reset_index(name="CNY")),
            },
        )

    return robustness
