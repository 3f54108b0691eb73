"""The HTML report of each strategy, with the same figures as CSV beside it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import Predictions, figures_table
from attn_platform.factors.panel import families_of
from attn_platform.orchestration.assets.explanation import explained_models, explanation_asset
from attn_platform.orchestration.assets.market import planted_assets
from attn_platform.orchestration.assets.portfolios import resolve
from attn_platform.orchestration.assets.predictions import measured_predictions
from attn_platform.orchestration.assets.training import checkpoint_folder
from attn_platform.orchestration.provenance import code_version
from attn_platform.reports import thumbnails
from attn_platform.reports.contents import DataKind, DataSource, StrategyReportData
from attn_platform.reports.mix import MixSubject, gather_mix
from attn_platform.reports.pages import write_strategy_report
from attn_platform.reports.strategy import Subject, gather
from attn_platform.reports.tables import write_report_tables
from attn_platform.studies.availability import missing_styles, switched_off
from attn_platform.studies.settings import Home, SourceConfig
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.universe.config import UniverseConfig

GROUP = "reports"
PAGE = "index.html"
FORECAST_STOCKS = "A shares that the forecasts name"


def report_asset(strategy: str) -> str:
    """Name of a strategy's report asset."""
    return f"report_{strategy}"


def report_page(home: Home, strategy: str) -> Path:
    """Where the page of a strategy lies."""
    return home.reports / strategy / PAGE


def build(home: Home) -> list[dg.AssetsDefinition]:
    """One asset a strategy, and one a mix."""
    return [
        *(_report(home, config) for config in home.study.strategies),
        *(_mix_report(home, config) for config in home.study.mixes),
    ]


def universe_text(config: UniverseConfig) -> str:
    """The universe as pages name it."""
    share = f"top {config.top_share:.0%} by amount and by market value"
    return f"A shares, {share}, less ST, newly listed and delisting stocks"


def data_source(source: SourceConfig) -> DataSource:
    """Where the data of a home came from, as pages say it."""
    return DataSource(DataKind.SIMULATED if source.kind == "simulated" else DataKind.VENDOR, source.description)


def write_pages(home: Home, name: str) -> Iterator[Path]:
    """Write the page of a strategy or a mix, or all of them under the study's name; each path once it is written.

    `ConfigurationError` where nothing is called so.
    """
    study = home.study
    chosen = [each for each in study.traded if name in (each.name, study.name)] or [study.strategy(name)]
    for config in chosen:
        if isinstance(config, StrategyMixConfig):
            write_mix_report(home, config)
        else:
            write_report(home, config)
        yield report_page(home, config.name)


def write_report(home: Home, config: StrategyConfig, predictions: Predictions | None = None) -> StrategyReportData:
    """Gather and write the page and the tables of one strategy; `predictions` where they have been loaded already."""
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
        universe=_universe_of(home, config),
        data_source=data_source(source),
        evaluation_horizon=study.evaluation_horizon,
        checkpoints={model.name: checkpoint_folder(home, model.name) for model in models},
        notes=[f"Missing: {text}" for text in absent],
        planted=None if source.simulation is None else source.simulation.signals,
    )
    measured = measured_predictions(home, forecaster) if predictions is None else predictions
    return _write(home, gather(home.lake, subject, measured, study.evaluation))


def write_mix_report(home: Home, config: StrategyMixConfig) -> StrategyReportData:
    """Gather and write the page and the tables of one mix."""
    study, source = home.study, home.settings.source
    parts = [study.strategy(part) for part in config.parts]
    subject = MixSubject(
        name=config.name,
        parts=[resolve(home, part) for part in parts],
        reset_sessions=config.reset_sessions,
        study=study.name,
        study_title=study.title,
        universe=" · ".join(dict.fromkeys(_universe_of(home, part) for part in parts)),
        data_source=data_source(source),
        notes=[f"Missing: {column}: {reason}" for column, reason in source.absent_columns.items()],
    )
    return _write(home, gather_mix(home.lake, subject, study.evaluation))


def _universe_of(home: Home, config: StrategyConfig) -> str:
    """The stocks that a strategy has forecasts of, as pages name them."""
    study = home.study
    models = study.members_of(study.forecaster(config.model))
    return universe_text(study.panel_of(models[0]).universe.config) if models else FORECAST_STOCKS


def _write(home: Home, data: StrategyReportData) -> StrategyReportData:
    page = report_page(home, data.strategy)
    write_strategy_report(data, page)
    write_report_tables(data, page.parent / "tables")
    return data


def _report(home: Home, config: StrategyConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=report_asset(config.name),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=code_version("attn_platform.reports"),
        deps=[
            backtest_table(config.name),
            figures_table(config.model),
            *planted_assets(home),
            *(explanation_asset(model.name) for model in explained_models(home) if model.name == config.model),
        ],
        description=(
            "One page: net and excess value, months, layers, RankIC, what the model reads, exposures, turnover, what "
            "was relaxed."
        ),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_report(home, config)
        page = report_page(home, config.name)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(str(page)),
                "data": data.data_source.description,
                "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(data.daily)),
                "excess annual return": data.performance["excess_annual_return"],
                "RankIC": data.factor_figures["rank_ic_mean"],
            }
        )

    return report


def _mix_report(home: Home, config: StrategyMixConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=report_asset(config.name),
        group_name=GROUP,
        kinds={"html", "csv"},
        code_version=code_version("attn_platform.reports"),
        deps=[backtest_table(config.name), *(backtest_table(part) for part in config.parts)],
        description="One page: net and excess value, months, the mix beside its parts, turnover and cost, holdings.",
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        data = write_mix_report(home, config)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(str(report_page(home, config.name))),
                "data": data.data_source.description,
                "net value": dg.MetadataValue.md(thumbnails.net_value_thumbnail(data.daily)),
                "excess annual return": data.performance["excess_annual_return"],
            }
        )

    return report
