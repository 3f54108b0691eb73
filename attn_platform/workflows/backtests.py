"""Backtests of a home's strategies over all their target portfolios, and of the mixes of them."""

from __future__ import annotations

from attn_platform.backtest.mix import MixResult
from attn_platform.backtest.simulator import BacktestResult
from attn_platform.backtest.store import write_backtest, write_mix
from attn_platform.evaluation.store import predicted_range
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig
from attn_platform.workflows.portfolios import resolve


def backtest_strategy(home: Home, config: StrategyConfig) -> BacktestResult:
    """Trade a strategy's target portfolios up to its last predicted session, and write the tables of the backtest."""
    strategy = resolve(home, config)
    _, last = predicted_range(home.lake, strategy.predictions)
    return write_backtest(
        home.lake,
        home.calendar,
        strategy.name,
        strategy.portfolio_table,
        strategy.benchmark,
        last,
        strategy.backtest,
    )


def backtest_mix(home: Home, config: StrategyMixConfig) -> MixResult:
    """Mix the backtests of strategies, which are in the lake, and write the tables of the mix."""
    first = resolve(home, home.study.strategy(config.parts[0]))
    return write_mix(home.lake, home.calendar, config.name, config.parts, config, first.backtest)
