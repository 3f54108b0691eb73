"""The backtest: target weights executed by the exchange's rules, session by session, in whole fen and shares."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.backtest.account import Account
    from attn_platform.backtest.config import BacktestConfig
    from attn_platform.backtest.mix import MixConfig, mix_backtests
    from attn_platform.backtest.simulator import BacktestResult, run_backtest
    from attn_platform.backtest.store import backtest_table, write_backtest, write_mix

__all__ = [
    "Account",
    "BacktestConfig",
    "BacktestResult",
    "MixConfig",
    "backtest_table",
    "mix_backtests",
    "run_backtest",
    "write_backtest",
    "write_mix",
]
__getattr__ = lazy_attributes(__name__)
