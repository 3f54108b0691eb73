"""The HTML page of each strategy and each mix, with the same figures as CSV beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attn_platform import reports
from attn_platform.factors.panel import families_of
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.portfolio.trading.shortfall import shortfall_by_week
from attn_platform.reports.contents import DataKind, DataSource, StrategyReportData
from attn_platform.reports.mix import MixSubject, gather_mix
from attn_platform.reports.strategy import Subject, gather
from attn_platform.reports.tables import write_report_tables
from attn_platform.studies.availability import missing_styles, switched_off
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.universe.config import UniverseConfig
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.training import checkpoint_folder

PAGE = "index.html"
WEIGHT_COLUMN = "index_weight.weight"
FORECAST_STOCKS = "A shares that the forecasts name"


def report_page(home: Home, strategy: str) -> Path:
    """Where the page of a strategy lies."""
    return home.reports / strategy / PAGE


def universe_text(config: UniverseConfig) -> str:
    """The universe as pages name it."""
    share = f"top {config.top_share:.0%} by amount and by market value"
    return f"A shares, {share}, less ST, newly listed and delisting stocks"


def data_source(home: Home) -> DataSource:
    """Where the data of a home came from, as pages say it."""
    is_simulated = home.settings.source.kind == "simulated"
    return DataSource(DataKind.SIMULATED if is_simulated else DataKind.VENDOR, home.data_description)


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


def write_report(home: Home, config: StrategyConfig) -> StrategyReportData:
    """Gather and write the page and the tables of one strategy."""
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
        data_source=data_source(home),
        evaluation_horizon=study.evaluation_horizon,
        checkpoints={model.name: checkpoint_folder(home, model.name) for model in models},
        notes=[f"Missing: {text}" for text in absent],
        frequency=frequency_text(study.rebalance_every_of(config)),
        planted=None if source.simulation is None else source.simulation.signals,
        is_benchmark_approximate=WEIGHT_COLUMN in source.absent_columns,
        execution=shortfall_by_week(home.lake, home.calendar, Blotter(home.root, config.name)),
    )
    return _write(home, gather(home.lake, subject, study.evaluation))


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
        data_source=data_source(home),
        notes=[f"Missing: {column}: {reason}" for column, reason in source.absent_columns.items()],
        frequency=frequency_text(study.rebalance_every_of(parts[0])),  # that of every part
        is_benchmark_approximate=WEIGHT_COLUMN in source.absent_columns,
    )
    return _write(home, gather_mix(home.lake, subject, study.evaluation))


def _universe_of(home: Home, config: StrategyConfig) -> str:
    """The stocks that a strategy has forecasts of, as pages name them."""
    study = home.study
    models = study.members_of(study.forecaster(config.model))
    return universe_text(study.panel_of(models[0]).universe.config) if models else FORECAST_STOCKS


def _write(home: Home, data: StrategyReportData) -> StrategyReportData:
    page = report_page(home, data.strategy)
    reports.write_strategy_report(data, page)
    write_report_tables(data, page.parent / "tables")
    return data
