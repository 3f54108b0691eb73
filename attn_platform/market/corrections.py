"""Corrections: values that an import brings in place of others, and sessions that come after later ones.

Table `correction` of the lake has one row a value: an import enters what it changes, and both come into force at the
same moment. What came as it was is no correction and changes nothing, whichever library has encoded it. The files of
the table are by day of the import; tables that are records of imports themselves are left out.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import EXCHANGE_ZONE, Day
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake, Stage
from attn_platform.market.lake.files import count_rows, read_files
from attn_platform.market.lake.layout import WHOLE
from attn_platform.market.schema import Table

TABLE = "correction"
CHANGED, ADDED, REMOVED, LATE = "changed", "added", "removed", "late"
SCHEMA = pa.schema(
    [
        pa.field("imported", pa.timestamp("s", tz=EXCHANGE_ZONE.key)),
        pa.field("table", pa.string()),
        pa.field("session", pa.date32()),  # null: of a table without sessions
        pa.field("symbol", pa.string()),  # null where the key has none
        pa.field("item", pa.string()),  # the rest of the key: "index=000905.SH"
        pa.field("column", pa.string()),  # null of a session that came late
        pa.field("change", pa.string()),  # changed; added, removed: the whole row; late: the whole session
        pa.field("before", pa.string()),
        pa.field("after", pa.string()),  # of a session that came late its number of rows
    ]
)
_SEPARATOR = "\x1f"  # stands in no key


def record_corrections(stage: Stage, now: datetime) -> pa.Table:
    """Enter what an import changes into table `correction`, and take out of the import what came as it was.

    Returns the rows entered: `SCHEMA`, by table, session, symbol and column.
    """
    parts = []
    for table, key, before, after in list(stage.replaced()):
        if table not in TABLES:
            continue
        rows = _between(TABLES[table], before, after)
        if rows is None:
            continue
        if rows.num_rows == 0:
            stage.keep(table, key)
        parts.append(_dated(rows, table, key, now))
    for table, key, is_late in list(stage.added()):
        if is_late and table in TABLES:
            rows = _late_session(count_rows(stage.path(table, key)))
            parts.append(_dated(rows, table, key, now))
    found = pa.concat_tables([SCHEMA.empty_table(), *parts])
    found = found.sort_by([(name, "ascending") for name in ("table", "session", "symbol", "item", "column")])
    if found.num_rows:
        today = np.datetime64(now.date(), "D")
        earlier = stage.read_sessions(TABLE, [today])
        stage.write(TABLE, found if earlier is None else pa.concat_tables([earlier.cast(SCHEMA), found]), today)
    return found


def read_corrections(
    lake: Lake, since: Day | None = None, table: str | None = None, session: Day | None = None
) -> pd.DataFrame:
    """Corrections by imports from day `since` on, newest import first; of one table, of one session where given."""
    if not lake.has(TABLE) or not len(lake.sessions(TABLE, since)):
        return SCHEMA.empty_table().to_pandas()
    frame = lake.read(TABLE, since).cast(SCHEMA).to_pandas()
    if table is not None:
        frame = frame[frame["table"] == table]
    if session is not None:
        frame = frame[frame["session"] == np.datetime64(session).item()]
    return frame.sort_values("imported", ascending=False, kind="stable", ignore_index=True)


def changed_sessions(corrections: pd.DataFrame) -> dict[str, list[str]]:
    """Sessions (YYYY-MM-DD) that corrections are about, by table; "" for a table without sessions."""
    keys = corrections["session"].map(lambda day: "" if pd.isna(day) else str(day))
    return {str(table): sorted(set(of_table)) for table, of_table in keys.groupby(corrections["table"])}


def corrected_sessions(lake: Lake, since: Day) -> dict[str, list[str]]:
    """Sessions (YYYY-MM-DD) from `since` on that imports have corrected or that came after later ones, by table."""
    if not lake.has(TABLE) or not len(lake.sessions(TABLE, since)):  # no import is before the sessions that it corrects
        return {}
    found = lake.read(TABLE, since, columns=["table", "session"]).to_pandas().dropna().drop_duplicates()
    found["session"] = found["session"].astype(str)
    return changed_sessions(found[found["session"] >= str(since)])


def summary(corrections: pd.DataFrame) -> pd.DataFrame:
    """What was changed of each table and session: rows, values, columns, most values first."""
    frame = corrections.assign(
        session=corrections["session"].astype(object).where(corrections["session"].notna(), ""),
        row=corrections["symbol"].fillna("") + _SEPARATOR + corrections["item"].fillna(""),
    )
    grouped = frame.groupby(["imported", "table", "session"], sort=False)
    found = grouped.agg(
        rows=("row", "nunique"),
        values=("column", "count"),
        columns=("column", lambda names: ", ".join(sorted(set(names.dropna())))),
        change=("change", lambda changes: ", ".join(sorted(set(changes)))),
    ).reset_index()
    return found.sort_values(["imported", "values"], ascending=False, kind="stable", ignore_index=True)


def _between(table: Table, before: Path, after: Path) -> pa.Table | None:
    """Values that differ between two files of a table; None where the former cannot be read, which the import mends."""
    try:
        old, new = _texts(table, read_files([before], None)), _texts(table, read_files([after], None))
    except MissingDataError:
        return None
    keys = old.index.union(new.index)
    change = np.select([~keys.isin(old.index), ~keys.isin(new.index)], [ADDED, REMOVED], CHANGED)
    was, now = (frame.reindex(keys).reset_index(drop=True) for frame in (old, new))
    parts = []
    for column in [*new.columns, *old.columns.difference(new.columns)]:
        first = was[column] if column in was else pd.Series(None, index=now.index, dtype="str")
        second = now[column] if column in now else pd.Series(None, index=was.index, dtype="str")
        differs = ((first != second) & ~(first.isna() & second.isna())).to_numpy()
        if differs.any():
            parts.append(
                pd.DataFrame(
                    {
                        "key": keys[differs],
                        "column": column,
                        "change": change[differs],
                        "before": first[differs].to_numpy(),
                        "after": second[differs].to_numpy(),
                    }
                )
            )
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=["key", "column", "change", "before", "after"])
    return _with_key(table, frame)


def _texts(table: Table, data: pa.Table) -> pd.DataFrame:
    """Values as text by key; the text of a number reads as that number, and only that."""
    columns = {name: _text(data[name]) for name in data.column_names if name not in table.key}
    key = pc.binary_join_element_wise(*(_text(data[name]).fill_null("") for name in _own_key(table)), _SEPARATOR)
    frame = pa.table(columns).to_pandas() if columns else pd.DataFrame(index=range(data.num_rows))
    return frame.set_axis(pd.Index(key.to_numpy(zero_copy_only=False).astype(str)))


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = pc.add(values, 0.0) if pa.types.is_floating(values.type) else values  # −0 is 0
    return plain.cast(pa.string())


def _own_key(table: Table) -> list[str]:
    """The key within one file."""
    return [name for name in table.key if name != "date" or not table.by_session]


def _with_key(table: Table, frame: pd.DataFrame) -> pa.Table:
    """Columns symbol and item in place of the key."""
    names = _own_key(table)
    parts = [str(key).split(_SEPARATOR) for key in frame["key"]]
    known = [dict(zip(names, part, strict=True)) for part in parts]
    items = [", ".join(f"{name}={value}" for name, value in row.items() if name != "symbol") for row in known]
    columns = {
        "symbol": [row.get("symbol") for row in known],
        "item": [item or None for item in items],
        **{name: [None if pd.isna(cell) else str(cell) for cell in frame[name]] for name in frame.columns[1:]},
    }
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _late_session(rows: int) -> pa.Table:
    columns = {"symbol": None, "item": None, "column": None, "change": LATE, "before": None, "after": str(rows)}
    return pa.table({name: pa.array([cell], pa.string()) for name, cell in columns.items()})


def _dated(rows: pa.Table, table: str, key: str, now: datetime) -> pa.Table:
    day = None if key == WHOLE else np.datetime64(key, "D").item()
    first = {
        "imported": pa.array([now] * rows.num_rows, SCHEMA.field("imported").type),
        "table": pa.array([table] * rows.num_rows, pa.string()),
        "session": pa.array([day] * rows.num_rows, pa.date32()),
    }
    return pa.table({**first, **{name: rows[name] for name in rows.column_names}}).select(SCHEMA.names).cast(SCHEMA)
