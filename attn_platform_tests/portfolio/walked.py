"""A strategy walked over the tiny market, for tests of what is made from its tables.

Forecasts are random and every week others, so that every kind of stock occurs: bought and sold, kept, at its limits,
suspended, without a forecast, and members of the benchmark that nobody holds.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.market.calendar import Calendar
from attn_platform.market.lake import Lake, from_columns
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.rebalance import Rebalance, walk
from attn_platform.portfolio.strategy import Strategy
from attn_platform_tests.homes import linked

FIRST, LAST = "2020-12-10", "2021-02-03"
FORECASTS = 60
WALKER = Strategy(
    name="walker",
    predictions="forecast",
    horizon="10d",
    benchmark="csi500",
    limits=PortfolioLimits(stock_deviation=0.05, industry_deviation=0.05, style_deviation=0.5, turnover=0.3),
    styles=("log_float_mv", "bp_lf"),
    industry_scheme="citic_l1",
    preprocessing=PreprocessingConfig(),
    backtest=BacktestConfig(),
)


@dataclass(frozen=True)
class Walked:
    """The lake with the strategy's tables, and the weeks that they were written from."""

    lake: Lake
    calendar: Calendar
    weeks: list[Rebalance]


@pytest.fixture(scope="package")
def walked_home(raw_home, tmp_path_factory):
    """Raw tables, forecasts of some sixty stocks, and the weeks of `WALKER`."""
    made = linked(raw_home, tmp_path_factory.mktemp("walked"))
    rng = np.random.default_rng(8)
    sessions = made.calendar.between(FIRST, LAST)[::5]
    for session in sessions:
        listed = made.lake.read("daily_bar", session, session)["symbol"].to_numpy().astype(str)
        symbols = np.sort(rng.choice(listed, FORECASTS, replace=False))
        columns = {"date": np.full(FORECASTS, session), "symbol": symbols, "10d": rng.standard_normal(FORECASTS)}
        made.lake.write("forecast", from_columns(columns), session)
    return Walked(made.lake, made.calendar, list(walk(made.lake, made.calendar, WALKER, sessions, None)))
