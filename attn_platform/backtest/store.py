"""Backtest of a strategy from the lake to the lake.

Tables: `backtest_<strategy>` (daily figures), and `backtest_<strategy>_trades`, `…_holdings`, `…_delistings` and
`…_dividends`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.benchmark import benchmark_returns
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MIX_FIELDS, MixConfig, MixPart, MixResult, mix_backtests
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.simulator import BacktestResult, run_backtest, targets_from_frame
from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import shared_dense
from attn_platform.market.lake import Lake

PARTS = ("trades", "holdings", "delistings", "dividends")
MIXED_PARTS = ("trades", "holdings", "delistings")


def backtest_table(strategy: str, part: str | None = None) -> str:
    """Table of a strategy's daily figures, or of one of `PARTS`."""
    return f"backtest_{strategy}" if part is None else f"backtest_{strategy}_{part}"


def backtest_tables(strategy: str) -> tuple[str, ...]:
    """All tables of a strategy's backtest."""
    return tuple(backtest_table(strategy, part) for part in (None, *PARTS))


def write_backtest(
    lake: Lake,
    calendar: Calendar,
    strategy: str,
    portfolios: str,
    benchmark: str,
    last: np.datetime64,
    config: BacktestConfig,
) -> BacktestResult:
    """Backtest all target portfolios of table `portfolios` up to session `last`, and write its tables."""
    targets = lake.read(portfolios, columns=["date", "symbol", "weight"]).to_pandas()
    targets["date"] = pd.to_datetime(targets["date"])
    targets = targets[targets["weight"] > 0]
    first = targets["date"].min().to_datetime64().astype("datetime64[D]")
    market = shared_dense(lake, calendar, first, last, BACKTEST_FIELDS)
    result = run_backtest(
        targets_from_frame(targets), market, benchmark_returns(lake, market, benchmark, config), config, until=last
    )
    _write(lake, strategy, result)
    return result


def write_mix(
    lake: Lake, calendar: Calendar, name: str, strategies: Sequence[str], mix: MixConfig, config: BacktestConfig
) -> MixResult:
    """Mix the backtests of some strategies, and write the tables of one named `name`, as `write_backtest` does."""
    parts = [
        MixPart(strategy, *(_frame(lake, backtest_table(strategy, part)) for part in (None, *MIXED_PARTS)))
        for strategy in strategies
    ]
    for part in parts:
        if "unrecovered_net_value" not in part.daily:
            table = backtest_table(part.name)
            raise MissingDataError(f"{table} has no column 'unrecovered_net_value'; materialise it again")
    dates = parts[0].daily["date"].to_numpy()
    market = shared_dense(lake, calendar, dates[0], dates[-1], MIX_FIELDS)
    result = mix_backtests(parts, market, mix, config)
    _write(lake, name, result)
    return result


def _write(lake: Lake, strategy: str, result: BacktestResult | MixResult) -> None:
    lake.write(backtest_table(strategy), _table(result.daily))
    for part in PARTS:
        lake.write(backtest_table(strategy, part), _table(getattr(result, part)))


def _frame(lake: Lake, table: str) -> pd.DataFrame:
    frame = lake.read(table).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]).astype("datetime64[s]"))


def _table(frame: pd.DataFrame) -> pa.Table:
    dated = frame.assign(date=pd.to_datetime(frame["date"]).dt.date)
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    schema = schema.set(schema.get_field_index("date"), pa.field("date", pa.date32()))
    return pa.Table.from_pandas(dated, schema=schema, preserve_index=False).replace_schema_metadata(None)
