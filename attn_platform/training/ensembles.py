"""Ensembles: the equal mean of several models' predictions (AI-69, exhibits 34 and 35)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake


@dataclass(frozen=True)
class MemberPredictions:
    """Where a member's predictions lie: the table, and the column of its horizon."""

    table: str
    horizon: str


def write_ensemble(
    lake: Lake, sessions: np.ndarray, members: Sequence[MemberPredictions], column: str, table: str
) -> None:
    """Write the members' mean for each session, on the stocks that all of them predict.

    Columns: date, symbol, `column` (float32, as the members' own). `MissingDataError` names the member and the session
    that it has not predicted; nothing is written then.
    """
    for member in members:
        absent = np.setdiff1d(sessions, lake.sessions(member.table))
        if len(absent):
            raise MissingDataError(
                f"an ensemble is asked for on {sessions[0]} to {sessions[-1]}, but '{member.table}' lacks {absent[0]} "
                f"and {len(absent) - 1} more sessions; predict them first"
            )
    for session in sessions:
        columns = [
            lake.read(member.table, session, session, ["symbol", member.horizon]).to_pandas().set_index("symbol")
            for member in members
        ]
        symbols = reduce(pd.Index.intersection, (frame.index for frame in columns)).sort_values()
        values = np.column_stack([frame.loc[symbols].to_numpy(dtype=np.float64) for frame in columns])
        data = {
            "date": pa.array(np.full(len(symbols), session), type=pa.date32()),
            "symbol": pa.array(symbols, type=pa.string()),
            column: values.mean(axis=1).astype(np.float32),
        }
        lake.write(table, pa.table(data), session)
