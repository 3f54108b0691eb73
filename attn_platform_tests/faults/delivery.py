"""What a vendor delivers: the contract's tables as frames, taken from a clean home and written as a vendor's files.

Tables with sessions are a folder with a file a month, the others one file; `security` and `industry` are CSV, the rest
is Parquet. Nothing of the platform's checks of data quality is used here or by the faults planted into a delivery.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from attn_platform.market.lake import Lake

SESSION_TABLES = ("daily_bar", "valuation", "consensus", "index_bar", "index_weight")
WHOLE_TABLES = ("security", "industry", "fundamental")
CSV_TABLES = ("security", "industry")
DATES = ("date", "list_date", "delist_date", "in_date", "out_date", "report_period", "announced")

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Scope:
    """Which part of a home is delivered.

    Of `stocks` (all where None) every one is taken that left the market or changed its status in the range, or that was
    ever in one of `indices` (all where None); the rest is drawn by `seed`.
    """

    first: str
    last: str
    stocks: int | None = None
    indices: tuple[str, ...] | None = None
    seed: int = 0


def delivery_of(lake: Lake, scope: Scope) -> dict[str, pd.DataFrame]:
    """The frames of a home's lake within `scope`, by table, in the contract's columns and units."""
    frames = {}
    for name in (*WHOLE_TABLES, *SESSION_TABLES):
        if lake.has(name):
            bounds = (scope.first, scope.last) if name in SESSION_TABLES else (None, None)
            frames[name] = _frame(lake.read(name, *bounds))
    if scope.indices is not None:
        weight = frames["index_weight"]
        frames["index_weight"] = weight[weight["index"].isin(scope.indices)].reset_index(drop=True)
    kept = _stocks(frames, scope)
    return {
        name: frame[frame["symbol"].isin(kept)].reset_index(drop=True) if "symbol" in frame else frame
        for name, frame in frames.items()
    }


def _stocks(frames: Frames, scope: Scope) -> set[str]:
    bar, security = frames["daily_bar"], frames["security"]
    there = np.unique(bar["symbol"])
    if scope.stocks is None:
        return set(there)
    statuses = bar.groupby("symbol")["trading_status"].nunique()
    gone = security.loc[security["delist_date"].notna() & security["symbol"].isin(there), "symbol"]
    events = {*frames["index_weight"]["symbol"], *statuses.index[statuses > 1], *gone}
    others = np.setdiff1d(there, sorted(events))
    count = min(max(scope.stocks - len(events), 0), len(others))
    return events | set(np.random.default_rng(scope.seed).choice(others, count, replace=False))


def _frame(data: pa.Table) -> pd.DataFrame:
    frame = data.to_pandas(date_as_object=False)
    for name in DATES:
        if name in frame:
            frame[name] = frame[name].astype("datetime64[s]")
    return frame


def month_of(frame: pd.DataFrame) -> pd.Series:
    """The month's file, YYYY-MM, to which each row of a table with sessions belongs."""
    return frame["date"].dt.strftime("%Y-%m")


def write_table(folder: Path, name: str, frame: pd.DataFrame, csv: bool | None = None) -> None:
    """Write one table, a file a month where it has sessions."""
    suffix = ".csv" if (name in CSV_TABLES if csv is None else csv) else ".parquet"
    if name in WHOLE_TABLES:
        _write(folder / f"{name}{suffix}", frame)
        return
    for month, rows in frame.groupby(month_of(frame), sort=True):
        _write(folder / name / f"{month}{suffix}", rows)


def write_delivery(folder: Path, frames: Frames) -> Path:
    """Write all tables; returns the folder."""
    for name, frame in frames.items():
        write_table(folder, name, frame)
    return folder


def link_files(source: Path, target: Path, leave_out: Sequence[str]) -> None:
    """The files of `source` under `target` too (hard links), but for the tables named."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and relative.parts[0].split(".")[0] not in leave_out:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target / relative)


def _write(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pa.Table.from_pandas(frame, preserve_index=False)
    for at, column in enumerate(data.schema):
        # Days without an hour are written as days; an hour or a time zone is part of a fault and stays.
        if column.name in DATES and pa.types.is_timestamp(column.type) and _whole_days(frame[column.name]):
            data = data.set_column(at, column.name, data[column.name].cast(pa.date32()))
    if path.suffix == ".csv":
        pa.csv.write_csv(data, path)
    else:
        pq.write_table(data, path)


def _whole_days(values: pd.Series) -> bool:
    return values.dt.tz is None and bool((values.dropna() == values.dropna().dt.normalize()).all())
