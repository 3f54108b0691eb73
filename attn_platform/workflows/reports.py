"""What several pages of a home say alike: their data, their universe, the notes and figures of a strategy or a mix."""

from __future__ import annotations

from pathlib import Path

from attn_platform import reports
from attn_platform.reports import formatting, thumbnails
from attn_platform.reports.contents import DataKind, DataSource, StrategyReportData
from attn_platform.reports.tables import write_report_tables
from attn_platform.studies.pages import INDEX, Aside, Summary
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.universe.config import UniverseConfig

WEIGHT_COLUMN = "index_weight.weight"
FORECAST_STOCKS = "A shares that the forecasts name"
CODE = (
    "attn_platform.evaluation.performance",
    "attn_platform.evaluation.robustness",
    "attn_platform.published",
    __name__,
)
"""What the page of a strategy or a mix is made by beside its own module."""
EXCESS = "excess_annual_return"


def universe_text(config: UniverseConfig) -> str:
    """The universe as pages name it."""
    share = f"top {config.top_share:.0%} by amount and by market value"
    return f"A shares, {share}, less ST, newly listed and delisting stocks"


def data_source(home: Home) -> DataSource:
    """Where the data of a home came from, as pages say it."""
    is_simulated = home.settings.source.kind == "simulated"
    return DataSource(DataKind.SIMULATED if is_simulated else DataKind.VENDOR, home.data_description)


def is_benchmark_approximate(home: Home) -> bool:
    """Whether the benchmark's weights are none of the source's own."""
    return WEIGHT_COLUMN in home.settings.source.absent_columns


def universe_of(home: Home, config: StrategyConfig) -> str:
    """The stocks that a strategy has forecasts of, as pages name them."""
    study = home.study
    models = study.members_of(study.forecaster(config.model))
    return universe_text(study.panel_of(models[0]).universe.config) if models else FORECAST_STOCKS


def write_traded(data: StrategyReportData, folder: Path) -> Summary:
    """Write the page and the tables of a strategy or a mix; what is said of it."""
    reports.write_strategy_report(data, folder / INDEX)
    write_report_tables(data, folder / "tables")
    return {
        "data": Aside(data.data_source.description),
        "net value": Aside(thumbnails.net_value_thumbnail(data.daily), is_markdown=True),
        "excess annual return": Aside(formatting.figure(EXCESS, data.performance[EXCESS])),
    }
