"""Importer of the `minute15` file set: 15-minute bars of some hundred stocks, prices in fen, a file a quarter.

Nothing but the bars goes with the set, so the daily bars are their sums and no other table is written. Conversions,
each a choice of ours:

- bars are named by their end (09:45 … 11:30, 13:15 … 15:00); how many trades they hold is not known;
- a stock-day without volume is a suspended one: its placeholder bars are left out, and the daily row is filled in;
- the set has no adjustment factors. An open further below the last close than the price limit allows proves an
  ex-right; the factor then goes on so that the adjusted open is the adjusted last close. Smaller ex-rights and all
  cash dividends below the limit stay in the returns;
- nothing says which stocks are under special treatment: the status is `normal`, and limits are those of normal stocks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import SourceError
from attn_platform.market import contract, intraday, trading_rules
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.conform import conform
from attn_platform.market.day_sums import PRICES, QUANTITIES, day_sums
from attn_platform.market.inspection import Inspection, Journal
from attn_platform.market.lake import Lake, Stage, days
from attn_platform.market.quality.findings import Finding
from attn_platform.market.schema import (
    DATE,
    FLOAT,
    INTEGER,
    MOMENT,
    Column,
    RowRule,
    Table,
    symbol_column,
    within_bar,
)
from attn_platform.market.settle import numbers
from attn_platform.market.vendors.base import ImportReport, bounds, findings_of, stage_records
from attn_platform.market.vendors.completer import Completer
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.factor_base import FactorBase
from attn_platform.market.vendors.files import existing_folder, read_source
from attn_platform.market.vendors.registry import vendor
from attn_platform.market.vendors.summed_days import require_whole_days, stocks_of, summed_bars
from attn_platform.progress import tqdm

BAR_MINUTES = 15
FEN = 100.0
QUARTERS = "[0-9][0-9][0-9][0-9]Q[1-4].parquet"
DERIVED = ("security", "daily_bar", "minute_bar")
ABSENT_TABLES = {
    name: f"the minute15 files hold {what}"
    for name, what in {
        "industry": "no industries",
        "valuation": "no market values",
        "consensus": "no analyst consensus",
        "index_bar": "no indices",
        "index_weight": "no index members",
        "fundamental": "no statements",
        "transaction": "no trades",
        "book_snapshot": "no order books",
    }.items()
}
ABSENT_COLUMNS = {
    "minute_bar.trades": "the minute15 files do not count trades",
    "daily_bar.turnover_rate": "the minute15 files hold no shares outstanding",
}


def _fen(name: str) -> Column:
    return Column(name, INTEGER, "0.01 CNY", above=0)


def _ends_a_bar(bars: pa.Table) -> pa.Array:
    minutes = pc.add(pc.multiply(pc.hour(bars["datetime"]), 60), pc.minute(bars["datetime"]))
    whole = pc.equal(pc.floor_temporal(bars["datetime"], unit="minute"), bars["datetime"])
    return pc.and_(whole, pc.is_in(minutes, value_set=pa.array(intraday.bar_ends(BAR_MINUTES))))


BARS = Table(
    name="minute15",
    title="15-minute bars, a file a quarter",
    columns=(
        symbol_column(),
        Column("datetime", MOMENT, "end of the bar, of the exchange"),
        _fen("open_fen"),
        _fen("high_fen"),
        _fen("low_fen"),
        _fen("close_fen"),
        Column("volume", INTEGER, "shares", minimum=0),
        Column("amount", FLOAT, "CNY", minimum=0),
    ),
    key=("symbol", "datetime"),
    by_session=False,
    rules=(
        *within_bar("_fen"),
        RowRule(
            columns=("datetime",),
            states="the end of a 15-minute bar, 09:45 to 11:30 or 13:15 to 15:00",
            remedy="give the exchange's time (Asia/Shanghai) of the bar's end",
            holds=_ends_a_bar,
        ),
    ),
)
"""Schema of a file, in its own names and units."""


@vendor("minute15")
def import_minute15(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: ImportConfig | None = None,
    quarantine: bool = False,
) -> ImportReport:
    """Import the file set in `folder`; errors name its own files, rows and columns, and leave the lake as it was.

    Files before `first` are read too, for the factors that they carry on. `ConfigurationError` with `quarantine`: a
    day's sums need all of its bars.
    """
    require_whole_days(quarantine, "minute15")
    config = config or ImportConfig()
    start, end = bounds(calendar, first, last)
    paths = sorted(existing_folder(folder).glob(QUARTERS))
    if not paths:
        raise SourceError(f"{folder}: holds no YYYYQn.parquet; give the folder that holds the quarters' files")
    journal, rows = Journal(), dict.fromkeys(DERIVED, 0)
    of_files: list[pa.Table] = []
    with lake.staging() as stage:
        with tqdm(paths, desc="importing quarters", unit="file") as bar:
            for path in bar:
                bars = _bars(path, calendar, journal)
                if of_files and days(bars["date"])[0] <= days(of_files[-1]["date"])[-1]:
                    raise SourceError(
                        f"{path}: session {bars['date'][0]} is not later than those of the file before; keep each "
                        "quarter in its own file"
                    )
                of_files.append(summed_bars(day_sums(bars)))
                held = np.unique(days(bars["date"]))
                rows["minute_bar"] += _write(stage, contract.MINUTE_BAR, bars, held[(held >= start) & (held <= end)])
        everything, gaps = _adjusted(pa.concat_tables(of_files), config.beyond_limit)
        rows["security"] = stage.write("security", stocks_of(everything["symbol"].to_pylist()))
        covered, base = _complete(stage, everything, paths, of_files, (start, end), calendar, config, journal, rows)
        stage_records(stage, lake, covered, DERIVED, base=base)
    return ImportReport(
        vendor="minute15",
        description="real 15-minute bars (minute15 files), without cash dividends",
        rows=rows,
        first_session=str(covered[0]),
        last_session=str(covered[-1]),
        industry_scheme="",
        absent_tables=ABSENT_TABLES,
        absent_columns=ABSENT_COLUMNS,
        findings=[*findings_of(journal), *_gap_findings(gaps, everything.num_rows)],
        is_closed=True,  # it ends with its last file
    )


def _complete(
    stage: Stage,
    everything: pa.Table,
    paths: list[Path],
    of_files: list[pa.Table],
    span: tuple[np.datetime64, np.datetime64],
    calendar: Calendar,
    config: ImportConfig,
    journal: Journal,
    rows: dict[str, int],
) -> tuple[np.ndarray, FactorBase]:
    """Complete and stage the daily bars, file by file; returns the sessions written."""
    base = FactorBase()
    completer = Completer(stage.read("security"), calendar, config, journal, base=base)
    covered: list[np.ndarray] = []
    at = 0
    for path, part in zip(paths, of_files, strict=True):
        own = conform(everything.slice(at, part.num_rows), contract.DAILY_BAR, f"daily sums of {path}", calendar)
        at += part.num_rows
        sessions = np.unique(days(own["date"]))
        inspection = Inspection(contract.DAILY_BAR.name, f"daily sums of {path}", journal=journal)
        bars = completer.bars(own, inspection, sessions)
        covered.append(sessions[(sessions >= span[0]) & (sessions <= span[1])])
        rows["daily_bar"] += _write(stage, contract.DAILY_BAR, bars, covered[-1])
    completer.finish()
    written = np.concatenate(covered)
    if not len(written):
        raise SourceError(f"{paths[0].parent}: holds no session from {span[0]} to {span[1]}; choose other dates")
    return written, base


def _write(stage: Stage, table: Table, data: pa.Table, sessions: np.ndarray) -> int:
    return sum(stage.write_sessions(table.name, data, sessions).values())


def _bars(path: Path, calendar: Calendar, journal: Journal) -> pa.Table:
    """Table minute_bar of a file, in the order of its key; stock-days without volume are left out."""
    inspection = Inspection(BARS.name, str(path), journal=journal)
    data = conform(read_source(path, BARS, inspection=inspection), BARS, str(path), inspection=inspection)
    date = data["datetime"].cast(DATE, safe=False)
    is_session = pc.is_in(date, value_set=pa.array(calendar.sessions, type=DATE))
    inspection.require(is_session, data, ("datetime",), "a session of the exchange", "drop the row or correct its date")
    prices = {name: pa.array(numbers(data[f"{name}_fen"]) / FEN) for name in PRICES}
    bars = pa.table(
        {
            "date": date,
            "symbol": data["symbol"],
            "minute": pc.strftime(data["datetime"], format="%H:%M"),
            **prices,
            **{name: data[name].cast(FLOAT) for name in QUANTITIES},
            "trades": pa.nulls(data.num_rows, FLOAT),
            "bar_minutes": pa.array(np.full(data.num_rows, BAR_MINUTES)),
        },
        schema=contract.MINUTE_BAR.schema,
    ).sort_by([(name, "ascending") for name in contract.MINUTE_BAR.key])
    of_day = day_sums(bars)
    still = np.repeat(numbers(of_day["volume"]) == 0, of_day["rows"].to_numpy())
    journal.add("bars_without_volume", bars, still, contract.MINUTE_BAR.name)
    return bars.filter(pa.array(~still))


def _adjusted(daily: pa.Table, beyond_limit: float) -> tuple[pa.Table, pd.DataFrame]:
    """`daily` with factors that bridge the falls that no price limit allows, and these days: date, symbol, fall."""
    frame = daily.select(["date", "symbol", "open", "close"]).to_pandas()
    board = trading_rules.board_of(frame["symbol"].to_numpy())
    _, down = trading_rules.limit_ratio(board, days(daily["date"]), "normal", LONG_LISTED)
    last_close = frame.groupby("symbol")["close"].shift()
    fall = frame["open"] / last_close - 1
    is_gap = fall < -(down + beyond_limit)
    step = (last_close / frame["open"]).where(is_gap, 1.0)
    factor = step.groupby(frame["symbol"]).cumprod()
    at = daily.column_names.index("adj_factor")
    return (
        daily.set_column(at, "adj_factor", pa.array(factor.to_numpy())),
        frame.assign(fall=fall)[is_gap].reset_index(drop=True),
    )


LONG_LISTED = 10_000
"""Sessions since its listing of a stock whose list date is not known: first sessions without a limit are long over."""


def _gap_findings(gaps: pd.DataFrame, examined: int) -> list[Finding]:
    """What the returns leave out, all of it by name, and what they do not."""
    named = ", ".join(f"{row.symbol} {row.date} ({row.fall:.1%})" for row in gaps.itertuples())
    text = (
        "stock-days open further below the last close than the price limit allows; the overnight return is left out as "
        f"an ex-right: {named}"
        if len(gaps)
        else "stock-days open further below the last close than the price limit allows"
    )
    return [
        Finding(
            check="ex_rights_by_gap",
            table=contract.DAILY_BAR.name,
            severity="note",
            text=f"{text}. Cash dividends and smaller ex-rights stay in the returns",
            remedy="import adjustment factors of another source where they matter",
            count=len(gaps),
            examined=examined,
        )
    ]
