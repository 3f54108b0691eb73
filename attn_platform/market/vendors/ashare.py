"""Importer of the `ashare` file set: the whole A-share market from 2000 on, prices in fen, a file a year.

The set has rows for traded sessions only, market values as shares, ratios as integers × 10,000, Shenwan industries with
a map to the five sectors of AI-55, and index memberships without weights. Conversions, each a choice of ours:

- a suspended session gets a row (see `market.suspensions`); a stock that is gone has none after its last trade;
- vwap is amount / volume, held within the day's low and high (a handful of rows of 2000 and 2001 lie outside);
- price limits come from the exchange's rules, since the set has none;
- index weights are float market values over the members' sum (they reproduce the index's daily return with a
  correlation of 0.99 or better), on sessions on which the set knows the members;
- bars of an index begin on the day on which it was first published: earlier ones were computed backwards;
- dividend_12m is the trailing yield times market value; a stock with a known P/B and no yield paid none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from attn_platform.errors import SourceError
from attn_platform.market import contract, trading_rules
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.contract import DATE, FLOAT, TEXT, Table, conform, reject
from attn_platform.market.dense import dense_array
from attn_platform.market.lake import Lake, days, from_columns
from attn_platform.market.suspensions import carry, last_traded_row, suspended_cells
from attn_platform.market.vendors import ashare_files
from attn_platform.market.vendors.base import Accept, ImportReport, accept_all, bounds
from attn_platform.market.vendors.derived import average_price, price_limits
from attn_platform.market.vendors.files import existing_folder, read_source

FEN = 100.0
RATIO_SCALE = 1e4
PERCENT_SCALE = 1e6
SCHEME = "sw_l1"
ABSENT_TABLES = {
    "consensus": "the ashare files hold no analyst consensus",
    "fundamental": "the ashare files hold no statements",
    "minute_bar": "the ashare files hold no minute bars",
    "transaction": "the ashare files hold no trades",
    "book_snapshot": "the ashare files hold no order books",
}
ABSENT_COLUMNS = {"valuation.pcf_ocf_ttm": "the ashare files hold no operating cash flow"}
FIELDS = (
    "open_fen", "high_fen", "low_fen", "close_fen", "pre_close_fen", "volume", "amount", "adj_factor",
    "total_shares", "float_shares", "trading_status", "pe_ttm_e4", "pb_e4", "dv_ttm_e4",
)  # fmt: skip
# What a suspended session takes over from the last traded one.
CARRIED = (
    "close_fen", "adj_factor", "total_shares", "float_shares", "trading_status", "pe_ttm_e4", "pb_e4", "dv_ttm_e4",
)  # fmt: skip


@dataclass(frozen=True)
class _Stocks:
    """Static facts of the stocks, sorted by symbol; `board` is the position in the contract's list."""

    symbols: np.ndarray
    board: np.ndarray
    listed: np.ndarray
    last_trade: np.ndarray


@dataclass(frozen=True)
class _Year:
    """One year's file as arrays [T, N] in the file's units, suspended sessions filled; NaN where a stock has no row."""

    sessions: np.ndarray
    fields: dict[str, np.ndarray]
    suspended: np.ndarray
    previous_close: np.ndarray


def import_ashare(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    accept: Accept = accept_all,
) -> ImportReport:
    """Import the file set in `folder`; errors name its own files, rows and columns, and leave the lake as it was.

    Years before `first` are read too, for what they carry into suspensions; years after `last` are not.
    """
    start, end = bounds(calendar, first, last)
    years = sorted(existing_folder(existing_folder(folder) / "daily").glob("[0-9][0-9][0-9][0-9].parquet"))
    if not years:
        raise SourceError(f"{folder / 'daily'}: holds no YYYY.parquet; give the folder that holds daily/")
    security = _source(folder / "security.parquet", ashare_files.SECURITY, calendar)
    industry = _source(folder / "sw_industry.parquet", ashare_files.INDUSTRY, calendar)
    member = _source(folder / "index_member.parquet", ashare_files.MEMBER, calendar)
    index_bar = _published(_source(folder / "index_bar.parquet", contract.INDEX_BAR, calendar))
    sector = _source(folder / "sw_sector_map.csv", ashare_files.SECTOR, calendar)
    mapped = pc.is_in(industry["sw_l1"], value_set=sector["sw_l1"].combine_chunks())
    reject(
        mapped, industry, ("sw_l1",), str(folder / "sw_industry.parquet"), "a code of sw_sector_map.csv", "add it there"
    )

    rows = dict.fromkeys(("security", "industry", "daily_bar", "valuation", "index_bar", "index_weight"), 0)
    covered: list[np.datetime64] = []
    with lake.staging() as stage:
        for name, table in (("security", _security(security)), ("industry", _industry(industry, sector))):
            rows[name] = stage.write(name, conform(table, contract.TABLES[name], f"{name} of {folder}", calendar))
        stocks = _stocks(security)
        carried = {name: np.full(len(stocks.symbols), np.nan) for name in CARRIED}
        wanted = [path for path in years if np.datetime64(path.stem) <= end]
        with tqdm(wanted, desc="importing years", unit="year", disable=None) as bar:
            for path in bar:
                source = _source(path, ashare_files.DAILY, calendar)
                _check_daily(source, security, path)
                year = _filled_year(source, stocks, carried)
                carried = {name: year.fields[name][-1] for name in CARRIED}
                held = year.sessions[(year.sessions >= start) & (year.sessions <= end)]
                if not len(held):
                    continue
                covered.extend(held)
                tables = {
                    **_bars_and_values(year, stocks, calendar),
                    "index_weight": _index_weight(year, stocks, member),
                }
                for name, data in tables.items():
                    if data.num_rows:
                        data = conform(data, contract.TABLES[name], f"{name} of {path}", calendar)
                        rows[name] += _stage(stage, name, data, held)
                rows["index_bar"] += _stage(stage, "index_bar", index_bar, held)
        if not covered:
            raise SourceError(f"{folder}: holds no session from {start} to {end}; choose other dates")
        accept(stage)
    return ImportReport(
        vendor="ashare",
        description="real A-share data (ashare files)",
        rows=rows,
        first_session=str(covered[0]),
        last_session=str(covered[-1]),
        industry_scheme=SCHEME,
        absent_tables=ABSENT_TABLES,
        absent_columns=ABSENT_COLUMNS,
    )


def _source(path: Path, table: Table, calendar: Calendar) -> pa.Table:
    return conform(read_source(path, table), table, str(path), calendar)


def _check_daily(source: pa.Table, security: pa.Table, path: Path) -> None:
    """What only this file's name and the list of stocks can tell."""
    in_year = pc.equal(pc.year(source["date"]), int(path.stem))
    reject(in_year, source, ("date",), str(path), f"a date of {path.stem}", "move the row to the file of its year")
    known = pc.is_in(source["symbol"], value_set=security["symbol"].combine_chunks())
    reject(known, source, ("symbol",), str(path), "a symbol of security.parquet", "add it there")


def _stage(stage: Lake, name: str, data: pa.Table, sessions: np.ndarray) -> int:
    """Stage those of `sessions` for which `data` has rows."""
    present = sessions[np.isin(sessions, days(data["date"]))]
    return sum(stage.write_sessions(name, data, present).values())


def _security(source: pa.Table) -> pa.Table:
    frame = source.to_pandas()
    gone = pd.to_datetime(frame["last_trade_if_gone"])
    return pa.table(
        {
            "symbol": source["symbol"],
            "name": source["name"],
            "board": pa.array(trading_rules.board_of(frame["symbol"].to_numpy())),
            "list_date": pc.coalesce(source["list_date"], source["first_trade"]),
            "delist_date": pa.array(gone + pd.Timedelta(days=1), type=pa.timestamp("ns")).cast(DATE),
        }
    )


def _industry(source: pa.Table, sector: pa.Table) -> pa.Table:
    """Spells of one level-1 industry; the source has a row for each change at any level."""
    frame = source.to_pandas().sort_values(["symbol", "in_date"])
    frame = frame[frame["sw_l1"] != frame.groupby("symbol")["sw_l1"].shift()]
    sector_of = dict(zip(sector["sw_l1"].to_pylist(), sector["sector"].to_pylist(), strict=True))
    return pa.table(
        {
            "symbol": pa.array(frame["symbol"], type=TEXT),
            "scheme": pa.array([SCHEME] * len(frame)),
            "code": pa.array(frame["sw_l1"], type=TEXT),
            "name": pa.array(frame["sw_l1_name"], type=TEXT),
            "sector": pa.array(frame["sw_l1"].map(sector_of), type=TEXT),
            "in_date": pa.array(frame["in_date"], type=DATE),
            "out_date": pa.array(frame.groupby("symbol")["in_date"].shift(-1), type=DATE, from_pandas=True),
        }
    )


def _published(bars: pa.Table) -> pa.Table:
    """Index bars from each index's publication on, in order."""
    for index, facts in ashare_files.INDICES.items():
        early = pc.and_(pc.equal(bars["index"], index), pc.less(pc.cast(bars["date"], TEXT), facts.published))
        bars = bars.filter(pc.invert(early))
    return bars.sort_by([("date", "ascending"), ("index", "ascending")])


def _stocks(security: pa.Table) -> _Stocks:
    frame = security.to_pandas().sort_values("symbol")
    symbols = frame["symbol"].to_numpy(dtype=str)
    last_trade = pd.to_datetime(frame["last_trade_if_gone"]).to_numpy().astype("datetime64[D]")
    return _Stocks(
        symbols=symbols,
        board=np.array([contract.BOARDS.index(board) for board in trading_rules.board_of(symbols)]),
        listed=pd.to_datetime(frame["list_date"].fillna(frame["first_trade"])).to_numpy().astype("datetime64[D]"),
        last_trade=np.where(np.isnat(last_trade), np.datetime64("2200-01-01"), last_trade),
    )


def _filled_year(source: pa.Table, stocks: _Stocks, carried: dict[str, np.ndarray]) -> _Year:
    """The year with suspended sessions filled; `carried` [N] holds each stock's last traded values before it."""
    sessions = np.unique(days(source["date"]))
    fields = _dense_fields(source, sessions, stocks)
    traded = ~np.isnan(fields["close_fen"])
    row = last_traded_row(traded)
    row_before = np.vstack([np.zeros_like(row[:1]), row[:-1]])
    previous_close = carry(fields["close_fen"], carried["close_fen"], row_before)
    began = ~np.isnan(carried["close_fen"])
    ended = np.searchsorted(sessions, stocks.last_trade, side="right") - 1
    suspended = suspended_cells(traded, began, ended)
    for name in CARRIED:
        fields[name] = np.where(traded | suspended, carry(fields[name], carried[name], row), np.nan)
    return _Year(sessions, fields, suspended, previous_close)


def _dense_fields(source: pa.Table, sessions: np.ndarray, stocks: _Stocks) -> dict[str, np.ndarray]:
    code = pc.index_in(source["symbol"], value_set=pa.array(stocks.symbols.tolist(), type=TEXT))
    status = pc.index_in(source["trading_status"], value_set=pa.array(contract.TRADING_STATUSES))
    row, column = np.searchsorted(sessions, days(source["date"])), code.to_numpy()
    keep, shape = np.ones(len(row), dtype=bool), (len(sessions), len(stocks.symbols))
    columns = {name: status if name == "trading_status" else source[name] for name in FIELDS}
    return {
        name: dense_array(values.cast(FLOAT).to_numpy(), row, column, keep, shape) for name, values in columns.items()
    }


def _bars_and_values(year: _Year, stocks: _Stocks, calendar: Calendar) -> dict[str, pa.Table]:
    """Tables daily_bar and valuation of one year, all its sessions."""
    row, column = np.nonzero(~np.isnan(year.fields["close_fen"]))
    cells = {name: values[row, column] for name, values in year.fields.items()}
    halted, sessions = year.suspended[row, column], year.sessions[row]
    previous_close = year.previous_close[row, column]
    pre_close = np.where(np.isnan(cells["pre_close_fen"]), previous_close, cells["pre_close_fen"]) / FEN
    low, high = cells["low_fen"] / FEN, cells["high_fen"] / FEN
    status = cells["trading_status"].astype(np.int64)
    up_limit, down_limit = price_limits(
        pre_close, stocks.board[column], status, sessions, stocks.listed[column], calendar
    )
    volume = np.where(halted, 0.0, cells["volume"])
    amount = np.where(halted, 0.0, cells["amount"])
    with np.errstate(invalid="ignore", divide="ignore"):
        turnover_rate = np.where(cells["float_shares"] > 0, volume / cells["float_shares"], np.nan)
    total_mv = cells["total_shares"] * cells["close_fen"] / FEN
    paid = np.where(np.isnan(cells["dv_ttm_e4"]) & ~np.isnan(cells["pb_e4"]), 0.0, cells["dv_ttm_e4"])
    key = {"date": sessions, "symbol": stocks.symbols[column]}
    daily_bar = {
        "open": cells["open_fen"] / FEN,
        "high": high,
        "low": low,
        "close": cells["close_fen"] / FEN,
        "pre_close": pre_close,
        "vwap": average_price(amount, volume, low, high),
        "volume": volume,
        "amount": amount,
        "turnover_rate": turnover_rate,
        "adj_factor": cells["adj_factor"],
        "up_limit": up_limit,
        "down_limit": down_limit,
        "is_suspended": halted,
        "trading_status": np.array(contract.TRADING_STATUSES)[status],
    }
    valuation = {
        "total_mv": total_mv,
        "float_mv": cells["float_shares"] * cells["close_fen"] / FEN,
        "pb_lf": cells["pb_e4"] / RATIO_SCALE,
        "pe_ttm": cells["pe_ttm_e4"] / RATIO_SCALE,
        "dividend_12m": paid / PERCENT_SCALE * total_mv,
    }
    return {"daily_bar": from_columns(key | daily_bar), "valuation": from_columns(key | valuation)}


def _index_weight(year: _Year, stocks: _Stocks, member: pa.Table) -> pa.Table:
    """Weights of each index's members on each session on which enough of them have a row."""
    float_value = year.fields["float_shares"] * year.fields["close_fen"]
    parts = [contract.INDEX_WEIGHT.schema.empty_table()]
    for index, spells in member.to_pandas().groupby("index"):
        inside = _membership(spells, year.sessions, stocks.symbols) & ~np.isnan(float_value)
        inside &= (
            inside.sum(axis=1, keepdims=True) >= ashare_files.LEAST_MEMBERS_KNOWN * ashare_files.INDICES[index].members
        )
        held = np.where(inside, float_value, 0.0)
        row, column = np.nonzero(inside)
        parts.append(
            from_columns(
                {
                    "date": year.sessions[row],
                    "index": np.full(len(row), index),
                    "symbol": stocks.symbols[column],
                    "weight": held[row, column] / held.sum(axis=1)[row],
                }
            )
        )
    return pa.concat_tables(parts).sort_by([("date", "ascending"), ("index", "ascending"), ("symbol", "ascending")])


def _membership(spells: pd.DataFrame, sessions: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """[T, N]: whether one of the spells (both ends included) covers the session."""
    known = spells[spells["symbol"].isin(symbols)]
    column = np.searchsorted(symbols, known["symbol"].to_numpy(dtype=str))
    begin = np.searchsorted(sessions, known["start"].to_numpy().astype("datetime64[D]"), side="left")
    end = np.searchsorted(sessions, known["end"].to_numpy().astype("datetime64[D]"), side="right")
    change = np.zeros((len(sessions) + 1, len(symbols)), dtype=np.int32)
    np.add.at(change, (begin, column), 1)
    np.add.at(change, (end, column), -1)
    return change.cumsum(axis=0)[:-1] > 0
