"""Anybody's predictions through the weekly portfolio, the simulator and the report of the platform's own models.

What is made lies in a folder of its own, `<home>/backtests/<name>`, on top of the home's lake, whose tables stay as
they are. It is there whole or not at all: a run that fails leaves what an earlier one made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attn_platform.backtest.store import write_backtest
from attn_platform.errors import BadInputError, ConfigurationError
from attn_platform.evaluation.performance import performance_figures, untraded_figures
from attn_platform.factors.store import chunks, family_of, write_families
from attn_platform.market.calendar import Day
from attn_platform.market.lake import days
from attn_platform.portfolio.rebalance import walk
from attn_platform.portfolio.strategy import Strategy
from attn_platform.progress import tqdm
from attn_platform.studies.availability import missing_styles
from attn_platform.studies.forecasters import ImportedForecastConfig
from attn_platform.studies.forecasts import PREDICTION, import_forecasts, read_forecasts
from attn_platform.studies.names import prediction_table
from attn_platform.studies.pages import page_file, pages_of, write_page
from attn_platform.studies.rebalancing import RebalanceFrequency, rebalances_of
from attn_platform.studies.settings import Home, LayeredHome
from attn_platform.studies.strategies import find_strategy
from attn_platform.studies.study import StudyConfig
from attn_platform.workflows.attribution import attribute_returns
from attn_platform.workflows.evaluation import evaluate_forecasts
from attn_platform.workflows.portfolios import resolve
from attn_platform.writing import replacing_folder

NAME = re.compile(r"[a-z][a-z0-9_]*")
# Rebalances whose style factors are computed at a time: they lie some sessions apart, all of which are read.
STYLE_REBALANCES = 100


@dataclass(frozen=True)
class PredictionBacktest:
    """What came of a backtest: the twelve figures of the published tables, and where the page lies."""

    strategy: str
    benchmark: str
    first_session: np.datetime64
    last_session: np.datetime64
    weeks: int
    relaxed_weeks: int
    figures: dict[str, float]
    untraded: dict[str, float]
    """What stocks that could not be traded any more did to it (`evaluation.performance.untraded_figures`)."""
    missing_styles: dict[str, str]
    page: Path


def name_of(path: Path) -> str:
    """Name of the backtest of a file: its own, in lower case and with `_` for what no name may hold."""
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    return name if NAME.fullmatch(name) else f"{PREDICTION}_{name}".strip("_")


def backtest_predictions(
    home: Home,
    path: Path,
    strategy: str | None = None,
    name: str | None = None,
    first: Day | None = None,
    last: Day | None = None,
    every: RebalanceFrequency | None = None,
) -> PredictionBacktest:
    """Trade on the predictions of a file (date, symbol, prediction) as a strategy does, and write the report.

    Args:
        home: whose market is traded on.
        path: Parquet or CSV.
        strategy: of the home's study or of one of the package, whose limits, styles, benchmark and costs hold; the
            home's first one without a name.
        name: of the backtest; that of the file without one.
        first: first session whose predictions count.
        last: last session of the backtest; the last predicted one without it.
        every: sessions from one rebalance to the next, at least, or the last session of each week or month; as the
            strategy is rebalanced without it.

    Raises:
        BadInputError: the file cannot be used; names file, row and column.
        ConfigurationError: the name or the strategy cannot be used.
        MissingDataError: the lake lacks what the strategy needs.
    """
    chosen = name_of(path) if name is None else name
    if not NAME.fullmatch(chosen):
        raise ConfigurationError(
            f"'{chosen}' cannot be a backtest's name; it has small letters, digits and _, and starts with a letter"
        )
    study, model = find_strategy(home.study, strategy)
    frequency = study.rebalance_every_of(model) if every is None else every
    with replacing_folder(home.backtests / chosen) as folder:
        own = LayeredHome(folder, home, study_of_predictions(study, model.name, chosen, frequency))
        predicted = _imported(own, path, first, last)
        rebalances = _rebalances(home, path, predicted, frequency)
        end = _end(home, path, predicted, last)
        relaxed, figures, untraded = _run(own, rebalances, end)
    config = own.study.strategies[0]
    return PredictionBacktest(
        strategy=model.name,
        benchmark=resolve(own, config).benchmark,
        first_session=rebalances[0],
        last_session=end,
        weeks=len(rebalances),
        relaxed_weeks=relaxed,
        figures=figures,
        untraded=untraded,
        missing_styles=missing_styles(own, config),
        page=page_file(Home(home.backtests / chosen, home.settings), chosen),
    )


def study_of_predictions(
    study: StudyConfig, strategy: str, name: str, every: RebalanceFrequency | None = None
) -> StudyConfig:
    """The study with nothing but predictions of somebody else's, and the strategy on them under their name.

    It is rebalanced `every`; as the strategy is without it.
    """
    own = study.strategy(strategy)
    frequency = own.rebalance_every if every is None else every
    changes = {"name": name, "model": name, "horizon": PREDICTION, "rebalance_every": frequency}
    config = own.model_copy(update=changes)
    forecasts = ImportedForecastConfig(name=name, horizons=(PREDICTION,))
    title = f"Imported predictions under the limits of {strategy}, {study.title}"
    return study.replace(title=title, models=(), ensembles=(), mixes=(), forecasts=(forecasts,), strategies=(config,))


def _imported(home: Home, path: Path, first: Day | None, last: Day | None) -> np.ndarray:
    """Bring the predictions into the home's lake; returns their sessions."""
    forecasts = read_forecasts(path, (PREDICTION,), home.lake, home.calendar, first, last)
    import_forecasts(home.lake, prediction_table(home.study.forecasts[0].name), forecasts)
    return np.unique(days(forecasts["date"]))


def _rebalances(home: Home, path: Path, predicted: np.ndarray, every: RebalanceFrequency) -> np.ndarray:
    """Of the sessions `predicted` those to rebalance on; `BadInputError` where there is none."""
    rebalances = rebalances_of(predicted, home.calendar, every)
    if not len(rebalances):
        raise BadInputError(
            f"{path}: no session with predictions, {predicted[0]} to {predicted[-1]}, is the last one of its {every}; "
            "give predictions of those, or rebalance after a number of sessions (--every)"
        )
    return rebalances


def _end(home: Home, path: Path, predicted: np.ndarray, last: Day | None) -> np.datetime64:
    """Last session of the backtest; `BadInputError` where nothing could be traded up to it."""
    end = predicted[-1]
    if last is not None:
        end = min(home.calendar.on_or_before(last), home.lake.sessions("daily_bar")[-1])
    if end <= predicted[0]:
        raise BadInputError(
            f"{path}: nothing can be traded between {predicted[0]}, the first session with predictions, and {end}; "
            "give predictions of more sessions, or let the backtest end later (--end)"
        )
    return np.datetime64(end, "D")


def _run(home: Home, rebalances: np.ndarray, end: np.datetime64) -> tuple[int, dict[str, float], dict[str, float]]:
    """All from portfolios to the report; returns the number of relaxed weeks and both kinds of figures."""
    study, config = home.study, home.study.strategies[0]
    strategy, forecaster = resolve(home, config), home.study.forecaster(config.model)
    write_style_tables(home, strategy, rebalances)
    weeks = walk(home.lake, home.calendar, strategy, rebalances, None)
    progress = tqdm(weeks, total=len(rebalances), desc=strategy.name, unit="week")
    relaxed = sum(week.solution.status == "relaxed" for week in progress)
    result = write_backtest(
        home.lake, home.calendar, strategy.name, strategy.portfolio_table, strategy.benchmark, end, strategy.backtest
    )
    evaluate_forecasts(home, forecaster)
    attribute_returns(home, config)
    write_page(home, pages_of(home)[config.name])
    untraded = untraded_figures(result.daily, result.delistings, study.evaluation)
    return relaxed, performance_figures(result.daily, study.evaluation), untraded


def write_style_tables(home: Home, strategy: Strategy, rebalances: np.ndarray) -> None:
    """Compute the factors that serve as styles, where the lake does not have them on all rebalances."""
    tables = sorted(set(strategy.style_tables.values()))
    lacking = [table for table in tables if not np.isin(rebalances, home.lake.sessions(table)).all()]
    families, study = [family_of(table) for table in lacking], home.study
    for sessions in chunks(rebalances, STYLE_REBALANCES) if families else ():
        write_families(home.lake, home.calendar, families, sessions, study.factors, study.catalogue)
