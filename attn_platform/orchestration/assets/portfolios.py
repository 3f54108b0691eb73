"""Weekly target portfolios: one asset a strategy, each week starting from what is really held."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    code_version,
    column_schema,
    configured,
    data_versions,
    session_keys,
    table_metadata,
    with_files,
)
from attn_platform.orchestration.rebuilds import CONSENT
from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.limits.style import STYLE_PREFIX, StyleLimit
from attn_platform.portfolio.rebalance import Rebalance
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.portfolios import rebalance, resolve

GROUP = "portfolios"
# What a target depends on. Orders and explanations are made from it, and are no part of it.
WEEKLY_CODE = (
    "attn_platform.backtest",
    *(f"attn_platform.portfolio.{part}" for part in ("problem", "limits", "extension", "terms", "styles")),
    *(f"attn_platform.portfolio.{part}" for part in ("solver", "solution", "frames", "strategy", "rebalance")),
)
SHOWN = 15
COLUMNS = {
    "weight": ("double", "target weight"),
    "held_weight": ("double", "weight held at the close, drifted"),
    "benchmark_weight": ("double", "weight in the benchmark"),
    "score": ("double", "forecast; null without one"),
    "industry": ("string", "level-1 industry on the session"),
    "tradable": ("bool", "not suspended on the session"),
    "lower": ("double", "least weight by the rules about single stocks"),
    "upper": ("double", "greatest weight by the same"),
    "reduced_score": ("double", "gain by one more unit of weight, at the prices of the limits"),
}


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.PORTFOLIOS: tuple(portfolio_table(strategy.name) for strategy in home.study.strategies)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a strategy."""
    return [_portfolio(home, partitions, config) for config in home.study.strategies]


def _portfolio(home: Home, partitions: Partitions, config: StrategyConfig) -> dg.AssetsDefinition:
    strategy = resolve(home, config)
    limits, every = strategy.limits, home.study.rebalance_every_of(config)

    @dg.asset(
        name=strategy.portfolio_table,
        group_name=GROUP,
        kinds={"parquet", "highs"},
        code_version=configured(
            with_files(code_version(*WEEKLY_CODE), [Path(file) for file in home.study.portfolio_files]),
            config.model_dump(mode="json", exclude={"rebalance_every"}),
            strategy.benchmark,
            strategy.backtest,
            every,
        ),
        partitions_def=partitions.rebalances_by_frequency[every],
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            strategy.predictions,
            dg.AssetDep("daily_bar", partition_mapping=partitions.sessions_held(every, strategy.history)),
            "security",
            "valuation",
            "index_weight",
            "industry",
            *sorted(set(strategy.style_tables.values())),
            dg.AssetDep(strategy.portfolio_table, partition_mapping=partitions.previous),
        ],
        check_specs=expectations.specs("portfolio", strategy.portfolio_table),
        metadata=column_schema(
            {**KEY_COLUMNS, **COLUMNS, **{f"{STYLE_PREFIX}{s}": ("double", "z-score") for s in strategy.styles}}
        ),
        description=(
            f"Highest forecast ({config.model}, {config.horizon}) against {strategy.benchmark} within: stock ± "
            f"{limits.stock_deviation:.1%}, industry ± {limits.industry_deviation:.1%}, style "
            f"{', '.join(f'{style} ± {limits.of(StyleLimit).of_style(style):g}' for style in strategy.styles)}, "
            f"one-way turnover {limits.turnover:.0%}; every {frequency_text(every)}."
        ),
    )
    def portfolio(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        done = rebalance(home, config, sessions, context.run.tags.get(CONSENT))
        for week in done:
            for relaxation in week.solution.relaxations:
                context.log.warning("%s: relaxed %s", week.session, relaxation)
        tables = (strategy.portfolio_table, strategy.account_table, strategy.limits_table)
        yield dg.MaterializeResult(data_version=data_versions(home.lake, sessions, *tables), metadata=_metadata(done))
        yield from expectations.results("portfolio", home, strategy.portfolio_table, sessions)

    return portfolio


def _metadata(weeks: list[Rebalance]) -> dict[str, Any]:
    newest = weeks[-1]
    frame = newest.frame()
    held = frame[frame["weight"] > 0].nlargest(SHOWN, "weight")[
        ["symbol", "industry", "weight", "benchmark_weight", "score", "lower", "upper", "reduced_score"]
    ]
    recent = pd.DataFrame(
        {
            "week": [str(week.session) for week in weeks],
            "status": [week.solution.status for week in weeks],
            "holdings": [int((week.solution.weights > 0).sum()) for week in weeks],
            "one_way_turnover": [
                np.nan if week.solution.turnover is None else week.solution.turnover for week in weeks
            ],
            "relaxed": [", ".join(_relaxed(week)) for week in weeks],
        }
    ).tail(SHOWN)
    limits, exposures = newest.limits(), newest.solution.active(StyleLimit.kind)
    binding = limits[(limits["price"] != 0) & (limits["kind"] != Budget.kind)]
    return {
        "weeks in run": len(weeks),
        "relaxed weeks": sum(week.solution.status == "relaxed" for week in weeks),
        "holdings": int((newest.solution.weights > 0).sum()),
        "largest weights": table_metadata(held),
        "newest weeks": table_metadata(recent),
        "binding limits": table_metadata(binding.drop(columns="date")),
        "active style exposures": ", ".join(f"{k} {v:+.4f}" for k, v in exposures.items()),
    }


def _relaxed(week: Rebalance) -> Iterator[str]:
    """What was relaxed in a week, and how far: "turnover 0.15 → 0.1833"."""
    for relaxation in week.relaxed():
        name = f" {relaxation['name']}" if relaxation["name"] else ""
        yield f"{relaxation['limit']}{name} {relaxation['allowed']:.4g} → {relaxation['reached']:.4g}"
