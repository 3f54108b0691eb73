"""Weekly target portfolios of a home: the rebalances, and the targets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform.errors import CalendarError, ConfigurationError
from attn_platform.market.calendar import Day, as_day
from attn_platform.portfolio.explanation.reasons import weight_reasons
from attn_platform.portfolio.rebalance import Rebalance, walk
from attn_platform.portfolio.strategy import Strategy, load_portfolio
from attn_platform.progress import tqdm
from attn_platform.studies.availability import missing_styles, style_tables
from attn_platform.studies.forecasters import ImportedForecastConfig
from attn_platform.studies.names import prediction_table
from attn_platform.studies.rebalancing import rebalances_between
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.consent import remade_with_consent


def resolve(home: Home, config: StrategyConfig) -> Strategy:
    """The strategy with what the study lays down for all of them, less the styles that are missing in the source."""
    study, missing = home.study, missing_styles(home, config)
    styles = tuple(style for style in config.styles if style not in missing)
    return Strategy(
        name=config.name,
        predictions=prediction_table(config.model),
        horizon=config.horizon,
        benchmark=config.benchmark or study.benchmark,
        limits=config.limits.without_styles(missing),
        styles=styles,
        industry_scheme=study.adjacency.scheme,
        preprocessing=study.preprocessing,
        backtest=config.backtest or study.backtest,
        style_tables=style_tables(home, styles),
        extension=study.extension(config),
    )


def portfolio_strategy(home: Home, name: str) -> StrategyConfig:
    """A strategy of the home's study; `ConfigurationError` for a mix, which has no portfolio of its own."""
    mix = next((mix for mix in home.study.mixes if mix.name == name), None)
    if mix is not None:
        raise ConfigurationError(f"{name} is a mix and holds its parts' portfolios; ask for {' or '.join(mix.parts)}")
    return home.study.strategy(name)


def rebalances(home: Home, strategy: StrategyConfig | None = None) -> np.ndarray:
    """Sessions of the data on which a strategy is rebalanced, ascending, from the first test range on.

    Without a strategy those of the study, which hold for all strategies that have no frequency of their own.
    """
    return rebalances_until(home, home.last_session, strategy)


def rebalances_until(home: Home, last: Day, strategy: StrategyConfig | None = None) -> np.ndarray:
    """Those up to a day, whether or not there is data of them: the calendar alone says which they are."""
    study = home.study
    every = study.rebalance_every if strategy is None else study.rebalance_every_of(strategy)
    return rebalances_between(home.calendar, study.windows.first_test, last, every)


def rebalances_on(home: Home, forecast: ImportedForecastConfig) -> np.ndarray:
    """Sessions of which imported forecasts are needed: the rebalances of the strategies on them, else the study's."""
    strategies = [strategy for strategy in home.study.strategies if strategy.model == forecast.name]
    if not strategies:
        return rebalances(home)
    return np.unique(np.concatenate([rebalances(home, strategy) for strategy in strategies]))


def rebalance_of(home: Home, strategy: StrategyConfig, date: Day) -> np.datetime64:
    """The rebalance of a strategy on a date; `CalendarError` names the neighbours of a date that is none."""
    day, known = as_day(date), rebalances(home, strategy)
    if day not in known:
        after = int(np.searchsorted(known, day))
        neighbours = [str(each) for each in known[max(after - 1, 0) : after + 1]]
        if len(neighbours) == 0:
            raise CalendarError(f"{home.root} has no rebalance: its data ends on {home.last_session}")
        raise CalendarError(f"{day} is no rebalance; the nearest: {' and '.join(neighbours)}")
    return day


def previous_rebalance(
    home: Home, session: np.datetime64, strategy: StrategyConfig | None = None
) -> np.datetime64 | None:
    """The rebalance before `session`, of a strategy or of the study; None for the first one."""
    earlier = rebalances_until(home, session - 1, strategy)
    return np.datetime64(earlier[-1], "D") if len(earlier) else None


def rebalance(
    home: Home, config: StrategyConfig, sessions: np.ndarray, consented_by: str | None = None
) -> list[Rebalance]:
    """Solve and write the weeks of `sessions`, ascending rebalances, each starting from the one before it.

    The forecasts of all of them are in the lake, and the week before the first one, where there is one. A week whose
    orders were sent is only made again where somebody consents, which goes on record; `ConsentError` without.
    """
    strategy = resolve(home, config)
    with remade_with_consent(home, strategy, sessions, consented_by):
        weeks = walk(home.lake, home.calendar, strategy, sessions, previous_rebalance(home, sessions[0], config))
        return list(tqdm(weeks, total=len(sessions), desc=strategy.name, unit="week"))


def target_portfolio(home: Home, config: StrategyConfig, session: np.datetime64) -> pd.DataFrame:
    """The target portfolio of a rebalance as the lake has it, a row a stock, with the reason of its weight.

    `PortfolioError` where the rebalance is not in the lake.
    """
    held = load_portfolio(home.lake, resolve(home, config), session)
    return held.assign(reason=weight_reasons(held))
