"""What the attribution of each session was made from (`market.session_origins`): files, and rows of the backtest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.evaluation.account_returns import BacktestFrames
from attn_platform.evaluation.store import attribution_table
from attn_platform.market.lake import Lake
from attn_platform.market.session_origins import leaving_stocks, row_hashes, session_origins
from attn_platform.portfolio.strategy import Strategy
from attn_platform.universe.adjacency import with_timestamps

SESSION_TABLES = ("daily_bar", "valuation", "index_weight")


def origins_table(strategy: str) -> str:
    """Table of the origins: date, origin."""
    return f"{attribution_table(strategy)}_origins"


def attribution_origins(lake: Lake, strategy: Strategy, frames: BacktestFrames, *configurations: str) -> list[str]:
    """[T] origin of each session of a backtest."""
    sessions = frames.sessions
    style_tables = sorted(set(strategy.style_tables.values()))
    parts = [lake.versions(table, sessions) for table in (*SESSION_TABLES, strategy.predictions, *style_tables)]
    of_backtest = (frames.daily, frames.trades, frames.holdings, frames.delistings)
    parts += [row_hashes(frame, "date", sessions) for frame in of_backtest]
    parts.append(["signal" if is_signal else "" for is_signal in np.isin(sessions, frames.signals)])
    parts += [row_hashes(rows, date, sessions) for rows, date in _industries(lake, strategy.industry_scheme)]
    parts.append(row_hashes(leaving_stocks(lake), "delist_date", sessions))
    own = (strategy.benchmark, strategy.horizon, strategy.industry_scheme, *strategy.styles)
    models = (strategy.preprocessing.model_dump_json(), strategy.backtest.model_dump_json(), *configurations)
    return session_origins(sessions, (*own, *models), parts)


def _industries(lake: Lake, scheme: str) -> Iterator[tuple[pd.DataFrame, str]]:
    """What the industries say, and the column of the day from which on it holds."""
    industry = lake.read("industry").to_pandas()
    industry = with_timestamps(industry[industry["scheme"] == scheme])
    yield industry[["symbol", "name", "in_date"]], "in_date"
    yield industry.loc[industry["out_date"].notna(), ["symbol", "in_date", "out_date"]], "out_date"
