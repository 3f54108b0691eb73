"""A home of a study whose results are made up: every table that the pages about all strategies read, and nothing else.

Daily excess returns and RankICs are noise about a level of each result, so that each test knows what must come out.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.store import figures_table, layer_column, layers_table, sessions_table
from attn_platform.reports.contents import FACTOR_FIGURES
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home, Settings, SourceConfig
from attn_platform.universe.store import UNIVERSE

FIRST = "2020-01-02"
SESSIONS, STOCKS, HELD = 60, 12, 5


def study_home(
    root: Path, study: str, models: tuple[str, ...] = (), sessions: int = SESSIONS, stocks: int = STOCKS
) -> Home:
    """A home of imported data with made-up results of all that the study (with some of its models) trades."""
    source = SourceConfig(
        kind="imported",
        description="made-up results",
        vendor="contract",
        absent_columns={"valuation.pcf_ocf_ttm": "no cash flow"},
    )
    home = Home(root, Settings(profile="test", study=study, models=models, source=source, first_session=FIRST))
    dates = home.calendar.between(FIRST, home.calendar.sessions[-1])[: sessions + 1]
    for number, each in enumerate(home.study.traded):
        write_backtest(home, each.name, dates, seed=number)
    for number, forecaster in enumerate(home.study.forecasters):
        write_evaluation(home, forecaster.name, forecaster.horizons, dates[1:], seed=number)
        write_predictions(home, forecaster.name, forecaster.horizons, dates[1:], stocks, seed=number)
    symbols = [f"{600000 + at}.SH" for at in range(stocks)]
    for at, period in enumerate(("2020-01-01", "2020-04-01")):
        rows = {
            "period": np.datetime64(period),
            "symbol": symbols,
            "total_mv": np.arange(1.0, stocks + 1) * 1e9 * (at + 1),
        }
        home.lake.write(UNIVERSE, table_of(pd.DataFrame(rows)), period)
    return home


def write_backtest(home: Home, name: str, dates: np.ndarray, seed: int) -> None:
    """Daily figures with a base, and the holdings of every fifth session."""
    random = np.random.default_rng([1, seed])
    excess, benchmark = random.normal(5e-4, 4e-3, len(dates)), random.normal(0, 1e-2, len(dates))
    excess[0] = benchmark[0] = np.nan
    daily = pd.DataFrame(
        {
            "date": pd.to_datetime(dates),
            "return": benchmark + excess,
            "benchmark_return": benchmark,
            "excess_return": excess,
            "net_value": np.nan_to_num(1 + benchmark + excess, nan=1.0).cumprod(),
            "excess_net_value": np.nan_to_num(1 + excess, nan=1.0).cumprod(),
            "turnover": 0.06,
            "cost": 1e-4,
        }
    )
    home.lake.write(backtest_table(name), table_of(daily))
    held = []
    for date in dates[1::5]:
        chosen = random.choice(STOCKS, HELD, replace=False)
        symbols = [f"{600000 + at}.SH" for at in sorted(chosen)]
        held.append(pd.DataFrame({"date": pd.Timestamp(date), "symbol": symbols, "weight": 1 / HELD}))
    home.lake.write(backtest_table(name, "holdings"), table_of(pd.concat(held)))


def write_evaluation(home: Home, name: str, horizons: Collection[str], dates: np.ndarray, seed: int) -> None:
    """Figures, correlations by session and layers of each horizon."""
    random = np.random.default_rng([2, seed])
    figures = [
        {"horizon": horizon, **dict(zip(FACTOR_FIGURES, random.normal(0.1, 0.02, len(FACTOR_FIGURES)), strict=True))}
        for horizon in horizons
    ]
    home.lake.write(figures_table(name), pa.Table.from_pandas(pd.DataFrame(figures), preserve_index=False))
    by_session, layers = [], []
    for horizon in horizons:
        base = pd.DataFrame({"date": pd.to_datetime(dates), "horizon": horizon})
        rank_ics = {column: random.normal(0.1, 0.1, len(dates)) for column in ("rank_ic", "weighted_rank_ic")}
        by_session.append(base.assign(**rank_ics))
        values = {layer_column(at): 1 + random.normal(1e-3, 1e-3, len(dates)).cumsum() for at in range(10)}
        layers.append(base.assign(**values))
    home.lake.write(sessions_table(name), table_of(pd.concat(by_session)))
    home.lake.write(layers_table(name), table_of(pd.concat(layers)))


def write_predictions(
    home: Home, name: str, horizons: Collection[str], dates: np.ndarray, stocks: int, seed: int
) -> None:
    """Forecasts that have something in common: half of each is the same for all models."""
    common, own = np.random.default_rng(7), np.random.default_rng([3, seed])
    frame = pd.DataFrame(
        {
            "date": np.repeat(pd.to_datetime(dates), stocks),
            "symbol": [f"{600000 + at}.SH" for at in range(stocks)] * len(dates),
        }
    )
    shared = common.normal(size=len(frame))
    for horizon in horizons:
        frame[horizon] = shared + own.normal(size=len(frame))
    home.lake.write_sessions(prediction_table(name), table_of(frame), dates)


def table_of(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table of the lake, its times as dates."""
    dated = {name: frame[name].dt.date for name in frame if frame[name].dtype.kind == "M"}
    return pa.Table.from_pandas(frame.assign(**dated), preserve_index=False)


def own_performance(home: Home, name: str) -> dict[str, float]:
    """The twelve figures of a made-up backtest."""
    daily = home.lake.read(backtest_table(name)).to_pandas()
    return performance_figures(daily.assign(date=pd.to_datetime(daily["date"])), home.study.evaluation)
