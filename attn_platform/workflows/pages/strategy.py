"""The HTML page of each strategy, with the same figures as CSV beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import attribution_table, figures_table
from attn_platform.factors.panel import families_of
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.portfolio.trading.shortfall import shortfall_by_week
from attn_platform.reports import formatting
from attn_platform.reports.contents import StrategyReportData
from attn_platform.reports.strategy import Subject, gather
from attn_platform.studies.availability import missing_styles, switched_off
from attn_platform.studies.names import explanation_asset, robustness_asset
from attn_platform.studies.pages import Aside, MadeWith, Summary, page_of_each
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.explanations import explained_models
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.reports import CODE, data_source, is_benchmark_approximate, universe_of, write_traded
from attn_platform.workflows.training import checkpoint_folder

RANK_IC = "rank_ic_mean"


def gather_strategy(home: Home, config: StrategyConfig) -> StrategyReportData:
    """What the page of a strategy shows."""
    study = home.study
    forecaster = study.forecaster(config.model)
    models = study.members_of(forecaster)
    source = home.settings.source
    absent = [
        f"{family} factors: {reason}"
        for family in families_of([name for panel in study.panels for name in panel.features], study.catalogue)
        if (reason := switched_off(home, family))
    ]
    absent += [f"{column}: {reason}" for column, reason in source.absent_columns.items()]
    absent += [f"style {style}: {reason}" for style, reason in missing_styles(home, config).items()]
    subject = Subject(
        strategy=resolve(home, config),
        study=study.name,
        study_title=study.title,
        model=config.model,
        universe=universe_of(home, config),
        data_source=data_source(home),
        evaluation_horizon=study.evaluation_horizon,
        checkpoints={model.name: checkpoint_folder(home, model.name) for model in models},
        notes=[f"Missing: {text}" for text in absent],
        frequency=frequency_text(study.rebalance_every_of(config)),
        planted=None if source.simulation is None else source.simulation.signals,
        is_benchmark_approximate=is_benchmark_approximate(home),
        execution=shortfall_by_week(home.lake, home.calendar, Blotter(home.root, config.name)),
    )
    return gather(home.lake, subject, study.evaluation)


def _reads(home: Home, config: StrategyConfig) -> Iterator[str]:
    yield from (backtest_table(config.name), figures_table(config.model), attribution_table(config.name))
    yield from (robustness_asset(config.name), portfolio_table(config.name), "security")
    yield from (explanation_asset(model.name) for model in explained_models(home) if model.name == config.model)


@page_of_each(
    "strategy",
    each=lambda home: {config.name: config for config in home.study.strategies},
    description=(
        "One page: net and excess value, months, layers, RankIC, what the model reads, where the excess return "
        "came from, how far to trust it, exposures, turnover, what was relaxed."
    ),
    reads=_reads,
    code=CODE,
    configuration=lambda home, config: (config, home.study.evaluation),
    made_with=MadeWith.RESULTS,
    absent="it has no strategy",
)
def strategy_page(home: Home, folder: Path, config: StrategyConfig) -> Summary:
    """The page of one strategy."""
    data = gather_strategy(home, config)
    rank_ic = formatting.figure(RANK_IC, data.factor_figures[RANK_IC])
    return {**write_traded(data, folder), "RankIC": Aside(rank_ic)}
