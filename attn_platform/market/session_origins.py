"""What the rows of each session of a computed table were made from, so that a new week is added to what is there.

An origin is a hash over everything that the rows of a session depend on, and over the origin before it: the code and
the configuration, the session's files, and what tables of all times say from that session on. Rows are kept as long as
their origins are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.market.dense import code_successors, delist_dates
from attn_platform.market.lake import Lake
from attn_platform.remembered import source_state

_DIGEST_BYTES = 16
_FOR_EVER = np.datetime64("9999-12-31")


def session_origins(sessions: np.ndarray, configurations: Sequence[str], parts: Sequence[Sequence[str]]) -> list[str]:
    """[T] the origins of sessions from the `parts` [T] that each of them is made from; the package's source counts."""
    return list(_chained([source_state(), *configurations], [sessions.astype(str).tolist(), *parts]))


def row_hashes(frame: pd.DataFrame, date: str, sessions: np.ndarray) -> list[str]:
    """[T] sum of the hashes of the rows that begin to hold with each session; later ones are in none."""
    row = np.searchsorted(sessions, frame[date].to_numpy().astype("datetime64[D]"))
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    sums = np.zeros(len(sessions) + 1, dtype=np.uint64)
    np.add.at(sums, np.minimum(row, len(sessions)), hashes)
    return [f"{value:x}" for value in sums[:-1]]


def leaving_stocks(lake: Lake) -> pd.DataFrame:
    """symbol, successor, delist_date: stocks that are delisted or go on under another code, from that day on."""
    successors = code_successors(lake)
    gone = delist_dates(lake, _FOR_EVER)
    return pd.DataFrame(
        {
            "symbol": list(gone),
            "successor": [successors.get(symbol, "") for symbol in gone],
            "delist_date": np.array(list(gone.values()), dtype="datetime64[s]"),
        }
    )


def kept_sessions(lake: Lake, table: str, sessions: np.ndarray, origins: Sequence[str]) -> int:
    """How many of the first sessions [T] have rows of the same origin in the lake, by the `table` of origins."""
    if not lake.has(table):
        return 0
    stored = lake.read(table).to_pandas()
    count = min(len(stored), len(sessions))
    is_same = stored["origin"].to_numpy(dtype=str)[:count] == np.array(origins[:count], dtype=str)
    return int(np.argmin(np.append(is_same, False)))


def write_origins(lake: Lake, table: str, sessions: np.ndarray, origins: Sequence[str]) -> None:
    """Write the origins of the rows that the lake holds now."""
    lake.write(table, pa.table({"date": pa.array(sessions, pa.date32()), "origin": list(origins)}))


def _chained(first: Sequence[str], parts: Sequence[Sequence[str]]) -> Iterator[str]:
    before = "\n".join(first)
    for texts in zip(*parts, strict=True):
        before = blake2b("\n".join((before, *texts)).encode(), digest_size=_DIGEST_BYTES).hexdigest()
        yield before
