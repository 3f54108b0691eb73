"""What reports say beyond backtests: seeds and capacity, which take seconds to compute, and all that was tried.

Tables: `seeds_<model>` (forecasts of each seed on the rebalances), `robustness_<strategy>_seeds` (their figures)
and `robustness_<strategy>_trades` (the account at which each trade takes its share of the volume).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.store import backtest_table
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.robustness import seed_figures, sharpe_of, trade_capacities
from attn_platform.evaluation.store import robustness_tables
from attn_platform.market.lake import Lake
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import prediction_table
from attn_platform.studies.places import LAKE
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.training.seed_predictions import seed_column, seeds_table, write_seed_predictions
from attn_platform.workflows.evaluation import measured_predictions
from attn_platform.workflows.portfolios import rebalances
from attn_platform.workflows.training import model_training

MEAN = "mean"
SEED_COLUMNS = ("seed", "rank_ic_mean", "rank_icir", "top_excess_return")
NO_SEEDS = pd.DataFrame({name: pd.Series(dtype="str" if name == "seed" else "float64") for name in SEED_COLUMNS})


@dataclass(frozen=True)
class Robustness:
    """Figures of each seed (`SEED_COLUMNS`; empty without seeds), and the capacity of each trade."""

    seeds: pd.DataFrame
    trades: pd.DataFrame


def forecast_seeds(home: Home, model: ModelConfig) -> np.ndarray:
    """Forecast the rebalances with each seed of a model, those that are not in the lake yet; returns them."""
    table = prediction_table(model.name)
    sessions = np.intersect1d(rebalances(home), home.lake.sessions(table))
    return write_seed_predictions(model_training(home, model), sessions, table)


def measure_robustness(home: Home, config: StrategyConfig | StrategyMixConfig) -> Robustness:
    """Figures of the seeds of a strategy's model and capacities of its trades; writes both tables.

    A mix has no seeds. `MissingDataError` where the backtest is not in the lake, or, of a model, its seeds' forecasts.
    """
    seeds = NO_SEEDS if isinstance(config, StrategyMixConfig) else _seeds(home, config)
    robustness = Robustness(seeds, _trades(home, config.name))
    for table, frame in zip(robustness_tables(config.name), (robustness.seeds, robustness.trades), strict=True):
        home.lake.write(table, pa.Table.from_pandas(frame, preserve_index=False))
    return robustness


def tried(home: Home) -> pd.DataFrame:
    """Everything that was tried on the home's market: strategies, mixes, `attn backtest`.

    Columns: strategy, sessions, sharpe (of daily excess returns, of one session).
    """
    lakes = {each.name: home.lake for each in home.study.traded}
    for folder in sorted(home.backtests.glob("*")):
        lakes |= {f"{folder.name} (backtests)": Lake(folder / LAKE)}
    rows = []
    for name, lake in lakes.items():
        table = backtest_table(name.removesuffix(" (backtests)"))
        if lake.has(table):
            excess = lake.read(table, columns=["excess_return"])["excess_return"].to_numpy()[1:]
            rows.append({"strategy": name, "sessions": len(excess), "sharpe": sharpe_of(excess)})
    return pd.DataFrame(rows, columns=["strategy", "sessions", "sharpe"])


def _seeds(home: Home, config: StrategyConfig) -> pd.DataFrame:
    """Figures of each seed on the rebalances, and of the forecast that is traded, their mean."""
    study = home.study
    model = next((model for model in study.models if model.name == config.model), None)
    if model is None:  # an ensemble or imported forecasts, which have no seeds of their own
        return NO_SEEDS
    predictions = measured_predictions(home, model)
    realised = predictions.returns(study.evaluation_horizon)
    is_rebalance = np.isin(predictions.market.sessions, home.lake.sessions(seeds_table(model.name)))
    forecasts = {MEAN: np.where(is_rebalance[:, None], predictions.dense(config.horizon), np.nan)}
    for seed in model.seeds:
        tasks = [
            predictions.aligned(seeds_table(model.name), seed_column(task, seed)) for task in config.horizon.split("+")
        ]
        forecasts[str(seed)] = np.mean(tasks, axis=0)
    rows = [
        {"seed": seed, **seed_figures(values, realised, study.evaluation_horizon, study.evaluation)}
        for seed, values in forecasts.items()
    ]
    return pd.DataFrame(rows, columns=list(SEED_COLUMNS))


def _trades(home: Home, name: str) -> pd.DataFrame:
    """Capacities; what several parts of a mix trade of a stock in a session takes its volume together."""
    rows = home.lake.read(backtest_table(name, "trades")).to_pandas()
    trades = rows[["date", "symbol", "traded_weight"]]
    if "part" in rows:
        trades = trades["traded_weight"].abs().groupby([trades["date"], trades["symbol"]]).sum().reset_index()
    sessions = np.unique(trades["date"].to_numpy().astype("datetime64[D]"))
    bars = home.lake.read_sessions("daily_bar", sessions, ["date", "symbol", "amount"])
    if bars is None:
        raise MissingDataError(f"daily_bar has none of the sessions that {name} traded in; import them")
    return trade_capacities(trades, bars.to_pandas(), home.study.evaluation.robustness.volume_share)
