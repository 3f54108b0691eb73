"""Importer of samples of the exchanges' own data: trades, order books and one-minute bars of a few stock-days.

A folder holds any of `ticks/transactions.parquet`, `ticks/minute_*.parquet` and `level2/book_snapshot.parquet`. Only
what there is gets written; nothing is completed from one day to the next. Conversions, each a choice of ours:

- the aggressor's flag is B or 1 for a buyer, S or 2 for a seller; N or 0 (auctions) is none. The order of trades in
  the file is their sequence;
- of ten levels of a book the contract keeps five; snapshots from before 09:15 and of statuses outside of trading
  (START, CLOSE, ENDTR) are left out, and of several at one time the last one stays;
- a daily bar is the sum of the day's trades, else of its one-minute bars, with its average price; it has no reference
  price and no limits. Days of which there are snapshots alone have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import SourceError
from attn_platform.market import contract, intraday
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.conform import conform
from attn_platform.market.day_sums import PRICES, day_sums
from attn_platform.market.inspection import Inspection, Journal
from attn_platform.market.lake import Lake, days
from attn_platform.market.quality.units import average_price
from attn_platform.market.schema import DATE, FLOAT, INTEGER, TEXT, TIME, Column, Table, symbol_column
from attn_platform.market.settle import numbers, with_column
from attn_platform.market.vendors.base import ImportReport, bounds, findings_of, stage_records
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.files import existing_folder, read_source
from attn_platform.market.vendors.registry import vendor
from attn_platform.market.vendors.summed_days import require_whole_days, stocks_of, summed_bars

TRADES, BARS, BOOK = "ticks/transactions.parquet", "ticks/minute_*.parquet", "level2/book_snapshot.parquet"
FLAGS = {"B": "buy", "1": "buy", "S": "sell", "2": "sell", "N": None, "0": None}
TRADING = ("OCALL", "TRADE", "CCALL")
"""Statuses of the opening auction, continuous trading and the closing auction; Shenzhen's files give none."""
LEVELS_IN_FILE = range(1, 11)
FEN_DIGITS = 2
ABSENT_TABLES = {
    name: f"the exchange's ticks hold {what}"
    for name, what in {
        "industry": "no industries",
        "valuation": "no market values",
        "consensus": "no analyst consensus",
        "index_bar": "no indices",
        "index_weight": "no index members",
        "fundamental": "no statements",
        "minute_bar": "no minute bars",
        "transaction": "no trades",
        "book_snapshot": "no order books",
    }.items()
}
ABSENT_COLUMNS = {
    "minute_bar.trades": "the bars do not count trades",
    "daily_bar.pre_close": "nothing is said of the day before",
    "daily_bar.turnover_rate": "shares outstanding are not known",
    "daily_bar.up_limit": "reference prices are not known",
    "daily_bar.down_limit": "reference prices are not known",
}

TRADE_FILE = Table(
    name="transactions",
    title="Tick-by-tick trades",
    columns=(
        Column("code", TEXT, "exchange and six digits of an A share", is_symbol=True),
        Column("date", DATE, "session"),
        Column("time", TIME, "HH:MM:SS.mmm, of the exchange"),
        Column("price", FLOAT, "CNY", above=0.0),
        Column("qty", INTEGER, "shares", above=0.0),
        Column("buy_no", INTEGER, "order number of the buyer; 0 where it is unknown", minimum=0.0),
        Column("sell_no", INTEGER, "order number of the seller; 0 where it is unknown", minimum=0.0),
        Column("bs", TEXT, "aggressor", nullable=True, values=tuple(FLAGS)),
    ),
    key=("date", "code", "time", "buy_no", "sell_no"),
    by_session=False,
)
BAR_FILE = Table(
    name="minute",
    title="One-minute bars of one stock",
    columns=(
        Column("symbol", INTEGER, "number of the code", minimum=0.0),
        Column("exchange", TEXT, "SZSE or SSE", values=("SZSE", "SSE")),
        Column("cycle", INTEGER, "minutes of a bar"),
        Column("tradingDay", DATE, "session"),
        Column("date", DATE, "day"),
        Column("time", INTEGER, "HHMMSSmmm of the bar's end, of the exchange", minimum=0.0),
        *(Column(name, FLOAT, "CNY") for name in PRICES),
        Column("volume", INTEGER, "shares"),
        Column("turnover", FLOAT, "CNY"),
        Column("unixTime", INTEGER, "ms since 1970", nullable=True, optional=True),
    ),
    key=("tradingDay", "symbol", "time"),
    by_session=False,
)
BOOK_FILE = Table(
    name="book_snapshot",
    title="Snapshots of ten levels",
    columns=(
        Column("date", DATE, "session"),
        symbol_column(),
        Column("time", TIME, "HH:MM:SS.mmm, of the exchange"),
        Column("status", TEXT, "phase of the session", nullable=True),
        Column("last", FLOAT, "CNY", nullable=True),
        Column("volume", FLOAT, "shares since the open", nullable=True),
        Column("amount", FLOAT, "CNY since the open", nullable=True),
        Column("trades", FLOAT, "trades since the open", nullable=True),
        *(
            Column(f"{side}_{what}_{level}", FLOAT, unit, nullable=True, minimum=0.0)
            for side in ("bid", "ask")
            for what, unit in (("price", "CNY"), ("volume", "shares"))
            for level in LEVELS_IN_FILE
        ),
    ),
    key=(),
    by_session=False,
)


@vendor("exchange_ticks")
def import_exchange_ticks(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: ImportConfig | None = None,
    quarantine: bool = False,
) -> ImportReport:
    """Import the samples in `folder`; errors name its own files, rows and columns, and leave the lake as it was.

    `ConfigurationError` with `quarantine`: a day's sums need all of its rows.
    """
    require_whole_days(quarantine, "exchange_ticks")
    start, end = bounds(calendar, first, last)
    existing_folder(folder)
    journal, tables = Journal(), dict[str, pa.Table]()
    bars = [_bars(path, calendar) for path in sorted(folder.glob(BARS))]
    if bars:
        tables["minute_bar"] = _within(pa.concat_tables(bars), contract.MINUTE_BAR.key, start, end)
    if (path := folder / TRADES).exists():
        tables["transaction"] = _within(_trades(path, calendar), ("date", "symbol", "time", "sequence"), start, end)
    if (path := folder / BOOK).exists():
        tables["book_snapshot"] = _within(_snapshots(path, calendar, journal), contract.BOOK_SNAPSHOT.key, start, end)
    if not any(tables[name].num_rows for name in ("minute_bar", "transaction") if name in tables):
        raise SourceError(
            f"{folder}: holds neither {TRADES} nor {BARS} with sessions from {start} to {end}; give the folder that "
            "holds ticks/, or choose other dates"
        )
    tables["daily_bar"] = _daily(tables, calendar, journal)
    symbols = {symbol for data in tables.values() for symbol in pc.unique(data["symbol"]).to_pylist()}
    covered = np.unique(np.concatenate([days(data["date"]) for data in tables.values()]))
    rows = {}
    with lake.staging() as stage:
        rows["security"] = stage.write("security", stocks_of(symbols))
        for name, data in tables.items():
            rows[name] = sum(stage.write_sessions(name, data, np.unique(days(data["date"]))).values())
        stage_records(stage, lake, covered, list(rows))
    return ImportReport(
        vendor="exchange_ticks",
        description="samples of trades, order books and one-minute bars",
        rows=rows,
        first_session=str(covered[0]),
        last_session=str(covered[-1]),
        industry_scheme="",
        absent_tables={name: reason for name, reason in ABSENT_TABLES.items() if name not in rows},
        absent_columns={name: why for name, why in ABSENT_COLUMNS.items() if name.partition(".")[0] in rows},
        findings=findings_of(journal),
        is_closed=True,  # samples of single days
    )


def _within(data: pa.Table, key: tuple[str, ...], start: np.datetime64, end: np.datetime64) -> pa.Table:
    """The rows of the sessions asked for, in the order of `key`."""
    date = days(data["date"])
    return data.filter(pa.array((date >= start) & (date <= end))).sort_by([(name, "ascending") for name in key])


def _trades(path: Path, calendar: Calendar) -> pa.Table:
    """Table transaction of the file."""
    inspection = Inspection(contract.TRANSACTION.name, str(path))
    data = conform(read_source(path, TRADE_FILE, inspection), TRADE_FILE, str(path), inspection=inspection)
    flag = data["bs"].combine_chunks().dictionary_encode()
    side = pa.array([FLAGS[text] for text in flag.dictionary.to_pylist()], TEXT).take(flag.indices)
    place = np.arange(data.num_rows)
    of_day = data.select(["date", "code"]).append_column("place", pa.array(place))
    first = of_day.group_by(["date", "code"]).aggregate([("place", "min")])
    # Left joins keep no order; what they find is put back by the row's place.
    began = of_day.join(first, ["date", "code"]).sort_by("place")["place_min"]
    trades = pa.table(
        {
            **{name: data[name] for name in ("date", "time", "price")},
            "symbol": data["code"],
            "volume": data["qty"].cast(FLOAT),
            "buy_order": data["buy_no"],
            "sell_order": data["sell_no"],
            "side": side,
            "sequence": pa.array(place - began.to_numpy() + 1),
        }
    )
    return conform(trades, contract.TRANSACTION, str(path), calendar)


def _bars(path: Path, calendar: Calendar) -> pa.Table:
    """Table minute_bar of a file."""
    inspection = Inspection(contract.MINUTE_BAR.name, str(path))
    data = conform(read_source(path, BAR_FILE, inspection), BAR_FILE, str(path), inspection=inspection)
    code = pc.utf8_lpad(data["symbol"].cast(TEXT), width=6, padding="0")
    clock = data["time"].to_numpy()
    hour, minute, rest = clock // 10_000_000, clock // 100_000 % 100, clock % 100_000
    inspection.require(rest == 0, data, ("time",), "a whole minute", "give the bar's end")
    bars = pa.table(
        {
            "date": data["tradingDay"],
            "symbol": pc.binary_join_element_wise(code, data["exchange"], "."),
            "minute": pa.array([f"{h:02d}:{m:02d}" for h, m in zip(hour, minute, strict=True)], TEXT),
            **{name: data[name] for name in PRICES},
            "volume": data["volume"].cast(FLOAT),
            "amount": data["turnover"],
            "bar_minutes": data["cycle"],
        }
    )
    return conform(bars, contract.MINUTE_BAR, str(path), calendar)


def _snapshots(path: Path, calendar: Calendar, journal: Journal) -> pa.Table:
    """Table book_snapshot of the file: five levels, one snapshot at a time, of trading hours."""
    inspection = Inspection(contract.BOOK_SNAPSHOT.name, str(path), journal=journal)
    data = conform(read_source(path, BOOK_FILE, inspection), BOOK_FILE, str(path), inspection=inspection)
    early = intraday.milliseconds_of(data["time"]) < intraday.CALL * intraday.MS_A_MINUTE
    said = pc.and_(pc.is_valid(data["status"]), pc.invert(pc.is_in(data["status"], value_set=pa.array(TRADING))))
    outside = early | said.to_numpy()
    journal.add("snapshots_outside_trading", data, outside, contract.BOOK_SNAPSHOT.name, ("time", "status"))
    data = inspection.leave_out(outside, data)
    keys = data.select(list(contract.BOOK_SNAPSHOT.key)).append_column("place", pa.array(np.arange(data.num_rows)))
    last = keys.group_by(list(contract.BOOK_SNAPSHOT.key)).aggregate([("place", "max")])["place_max"]
    earlier = ~np.isin(np.arange(data.num_rows), last.to_numpy())
    journal.add("snapshots_of_one_time", data, earlier, contract.BOOK_SNAPSHOT.name, ("time",))
    data = inspection.leave_out(earlier, data).select(contract.BOOK_SNAPSHOT.schema.names)
    return conform(data, contract.BOOK_SNAPSHOT, str(path), calendar, inspection)


def _daily(tables: Mapping[str, pa.Table], calendar: Calendar, journal: Journal) -> pa.Table:
    """Table daily_bar: sums of the day's trades, of days without any those of its bars."""
    parts = []
    if "transaction" in tables:
        parts.append(day_sums(_as_bars(tables["transaction"])))
        _note_parts(tables["transaction"], parts[0], journal)
    if "minute_bar" in tables:
        of_bars = day_sums(tables["minute_bar"])
        of_bars = of_bars.filter(pc.greater(of_bars["volume"], 0.0))
        parts.append(of_bars.join(parts[0], ["date", "symbol"], join_type="left anti") if parts else of_bars)
    summed = pa.concat_tables([part.select(parts[0].column_names) for part in parts])
    bars = summed_bars(summed.sort_by([("date", "ascending"), ("symbol", "ascending")]))
    amount = np.round(numbers(bars["amount"]), FEN_DIGITS)
    bars = with_column(bars, "amount", pa.array(amount))
    bars = with_column(bars, "vwap", pa.array(average_price(amount, numbers(bars["volume"]))))
    return conform(bars, contract.DAILY_BAR, "daily sums of the trades and bars", calendar)


def _as_bars(trades: pa.Table) -> pa.Table:
    """Each trade as a bar of one price."""
    amount = np.round(numbers(trades["price"]) * numbers(trades["volume"]), FEN_DIGITS)
    columns = trades.select(["date", "symbol", "volume"])
    for name in PRICES:
        columns = columns.append_column(name, trades["price"])
    return columns.append_column("amount", pa.array(amount))


def _note_parts(trades: pa.Table, of_day: pa.Table, journal: Journal) -> None:
    """Note the stock-days whose first trade is no longer of the opening auction, or the last one before the close."""
    minute = intraday.milliseconds_of(trades["time"]) // intraday.MS_A_MINUTE
    ends = np.cumsum(of_day["rows"].to_numpy())
    begins = ends - of_day["rows"].to_numpy()
    is_part = (minute[begins] >= intraday.OPEN) | (minute[ends - 1] < intraday.CLOSE)
    journal.add("parts_of_days", of_day, is_part, contract.DAILY_BAR.name)
