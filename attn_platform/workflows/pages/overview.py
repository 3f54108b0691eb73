"""The overview of all strategies and mixes of a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform import reports
from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.robustness import deflated_sharpe
from attn_platform.evaluation.store import figures_table
from attn_platform.market.lake import Lake
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS
from attn_platform.published import PublishedRow
from attn_platform.reports.overview_contents import DEFLATED, RANK_ICS, Link, OverviewData, Row
from attn_platform.reports.strategy import dated, published_factor_figures, published_performance, report_daily
from attn_platform.studies.names import OVERVIEW, study_pages
from attn_platform.studies.pages import INDEX, Aside, MadeWith, Summary, page
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.workflows.pages.study import NOT_MADE, SUMMARY_CODE, has_exhibits, results
from attn_platform.workflows.reports import data_source, universe_text
from attn_platform.workflows.robustness import tried

MIX = "mix"
HEADLINES = ("excess_annual_return", "information_ratio", "rank_ic_mean")


def gather_overview(home: Home) -> OverviewData:
    """Every strategy and mix with its figures and the published ones; those without a backtest are named."""
    study = home.study
    trials = tried(home)["sharpe"].to_numpy()
    made = [each for each in study.traded if home.lake.has(backtest_table(each.name))]
    exhibits = Link("The study, exhibit by exhibit", f"../{study_pages(study.name)}/{INDEX}")
    return OverviewData(
        study_title=study.title,
        data_source=data_source(home),
        universe=universe_text(study.universe),
        rows=[_row(home, each, trials) for each in made],
        trials=len(trials),
        pages=[exhibits] if has_exhibits(home) else [],
        absent={each.name: NOT_MADE for each in study.traded if each not in made},
    )


def _row(home: Home, config: StrategyConfig | StrategyMixConfig, trials: np.ndarray) -> Row:
    daily = dated(home.lake, backtest_table(config.name))
    figures = performance_figures(daily, home.study.evaluation)
    search = deflated_sharpe(daily["excess_return"].to_numpy()[1:], trials, home.study.evaluation)
    figures |= {DEFLATED: search[DEFLATED]}
    if isinstance(config, StrategyMixConfig):
        kind, model, horizon = MIX, " and ".join(config.parts), ""
    else:
        kind, model, horizon = _kind(config), config.model, config.horizon
        figures |= _rank_ics(home.lake, config)
    return Row(
        name=config.name,
        kind=kind,
        model=model,
        horizon=horizon,
        page=f"../{config.name}/{INDEX}",
        daily=report_daily(daily),
        figures=figures,
        published=_published(home, config),
    )


def _kind(config: StrategyConfig) -> str:
    return "relaxed limits" if config.limits == RELAXED_LIMITS else "strategy"


def _rank_ics(lake: Lake, config: StrategyConfig) -> dict[str, float]:
    """Of the forecast that a strategy trades on; nothing where it has not been evaluated."""
    table = figures_table(config.model)
    if not lake.has(table):
        return {}
    figures = lake.read(table).to_pandas().set_index("horizon").loc[config.horizon]
    return {name: float(figures[name]) for name in RANK_ICS}


def _published(home: Home, config: StrategyConfig | StrategyMixConfig) -> list[PublishedRow]:
    study = home.study
    if isinstance(config, StrategyMixConfig):
        first = study.strategy(config.parts[0])
        rows = [published_performance(study.name, config.name, first.horizon, first.limits)]
    else:
        rows = [
            published_performance(study.name, config.model, config.horizon, config.limits),
            published_factor_figures(study.name, config.model, config.horizon),
        ]
    return [row for row in rows if row is not None]


@page(
    OVERVIEW,
    description="All strategies and mixes in one table that sorts and filters, with the published figures.",
    reads=results,
    code=SUMMARY_CODE,
    configuration=lambda home: (home.study.evaluation, [each.name for each in home.study.traded]),
    made_with=MadeWith.SUMMARIES,
)
def overview_page(home: Home, folder: Path) -> Summary:
    """The overview of what the home has backtests of."""
    data = gather_overview(home)
    reports.write_overview(data, folder)
    rows = [{"strategy": row.name, **{name: row.figures.get(name) for name in HEADLINES}} for row in data.rows]
    return {"data": Aside(data.data_source.description), "strategies": pd.DataFrame(rows)}
