"""Backtest of a strategy from the lake to the lake.

Tables: `backtest_<strategy>` (daily figures), and `backtest_<strategy>_trades`, `…_holdings`, `…_delistings` and
`…_dividends`. Beside them lie the last states of the accounts (`…_states`) and the origins of the sessions
(`…_origins`, `market.session_origins`): as long as these are the same a backtest goes on from where it ended, and a new
week reads a week's market.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.account import Account
from attn_platform.backtest.benchmark import benchmark_returns
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MIX_FIELDS, MixConfig, MixPart, MixResult, mix_backtests
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.simulator import BacktestResult, BacktestState, Begun, run_backtest, targets_from_frame
from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import shared_dense
from attn_platform.market.lake import Lake
from attn_platform.market.session_origins import (
    kept_sessions,
    leaving_stocks,
    row_hashes,
    session_origins,
    write_origins,
)

PARTS = ("trades", "holdings", "delistings", "dividends")
MIXED_PARTS = ("trades", "holdings", "delistings")


def backtest_table(strategy: str, part: str | None = None) -> str:
    """Table of a strategy's daily figures, or of one of `PARTS`."""
    return f"backtest_{strategy}" if part is None else f"backtest_{strategy}_{part}"


def backtest_tables(strategy: str) -> tuple[str, ...]:
    """All tables of a strategy's backtest."""
    return tuple(backtest_table(strategy, part) for part in (None, *PARTS))


def kept_tables(strategy: str) -> tuple[str, str]:
    """Tables of the states and of the origins that a backtest goes on from."""
    return backtest_table(strategy, "states"), backtest_table(strategy, "origins")


def write_backtest(
    lake: Lake,
    calendar: Calendar,
    strategy: str,
    portfolios: str,
    benchmark: str,
    last: np.datetime64,
    config: BacktestConfig,
) -> BacktestResult:
    """Backtest all target portfolios of table `portfolios` up to session `last`, and write its tables.

    Sessions whose origins are as they were stay; the result is that of a backtest from the first target, bit for bit.
    """
    states, table = kept_tables(strategy)
    sessions = calendar.between(_first_target(lake, portfolios), last)
    origins = _origins(lake, portfolios, benchmark, sessions, config)
    begun = _begun(lake, strategy, sessions[: kept_sessions(lake, table, sessions, origins)], config)
    first = sessions[0] if begun is None else begun.state.session
    market = shared_dense(lake, calendar, first, last, BACKTEST_FIELDS)
    returns = benchmark_returns(lake, market, benchmark, config)
    targets = targets_from_frame(_targets(lake, portfolios, first))
    result = run_backtest(targets, market, returns, config, until=last, begun=begun)
    write_origins(lake, table, sessions[:0], [])  # of what is half written there are none
    _write(lake, strategy, result)
    lake.write(states, pa.Table.from_pylist([_state_record(state) for state in result.states]))
    write_origins(lake, table, sessions, origins)
    return result


def _first_target(lake: Lake, portfolios: str) -> np.datetime64:
    """Session of the first target; `MissingDataError` where there is none."""
    held = lake.sessions(portfolios)
    if not len(held):
        raise MissingDataError(f"the lake {lake.root} has no '{portfolios}'; materialise the portfolios first")
    return np.datetime64(held[0], "D")


def _targets(lake: Lake, portfolios: str, first: np.datetime64) -> pd.DataFrame:
    """Targets from a session on: date, symbol, weight."""
    held = lake.sessions(portfolios)
    rows = lake.read_sessions(portfolios, held[held >= first], ["date", "symbol", "weight"])
    if rows is None:
        return pd.DataFrame({"date": pd.to_datetime([]), "symbol": [], "weight": []})
    targets = rows.to_pandas()
    targets["date"] = pd.to_datetime(targets["date"])
    return targets[targets["weight"] > 0]


def _origins(lake: Lake, portfolios: str, benchmark: str, sessions: np.ndarray, config: BacktestConfig) -> list[str]:
    """[T] what the account after each session was made from. A target is of the session after it, which trades it."""
    targets = lake.versions(portfolios, sessions)
    of_benchmark = ("index_bar",) if config.benchmark_return == "price" else ("index_bar", "index_weight")
    parts = [
        ["", *targets[:-1]],
        *(lake.versions(table, sessions) for table in ("daily_bar", *of_benchmark)),
        row_hashes(leaving_stocks(lake), "delist_date", sessions),
    ]
    return session_origins(sessions, (portfolios, benchmark, config.model_dump_json()), parts)


def _begun(lake: Lake, strategy: str, kept: np.ndarray, config: BacktestConfig) -> Begun | None:
    """The backtest up to the last state that lies in the `kept` sessions; None where there is none.

    Dividends of an index are inferred from factors and weights that may lie before the state: with them it begins anew.
    """
    states, _ = kept_tables(strategy)
    is_whole = all(map(lake.has, (states, *backtest_tables(strategy))))
    if not len(kept) or config.benchmark_return != "price" or not is_whole:
        return None
    records = [row for row in lake.read(states).to_pylist() if np.datetime64(row["session"]) <= kept[-1]]
    if not records:
        return None
    newest = max(records, key=lambda row: row["session"])
    state = BacktestState(*(Account.from_record(json.loads(newest[name])) for name in ("account", "unrecovered")))
    frames = (_frame(lake, backtest_table(strategy, part)) for part in (None, *PARTS))
    return Begun(state, *(frame[frame["date"] <= pd.Timestamp(state.session)] for frame in frames))


def _state_record(state: BacktestState) -> dict[str, str]:
    accounts = {"account": state.account, "unrecovered": state.unrecovered}
    return {"session": str(state.session), **{name: json.dumps(each.to_record()) for name, each in accounts.items()}}


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
