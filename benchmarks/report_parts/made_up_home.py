"""Strategies on made-up forecasts, on the market of a home: all that a report reads, without a trained network.

The forecast of a stock is its reversal over a month beside noise that changes slowly, so that portfolios, turnover and
exposures are those of a strategy, whatever it earns.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import figures_table, layers_table, sessions_table
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import from_columns
from attn_platform.portfolio.rebalance import walk
from attn_platform.studies.forecasters import ImportedForecastConfig
from attn_platform.studies.forecasts import import_forecasts
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import prediction_table
from attn_platform.studies.rebalancing import rebalances_of
from attn_platform.studies.settings import Home, LayeredHome
from attn_platform.studies.study import StrategyMixConfig
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.prediction_backtest import write_style_tables

STUDY, LIMITS_OF, HORIZON = "ai69", "multi_task_baseline_10d", "10d"
NAMES, MIX = ("first", "second"), "mixed"
STOCKS = 2_500  # the largest ones of a session, as many as AI-69's universe may have
MONTH, REVERSAL, PERSISTENCE = 20, 0.3, 0.95
DIGITS = 6  # of a forecast
READ_BACK = 60  # sessions before the first forecast, for the reversal


def made_up_home(market: Home, root: Path) -> Home:
    """A home with two strategies of AI-69's limits and their mix, on top of one that has a market."""
    return _home(market, root, NAMES, mixes=(StrategyMixConfig(name=MIX, parts=NAMES),))


def many_strategies_home(market: Home, root: Path, count: int) -> Home:
    """The same folder as a home of many strategies: those of the study by their names, and others."""
    names = [strategy.name for strategy in load_study(STUDY).strategies]
    names += [f"strategy_{number}" for number in range(len(names), count)]
    return _home(market, root, tuple(names[:count]), mixes=())


def _home(market: Home, root: Path, names: tuple[str, ...], mixes: tuple[StrategyMixConfig, ...]) -> Home:
    study = load_study(STUDY, market.settings.changes)
    base = study.strategy(LIMITS_OF)
    chosen = {
        "models": (),
        "ensembles": (),
        "forecasts": tuple(ImportedForecastConfig(name=name, horizons=(HORIZON,)) for name in names),
        "strategies": tuple(
            base.model_copy(update={"name": name, "model": name, "horizon": HORIZON}) for name in names
        ),
        "mixes": mixes,
    }
    return LayeredHome(root, market, study.replace(**chosen))


def extend(home: Home, first: np.datetime64, last: np.datetime64) -> None:
    """Forecasts and portfolios up to `last`, added to what is there; forecasts begin with `first`."""
    sessions = home.calendar.between(first, last)
    before = max(home.calendar.position(sessions[0]) - READ_BACK, 0)
    start = max(home.calendar.sessions[before], home.lake.sessions("daily_bar")[0])
    fields = ("close", "adj_factor", "total_mv", "is_suspended")
    market = load_dense(home.lake, home.calendar, start, last, fields)
    price = pd.DataFrame(market["close"] * market["adj_factor"])
    reversal = 1.0 - (price / price.shift(MONTH)).to_numpy()
    reversal /= np.nanstd(reversal, axis=1, keepdims=True)
    rank = pd.DataFrame(-market["total_mv"]).rank(axis=1).to_numpy()
    is_forecast = (rank <= STOCKS) & np.isfinite(price.to_numpy()) & (market["is_suspended"] == 0)
    is_forecast[market.sessions < sessions[0]] = False
    row, column = np.nonzero(is_forecast)
    for strategy in home.study.strategies:
        # Rounded, since sums over the stocks of a longer range differ in their last bits.
        forecast = np.round(REVERSAL * np.nan_to_num(reversal) + _noise(home, market, strategy.name), DIGITS)
        columns = {"date": market.sessions[row], "symbol": market.symbols[column], HORIZON: forecast[row, column]}
        import_forecasts(home.lake, prediction_table(strategy.model), from_columns(columns))
        resolved = resolve(home, strategy)
        rebalances = rebalances_of(sessions, home.calendar, home.study.rebalance_every_of(strategy))
        done = home.lake.sessions(resolved.portfolio_table)
        write_style_tables(home, resolved, rebalances)
        list(walk(home.lake, home.calendar, resolved, np.setdiff1d(rebalances, done), done[-1] if len(done) else None))


def _noise(home: Home, market: DenseMarket, name: str) -> np.ndarray:
    """[T, N] noise that changes slowly, of a stock and a session the same however far the market goes on."""
    known = np.sort(home.lake.read("security", columns=["symbol"])["symbol"].to_numpy().astype(str))
    column, steps = np.searchsorted(known, market.symbols), np.empty(market.shape)
    for at, session in enumerate(market.sessions):
        steps[at] = np.random.default_rng([int(session.astype(int)), *name.encode()]).standard_normal(len(known))[
            column
        ]
    mean = pd.DataFrame(steps).ewm(alpha=1.0 - PERSISTENCE).mean().to_numpy()
    return mean * np.sqrt((1.0 + PERSISTENCE) / (1.0 - PERSISTENCE))  # of variance 1, but for the first sessions


def copy_results(home: Home, many: Home) -> None:
    """Give every strategy of `many` the backtest and the evaluation of the first one of `home`."""
    lake, model = home.lake, home.study.strategies[0].model
    for strategy in many.study.strategies:
        lake.write(backtest_table(strategy.name), lake.read(backtest_table(NAMES[0])))
        for table in (figures_table, sessions_table, layers_table):
            lake.write(table(strategy.model), lake.read(table(model)))
