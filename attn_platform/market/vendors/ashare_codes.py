"""One company, one code a day: what the `ashare` set says twice of companies whose code was changed.

The set has their whole history under the new code and, until the change, once more under the former one. The new code's
rows are kept, since its factor goes on over the change; before the change they are the former code's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market.contract import SECURITY
from attn_platform.market.inspection import Inspection
from attn_platform.market.lake import days
from attn_platform.market.vendors.ashare_files import CODE_CHANGES, INDUSTRY, MEMBER, CodeChange

ONE_DAY = pd.Timedelta(days=1)


def known_changes(security: pa.Table) -> tuple[CodeChange, ...]:
    """The changes of which the set's list of stocks has both codes."""
    symbols = set(security["symbol"].to_pylist())
    return tuple(change for change in CODE_CHANGES if {change.former, change.code} <= symbols)


def once(daily: pa.Table, changes: Sequence[CodeChange], inspection: Inspection) -> pa.Table:
    """The set's rows without those of former codes, which the new codes have, too."""
    former = pc.is_in(daily["symbol"], value_set=pa.array([change.former for change in changes], pa.string()))
    return inspection.leave_out(former.to_numpy(), daily)


def under_code_of_the_day(rows: pa.Table, changes: Sequence[CodeChange]) -> pa.Table:
    """Rows by date and symbol, those of new codes before the change under the former ones."""
    symbol, date = rows["symbol"], days(rows["date"])
    for change in changes:
        early = pc.and_(pc.equal(symbol, change.code), pa.array(date < np.datetime64(change.since)))
        symbol = pc.if_else(early, change.former, symbol)
    return rows.set_column(rows.column_names.index("symbol"), "symbol", symbol)


def with_successors(security: pa.Table, changes: Sequence[CodeChange]) -> pa.Table:
    """Table security of the contract: a former code is listed until the change and has a successor."""
    frame = security.to_pandas().set_index("symbol")
    frame["successor"] = None
    for change in changes:
        frame.loc[change.former, ["delist_date", "successor"]] = pd.Timestamp(change.since).date(), change.code
    return pa.Table.from_pandas(frame.reset_index(), schema=SECURITY.schema, preserve_index=False)


def members(member: pa.Table, changes: Sequence[CodeChange]) -> pa.Table:
    """Memberships of the set, each under the code of its days: spells of either code are cut at the change."""
    frame = member.to_pandas(date_as_object=False)
    for change in changes:
        since = pd.Timestamp(change.since)
        ours = frame["symbol"].isin((change.former, change.code))
        before = frame[ours & (frame["start"] < since)].assign(symbol=change.former)
        after = frame[ours & (frame["end"] >= since)].assign(symbol=change.code)
        before["end"], after["start"] = before["end"].clip(upper=since - ONE_DAY), after["start"].clip(lower=since)
        frame = pd.concat([frame[~ours], before, after], ignore_index=True)
    return pa.Table.from_pandas(frame, schema=MEMBER.schema, preserve_index=False)


def industries(industry: pa.Table, changes: Sequence[CodeChange]) -> pa.Table:
    """Industries of the set, the entries of both codes as one history that is cut at the change."""
    frame = industry.to_pandas(date_as_object=False)
    for change in changes:
        since = pd.Timestamp(change.since)
        own, former = (frame[frame["symbol"] == symbol] for symbol in (change.code, change.former))
        history = pd.concat([own, former]).drop_duplicates("in_date").sort_values("in_date")
        before, after = history[history["in_date"] < since], history[history["in_date"] >= since]
        in_force = before.tail(1).assign(in_date=since) if not (after["in_date"] == since).any() else before.head(0)
        parts = [
            before.assign(symbol=change.former),
            in_force.assign(symbol=change.code),
            after.assign(symbol=change.code),
        ]
        frame = pd.concat([frame[~frame["symbol"].isin((change.former, change.code))], *parts], ignore_index=True)
    return pa.Table.from_pandas(frame, schema=INDUSTRY.schema, preserve_index=False)
