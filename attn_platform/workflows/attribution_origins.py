"""What the attribution of each session was made from, so that a new week is added to what is there.

An origin is a hash over everything that the rows of a session depend on, and over the origin before it: the code and
the configuration, the session's files, the rows of its backtest, and what tables of all times (industries, delistings
and changes of code) say from that session on. Rows are kept as long as their origins are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.evaluation.account_returns import BacktestFrames
from attn_platform.evaluation.store import attribution_table
from attn_platform.market.dense import code_successors, delist_dates
from attn_platform.market.lake import Lake
from attn_platform.portfolio.strategy import Strategy
from attn_platform.remembered import source_state
from attn_platform.universe.adjacency import with_timestamps

SESSION_TABLES = ("daily_bar", "valuation", "index_weight")
_DIGEST_BYTES = 16


def origins_table(strategy: str) -> str:
    """Table of the origins: date, origin."""
    return f"{attribution_table(strategy)}_origins"


def session_origins(lake: Lake, strategy: Strategy, frames: BacktestFrames, *configurations: str) -> list[str]:
    """[T] origin of each session of a backtest."""
    sessions = frames.daily["date"].to_numpy().astype("datetime64[D]")
    style_tables = sorted(set(strategy.style_tables.values()))
    parts = [lake.versions(table, sessions) for table in (*SESSION_TABLES, strategy.predictions, *style_tables)]
    of_backtest = (frames.daily, frames.trades, frames.holdings, frames.delistings)
    parts += [_row_hashes(frame, "date", sessions) for frame in of_backtest]
    parts.append(["signal" if is_signal else "" for is_signal in np.isin(sessions, frames.signals)])
    parts += [_row_hashes(rows, date, sessions) for rows, date in _timeless(lake, strategy.industry_scheme)]
    own = (strategy.benchmark, strategy.horizon, strategy.industry_scheme, *strategy.styles)
    models = (strategy.preprocessing.model_dump_json(), strategy.backtest.model_dump_json(), *configurations)
    return list(_chained([source_state(), *own, *models], parts))


def kept_sessions(lake: Lake, strategy: str, sessions: np.ndarray, origins: Sequence[str]) -> int:
    """How many of the first sessions [T] have rows of the same origin in the lake."""
    table = origins_table(strategy)
    if not lake.has(table):
        return 0
    stored = lake.read(table).to_pandas()
    count = min(len(stored), len(sessions))
    is_same = stored["origin"].to_numpy(dtype=str)[:count] == np.array(origins[:count], dtype=str)
    return int(np.argmin(np.append(is_same, False)))


def write_origins(lake: Lake, strategy: str, sessions: np.ndarray, origins: Sequence[str]) -> None:
    """Write the origins of the rows that the lake holds now."""
    lake.write(origins_table(strategy), pa.table({"date": pa.array(sessions, pa.date32()), "origin": list(origins)}))


def _timeless(lake: Lake, scheme: str) -> Iterator[tuple[pd.DataFrame, str]]:
    """What tables of all times say that figures depend on, and the column of the day from which on it holds."""
    industry = lake.read("industry").to_pandas()
    industry = with_timestamps(industry[industry["scheme"] == scheme])
    yield industry[["symbol", "name", "in_date"]], "in_date"
    yield industry.loc[industry["out_date"].notna(), ["symbol", "in_date", "out_date"]], "out_date"
    successors = code_successors(lake)
    gone = delist_dates(lake, np.datetime64("9999-12-31"))
    yield (
        pd.DataFrame(
            {
                "symbol": list(gone),
                "successor": [successors.get(symbol, "") for symbol in gone],
                "delist_date": np.array(list(gone.values()), dtype="datetime64[s]"),
            }
        ),
        "delist_date",
    )


def _row_hashes(frame: pd.DataFrame, date: str, sessions: np.ndarray) -> list[str]:
    """[T] sum of the hashes of the rows that begin to hold with each session; later ones are in none."""
    row = np.searchsorted(sessions, frame[date].to_numpy().astype("datetime64[D]"))
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    sums = np.zeros(len(sessions) + 1, dtype=np.uint64)
    np.add.at(sums, np.minimum(row, len(sessions)), hashes)
    return [f"{value:x}" for value in sums[:-1]]


def _chained(first: Sequence[str], parts: Sequence[Sequence[str]]) -> Iterator[str]:
    before = "\n".join(first)
    for texts in zip(*parts, strict=True):
        before = blake2b("\n".join((before, *texts)).encode(), digest_size=_DIGEST_BYTES).hexdigest()
        yield before
