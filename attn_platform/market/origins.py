"""What the rows of a computed table come from: a hash for each column or rule, kept in the file of each session.

A table whose definition changed holds rows of both definitions until every session is made again. Whoever reads it says
what it expects, and is told of the first session that is something else. Files that keep no hashes are taken as they
are: they were written before there were any, or by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attn_platform.errors import StaleDataError
from attn_platform.market.lake import Lake

_KEY = b"attn_platform.origins"
_MOST_NAMED = 5


def with_origins(data: pa.Table, origins: Mapping[str, str]) -> pa.Table:
    """`data` with the hashes that its files shall keep."""
    kept = json.dumps(dict(origins), sort_keys=True, ensure_ascii=False).encode()
    return data.replace_schema_metadata({**(data.schema.metadata or {}), _KEY: kept})


def origins_of(lake: Lake, table: str, session: np.datetime64) -> dict[str, str] | None:
    """The hashes that the session's file keeps; None where it keeps none."""
    kept = (pq.read_schema(lake.path(table, session)).metadata or {}).get(_KEY)
    return None if kept is None else json.loads(kept)


def require_origins(
    lake: Lake, table: str, sessions: np.ndarray, origins: Mapping[str, str], after: str | None = None
) -> None:
    """`StaleDataError` where a session of `table` was made of something else than `origins` say.

    What is not named in `origins` may be anything; an empty hash stands for what was missing. `after` names what must
    be made again before the table is.
    """
    if not origins:
        return
    differing: dict[np.datetime64, list[str]] = {}
    for session in sessions:
        held = origins_of(lake, table, session)
        names = [] if held is None else [name for name, wanted in origins.items() if held.get(name, "") != wanted]
        if names:
            differing[session] = names
    if differing:
        first, last = next(iter(differing)), next(reversed(differing))
        names = differing[first]
        named = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" * (len(names) > _MOST_NAMED))
        raise StaleDataError(
            f"'{table}' of {first} ({len(differing)} of {len(sessions)} sessions) was made before a change of {named}; "
            f"materialise {f'{after}, then ' if after else ''}{table} from {first} to {last} again"
        )
