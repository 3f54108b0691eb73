"""Prints the tables of docs/results/portfolios.md: two plain factors through weekly portfolios on a home's market.

python docs/make_portfolio_results.py HOME [--start 2010-01-04] [--end 2021-12-31]

The forecast of a stock is the mean of two ranks over all stocks that trade: of its return and of its turnover over the
last 20 sessions, both negative (reversal and low turnover). What is made lies in HOME/backtests.
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from attn_platform.backtest.benchmark import price_returns
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.simulator import run_backtest, targets_from_frame
from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.performance import performance_figures
from attn_platform.market.dense import load_dense, shared_dense
from attn_platform.market.lake import Lake, days
from attn_platform.portfolio.strategy import limits_table, portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.workflows.prediction_backtest import PredictionBacktest, backtest_predictions

LOOKBACK = 20
STRATEGIES = (
    "multi_task_baseline_10d",  # AI-69's original limits
    "temporal_transformer_10d_relaxed",  # its relaxed ones
    "gat_residual",  # AI-55: book-to-price neutral, too
    "csi500_ai_enhanced",
    "csi1000_ai_enhanced",
)
FIRST_WEIGHTS = {"csi1000_ai_enhanced": "2016-01-04"}  # from then on without gaps
OPTIONS: dict[str, BacktestConfig] = {
    "as the studies: fractional shares, 0.2 % a side": BacktestConfig(),
    "no cost": BacktestConfig(cost_per_side=0.0),
    "0.05 % a side and the stamp duty of the day": BacktestConfig(cost_per_side=0.0005, stamp_duty=True),
    "at the open": BacktestConfig(execution_price="open"),
    "buys stocks about to be delisted": BacktestConfig(buy_delisting=True),
    "delisted stocks are worth nothing": BacktestConfig(delisting_recovery=0.0),
    "whole shares, 1e7 CNY": BacktestConfig(whole_shares=True, initial_capital=1e7),
    "whole shares, 1e8 CNY": BacktestConfig(whole_shares=True, initial_capital=1e8),
    "at most 5 % of the volume, 1e9 CNY, dropped": BacktestConfig(volume_cap=0.05, initial_capital=1e9),
    "at most 5 % of the volume, 1e9 CNY, carried": BacktestConfig(
        volume_cap=0.05, initial_capital=1e9, unfilled="carry"
    ),
}
FIGURES = ("excess_annual_return", "tracking_error", "information_ratio", "excess_max_drawdown", "monthly_win_rate")


def main() -> None:
    """Print a row a strategy, then a row an option of the simulator on the first of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--start", default="2010-01-04")
    parser.add_argument("--end", default="2021-12-31")
    arguments = parser.parse_args()
    home = Home.open(arguments.home)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "reversal_and_low_turnover.parquet"
        predictions(home, arguments.start, arguments.end).to_parquet(file, index=False)
        print_strategies(home, file, arguments.start)
    print()
    print_options(home, STRATEGIES[0])
    print(f"\nlargest resident set {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


def predictions(home: Home, start: str, end: str) -> pd.DataFrame:
    """date, symbol, prediction of every stock that trades, on all sessions."""
    first = home.calendar.sessions[home.calendar.position(start) - LOOKBACK]
    fields = ("close", "adj_factor", "turnover_rate", "is_suspended")
    market = load_dense(home.lake, home.calendar, first, end, fields)
    prices = pd.DataFrame(market["close"] * market["adj_factor"])
    reversal = -(prices / prices.shift(LOOKBACK) - 1.0)
    turnover = -pd.DataFrame(market["turnover_rate"]).rolling(LOOKBACK).mean()
    trades = market["is_suspended"] == 0
    ranks = [factor.where(trades).rank(axis=1, pct=True) for factor in (reversal, turnover)]
    forecast = ((ranks[0] + ranks[1]) / 2).to_numpy()[LOOKBACK:]
    row, column = np.nonzero(np.isfinite(forecast))
    return pd.DataFrame(
        {
            "date": market.sessions[LOOKBACK:][row],
            "symbol": market.symbols[column],
            "prediction": forecast[row, column],
        }
    )


def print_strategies(home: Home, file: Path, start: str) -> None:
    """One row a strategy: figures, relaxed weeks, what binds, seconds."""
    print(
        "| strategy | benchmark | weeks | relaxed | " + " | ".join(each.replace("_", " ") for each in FIGURES), end=""
    )
    print(" | two-sided turnover | turnover binds | style binds | industries that bind | seconds |")
    print("|---|---|" + "---|" * (len(FIGURES) + 7))
    for strategy in STRATEGIES:
        started = time.perf_counter()
        found = backtest_predictions(home, file, strategy, strategy, max(start, FIRST_WEIGHTS.get(strategy, start)))
        seconds = time.perf_counter() - started
        cells = [f"`{strategy}`", found.benchmark, str(found.weeks), str(found.relaxed_weeks)]
        cells += [*figures_of(found.figures), f"{found.figures['annual_two_sided_turnover']:.1f}"]
        cells += [*binding(home, found, strategy), f"{seconds:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def figures_of(figures: dict[str, float]) -> list[str]:
    """The figures as text: a ratio with two digits, the others in percent."""
    return [f"{figures[name]:.2f}" if name.endswith("ratio") else f"{figures[name]:.1%}" for name in FIGURES]


def binding(home: Home, found: PredictionBacktest, strategy: str) -> list[str]:
    """Shares of the weeks in which turnover and any style bind, and the mean number of industries that do."""
    states = made(home, strategy).read(limits_table(strategy)).to_pandas()
    states["binds"] = states["price"].abs() > 0
    weeks = states.groupby(["date", "kind"])["binds"].agg(["any", "sum"]).unstack(fill_value=0)
    share = {kind: float(weeks["any"][kind].sum() / found.weeks) for kind in ("turnover", "style")}
    return [f"{share['turnover']:.0%}", f"{share['style']:.0%}", f"{weeks['sum']['industry'].mean():.1f}"]


def print_options(home: Home, strategy: str) -> None:
    """One row an option, on the same target portfolios."""
    lake = made(home, strategy)
    targets = lake.read(portfolio_table(strategy), columns=["date", "symbol", "weight"]).to_pandas()
    targets = targets_from_frame(targets[targets["weight"] > 0].assign(date=lambda each: pd.to_datetime(each["date"])))
    last = days(lake.read(backtest_table(strategy), columns=["date"])["date"])[-1]
    market = shared_dense(lake, home.calendar, min(targets), last, BACKTEST_FIELDS)
    benchmark = price_returns(lake, market, home.study.benchmark)
    print("| simulator | " + " | ".join(each.replace("_", " ") for each in FIGURES), end="")
    print(" | cost a year | cash | blocked or capped trades | of all | delistings | sessions a second |")
    print("|---|" + "---|" * (len(FIGURES) + 6))
    for name, config in OPTIONS.items():
        started = time.perf_counter()
        result = run_backtest(targets, market, benchmark, config)
        seconds = time.perf_counter() - started
        figures = performance_figures(result.daily, home.study.evaluation)
        years = len(result.daily) / home.study.evaluation.sessions_per_year
        stopped = int((result.trades["is_blocked"] | (result.trades["unfilled_weight"] != 0)).sum())
        cells = [name, *figures_of(figures), f"{result.daily['cost'].sum() / years:.2%}"]
        cells += [f"{result.daily['cash_share'].iloc[2:].mean():.2%}", f"{stopped:,}", f"{len(result.trades):,}"]
        cells += [str(len(result.delistings)), f"{len(result.daily) / seconds:,.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def made(home: Home, strategy: str) -> Lake:
    """The lake of a strategy's backtest, on top of the home's."""
    return Lake(home.backtests / strategy / "lake", beneath=home.lake)


if __name__ == "__main__":
    main()
