"""Forecasts made outside of the platform: files that are checked row by row, and brought into the lake.

A file is Parquet or CSV with the columns date, symbol and one for each horizon, under these or other tools' names
(`column_names`); a file of a single horizon may call it `prediction`. Other columns are left out, and so are rows
without a forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import BadInputError, MissingDataError
from attn_platform.market.calendar import Calendar, Day, as_day
from attn_platform.market.column_names import FORECAST_NAMES
from attn_platform.market.conform import conform
from attn_platform.market.inspection import Inspection
from attn_platform.market.lake import Lake, days
from attn_platform.market.schema import DATE, FLOAT, Column, Table, symbol_column
from attn_platform.market.user_tables import read_user_table

PREDICTION = "prediction"


def forecast_contract(horizons: Sequence[str]) -> Table:
    """What a file of forecasts must hold."""
    unit = "a forecast, or nothing where there is none"
    return Table(
        name="predictions",
        title="Forecasts",
        columns=(
            Column("date", DATE, "session"),
            symbol_column(),
            *(Column(horizon, FLOAT, unit, nullable=True) for horizon in horizons),
        ),
        key=("date", "symbol"),
        by_session=True,
        dates=("date",),
    )


def read_forecasts(
    path: Path,
    horizons: Sequence[str],
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
) -> pa.Table:
    """Forecasts of a file from session `first` to `last`: date, symbol and the horizons, by date and symbol.

    `BadInputError` names file, row and column of the first fault: what cannot be read, a column that lacks, a date that
    is no session or has no bars in the lake, a stock that the lake does not know, two rows of one key, a forecast that
    is no finite number. `MissingDataError` where the lake has no market to trade on.
    """
    table = forecast_contract(horizons)
    names = {horizons[0]: FORECAST_NAMES} if len(horizons) == 1 else {}
    checked = conform(read_user_table(path, table, names), table, str(path), calendar)
    _check_market(checked, lake, str(path), first, last)
    has_one = pc.is_valid(checked[horizons[0]])
    for horizon in horizons[1:]:
        has_one = pc.or_(has_one, pc.is_valid(checked[horizon]))
    chosen = checked.filter(pc.and_(has_one, _inside(checked, first, last)))
    if chosen.num_rows == 0:
        wanted = "" if first is None and last is None else f" from {first or 'the start'} to {last or 'the end'}"
        raise BadInputError(
            f"{path}: column '{horizons[0]}' holds no forecast{wanted} (its dates: {_range(checked)}); fill the "
            "column, or choose other dates"
        )
    return chosen.sort_by([(name, "ascending") for name in table.key])


def import_forecasts(lake: Lake, table: str, forecasts: pa.Table) -> dict[str, int]:
    """Write forecasts to a table of the lake, all sessions or none; returns rows by session."""
    sessions = np.unique(days(forecasts["date"]))
    with lake.staging() as stage:
        return stage.write_sessions(table, forecasts, sessions)


def _check_market(forecasts: pa.Table, lake: Lake, source: str, first: Day | None, last: Day | None) -> None:
    """`BadInputError` for the first row whose stock or session the lake does not have."""
    bars = lake.sessions("daily_bar")
    if not len(bars):
        raise MissingDataError(
            f"the lake {lake.root} has no daily_bar, the market to trade on; import it (attn import) or simulate it "
            "(attn run)"
        )
    known = pc.is_in(forecasts["symbol"], value_set=lake.read("security", columns=["symbol"])["symbol"])
    inspection = Inspection("predictions", source)
    inspection.require(
        known, forecasts, ("symbol",), "a stock of table security", "drop the stock's rows, or import the stock"
    )
    is_traded = pc.is_in(forecasts["date"], value_set=pa.array(bars, type=DATE))
    held = f"a session of table daily_bar ({bars[0]} to {bars[-1]})"
    remedy = f"import its bars, or leave it out (--start {bars[0]} --end {bars[-1]})"
    outside = pc.invert(_inside(forecasts, first, last))
    inspection.require(pc.or_(is_traded, outside), forecasts, ("date",), held, remedy)


def _inside(forecasts: pa.Table, first: Day | None, last: Day | None) -> pa.ChunkedArray:
    """Whether each row's date lies in the range asked for."""
    date = forecasts["date"]
    lower = pa.scalar((as_day(first) if first is not None else np.datetime64("0001-01-01")).item(), DATE)
    upper = pa.scalar((as_day(last) if last is not None else np.datetime64("9999-12-31")).item(), DATE)
    return pc.and_(pc.greater_equal(date, lower), pc.less_equal(date, upper))


def _range(forecasts: pa.Table) -> str:
    ends = pc.min_max(forecasts["date"]).as_py()
    return f"{ends['min']} to {ends['max']}"
