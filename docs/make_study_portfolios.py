"""Trades the forecasts of the trials over their whole test range, and keeps what came out in docs/results/study.

python docs/make_study_portfolios.py HOME [--trials NAME ...] [--out FOLDER]

HOME is that of `make_study_results.py`, with the forecasts that it left there. A trial whose forecasts of all its
windows lie in the home is traded week by week under the limits of its study's strategy (AI-69's on
`multi_task_baseline` for the ridge regressions, whose forecasts are made again where the home lacks them). Kept are the
performance over the whole range (performance.csv), the figures of its forecasts as a factor (factors.csv), and the
curves at each week's last session (curves/<trial>.csv): net value, excess net value, top and bottom layer relative to
the universe. A trial that is there already is made again.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from make_study_results import (
    ALL,
    FOLDER,
    HORIZON,
    STRATEGY,
    TRIALS,
    add_rows,
    model_of,
    study_home,
    tested_sessions,
    write_ridge_forecasts,
)

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import figures_table, read_layers
from attn_platform.market.lake import Lake
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.training.windows import Window, window_of
from attn_platform.workflows import backtest_predictions
from attn_platform.workflows.prediction_backtest import PREDICTION
from attn_platform.workflows.training import model_training
from attn_platform.writing import write_atomically

PERFORMANCE, FACTORS, CURVES = "performance.csv", "factors.csv", "curves"
CURVE_COLUMNS = ("net_value", "excess_net_value")
DIGITS = 5

logger = logging.getLogger(__name__)


def main() -> None:
    """Trade every trial that can be traded."""
    arguments = _arguments()
    home = study_home(arguments.home)
    keys = partitions_of(home).windows.get_partition_keys()[:ALL]
    for name in arguments.trials:
        trial = TRIALS[name]
        if len(trial.windows) < ALL:
            continue
        model = model_of(home, name)
        windows = [window_of(home.calendar, model_training(home, model).windows, key) for key in keys]
        if trial.is_ridge:
            forecast_by_ridge(home, model, windows)
        if lacking := lacking_windows(home, model, windows):
            logger.warning("%s is not traded: the home has no forecasts of %s", name, ", ".join(lacking))
            continue
        trade(home, arguments.out, name, model, windows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--trials", nargs="+", choices=list(TRIALS), default=list(TRIALS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def lacking_windows(home: Home, model: ModelConfig, windows: Sequence[Window]) -> list[str]:
    """Windows of which the lake lacks a forecast of some tested session."""
    held = home.lake.sessions(prediction_table(model.name))
    return [window.key for window in windows if not np.isin(tested_sessions(home, window), held).all()]


def forecast_by_ridge(home: Home, model: ModelConfig, windows: Sequence[Window]) -> None:
    """Fit the regressions of the windows whose forecasts are not in the lake."""
    lacking = set(lacking_windows(home, model, windows))
    task = model_training(home, model)
    for window in windows:
        if window.key in lacking:
            write_ridge_forecasts(task, window, tested_sessions(home, window), prediction_table(model.name))


def strategy_of(home: Home, name: str) -> str:
    """Whose limits, benchmark and costs hold for a trial: AI-55's own for its models, else AI-69's."""
    of_ai55 = {strategy.model: strategy.name for strategy in home.study.strategies}
    return of_ai55.get(TRIALS[name].model, STRATEGY)


def trade(home: Home, out: Path, name: str, model: ModelConfig, windows: Sequence[Window]) -> None:
    """Backtest the forecasts over all windows, and keep performance, factor figures and curves."""
    first, last = windows[0].test_first, tested_sessions(home, windows[-1])[-1]
    horizon = f"{HORIZON}d" if HORIZON in model.labels.horizons else model.tasks[0]
    columns = ["date", "symbol", horizon]
    forecasts = home.lake.read(prediction_table(model.name), first, last, columns).to_pandas()
    strategy, own = strategy_of(home, name), f"whole_{model.name}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecasts.parquet"
        forecasts.rename(columns={horizon: PREDICTION}).to_parquet(path)
        done = backtest_predictions(home, path, strategy, own, last=last)
    traded = Home(home.backtests / own, home.settings).lake
    figures = {figure: round(value, DIGITS) for figure, value in done.figures.items()}
    row = {"trial": name, "strategy": strategy, "first": str(done.first_session), "last": str(done.last_session)}
    row |= {"weeks": done.weeks, "relaxed_weeks": done.relaxed_weeks, "missing_styles": " ".join(done.missing_styles)}
    add_rows(out / PERFORMANCE, pd.DataFrame([{**row, **figures}]), ["trial"])
    of_factor = traded.read(figures_table(own)).to_pandas().drop(columns="horizon").round(DIGITS)
    add_rows(out / FACTORS, of_factor.assign(trial=name), ["trial"])
    write_atomically(out / CURVES / f"{name}.csv", curves(home, traded, own).to_csv(lineterminator="\n"))


def curves(home: Home, lake: Lake, name: str) -> pd.DataFrame:
    """Net values at the last session of each week of a backtest, and of its forecasts' outer layers."""
    daily = lake.read(backtest_table(name)).to_pandas().set_index("date")
    dates, layers = read_layers(lake, name, PREDICTION, home.study.evaluation.layers)
    outer = pd.DataFrame(layers.relative[:, [0, -1]], index=dates, columns=["top_layer", "bottom_layer"])
    daily.index = pd.DatetimeIndex(daily.index)
    joined = daily[list(CURVE_COLUMNS)].join(outer[layers.is_earning])
    return joined.groupby(joined.index.to_period("W")).tail(1).round(DIGITS)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
