"""Importer of the `ashare` file set: the whole A-share market from 2000 on, prices in fen, a file a year.

The set has rows for traded sessions only, market values as shares, ratios as integers × 10,000, Shenwan industries with
a map to the five sectors of AI-55, and index memberships without weights. Conversions, each a choice of ours:

- a suspended session gets a row (see `market.suspensions`);
- vwap is amount / volume, held within the day's low and high (a handful of rows of 2000 and 2001 lie outside);
- price limits come from the exchange's rules, since the set has none;
- index weights are float market values over the members' sum (they reproduce the index's daily return with a
  correlation of 0.99 or better);
- dividend_12m is the trailing yield times market value; a stock with a known P/B and no yield paid none.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from attn_platform.errors import SourceError
from attn_platform.market import contract, trading_rules
from attn_platform.market.calendar import Calendar
from attn_platform.market.contract import DATE, FLOAT, INTEGER, TEXT, Column, RowRule, Table, conform
from attn_platform.market.dense import dense_array
from attn_platform.market.lake import Lake, days, from_columns
from attn_platform.market.suspensions import carry_forward, suspended_cells
from attn_platform.market.vendors.base import ImportReport, existing_folder
from attn_platform.market.vendors.contract_files import read_source

logger = logging.getLogger(__name__)

FEN = 100.0
RATIO_SCALE = 1e4
PERCENT_SCALE = 1e6
SCHEME = "sw_l1"


def _fen(name: str, nullable: bool = False) -> Column:
    return Column(name, INTEGER, "0.01 CNY", nullable=nullable, above=0)


def _ordered(greater: str, less: str) -> RowRule:
    def holds(data: pa.Table) -> pa.Array:
        return pc.greater_equal(data[greater], data[less])

    return RowRule(greater, f"{greater} >= {less}", "correct the bar at its source", holds)


SYMBOL = Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ", pattern=contract.SYMBOL_PATTERN)

SOURCE_DAILY = Table(
    name="daily",
    title="Traded sessions, a file a year",
    columns=(
        SYMBOL,
        Column("date", DATE, "session"),
        _fen("open_fen"),
        _fen("high_fen"),
        _fen("low_fen"),
        _fen("close_fen"),
        _fen("pre_close_fen", nullable=True),
        Column("volume", INTEGER, "shares", above=0),
        Column("amount", INTEGER, "CNY", minimum=0),
        Column("adj_factor", FLOAT, "cumulative factor", above=0),
        Column("total_shares", INTEGER, "shares", above=0),
        Column("float_shares", INTEGER, "shares; 0 for the first days of a depositary receipt", minimum=0),
        Column("trading_status", TEXT, "status", values=contract.TRADING_STATUSES),
        Column("pe_ttm_e4", INTEGER, "P/E × 10,000", nullable=True),
        Column("pb_e4", INTEGER, "P/B × 10,000", nullable=True),
        Column("dv_ttm_e4", INTEGER, "dividend yield in percent × 10,000", nullable=True, minimum=0),
    ),
    key=("date", "symbol"),
    by_session=False,
    dates=("date",),
    rules=(
        _ordered("high_fen", "low_fen"),
        _ordered("high_fen", "open_fen"),
        _ordered("high_fen", "close_fen"),
        _ordered("open_fen", "low_fen"),
        _ordered("close_fen", "low_fen"),
    ),
)
SOURCE_SECURITY = Table(
    name="security",
    title="Stocks",
    columns=(
        SYMBOL,
        Column("name", TEXT, "name", nullable=True),
        Column("list_date", DATE, "listing", nullable=True),
        Column("first_trade", DATE, "first traded day"),
        Column("last_trade_if_gone", DATE, "last traded day", nullable=True),
    ),
    key=("symbol",),
    by_session=False,
)
SOURCE_MEMBER = Table(
    name="index_member",
    title="Index memberships, both ends included",
    columns=(
        Column("index", TEXT, "index"),
        # T00018.SH, the former Shanghai Port Container, is the one symbol of another form; it has no daily rows.
        Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ", pattern=r"^[\dT]\d{5}\.(SH|SZ|BJ)$"),
        Column("start", DATE, "first day"),
        Column("end", DATE, "last day"),
    ),
    key=("index", "symbol", "start"),
    by_session=False,
    rules=(RowRule("end", "end >= start", "correct the interval", lambda t: pc.greater_equal(t["end"], t["start"])),),
)
SOURCE_INDUSTRY = Table(
    name="sw_industry",
    title="Shenwan industries from a date on",
    columns=(
        SYMBOL,
        Column("in_date", DATE, "first day"),
        Column("sw_code", TEXT, "full code"),
        Column("sw_l1", TEXT, "level-1 code"),
        Column("sw_l1_name", TEXT, "level-1 name"),
    ),
    key=("symbol", "in_date"),
    by_session=False,
)
SOURCE_SECTOR = Table(
    name="sw_sector_map",
    title="Shenwan level 1 to the five sectors",
    columns=(
        Column("sw_l1", TEXT, "level-1 code"),
        Column("sw_l1_name", TEXT, "name"),
        Column("name_en", TEXT, "English name"),
        Column("sector", TEXT, "sector"),
    ),
    key=("sw_l1",),
    by_session=False,
)

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


def import_ashare(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
) -> ImportReport:
    """Import the file set in `folder`; errors name its own files, rows and columns, and leave the lake as it was."""
    folder = existing_folder(folder)
    years = sorted(existing_folder(folder / "daily").glob("[0-9][0-9][0-9][0-9].parquet"))
    if not years:
        raise SourceError(f"{folder / 'daily'}: holds no YYYY.parquet; give the folder that holds daily/")
    security = _source(folder / "security.parquet", SOURCE_SECURITY, calendar)
    industry = _source(folder / "sw_industry.parquet", SOURCE_INDUSTRY, calendar)
    member = _source(folder / "index_member.parquet", SOURCE_MEMBER, calendar)
    index_bar = _index_bar(folder / "index_bar.parquet", calendar)
    sector = _source(folder / "sw_sector_map.csv", SOURCE_SECTOR, calendar)

    rows = dict.fromkeys(("security", "industry", "daily_bar", "valuation", "index_bar", "index_weight"), 0)
    covered: list[np.datetime64] = []
    with lake.staging() as stage:
        rows["security"] = stage.write("security", _security(security, calendar)).rows
        rows["industry"] = stage.write("industry", _industry(industry, sector, calendar)).rows
        stocks = _stocks(security)
        carried = {name: np.full(len(stocks.symbols), np.nan) for name in CARRIED}
        for path in tqdm(years, desc="importing years", unit="year"):
            source = _source(path, SOURCE_DAILY, calendar)
            sessions = np.unique(days(source["date"]))
            fields = _dense_year(source, sessions, stocks, path)
            began = ~np.isnan(carried["close_fen"])
            suspended = suspended_cells(
                ~np.isnan(fields["close_fen"]), began, np.searchsorted(sessions, stocks.last_trade, side="right") - 1
            )
            previous_close = carry_forward(
                np.vstack([carried["close_fen"][None], fields["close_fen"][:-1]]), carried["close_fen"]
            )
            for name in CARRIED:
                filled = carry_forward(fields[name], carried[name])
                carried[name] = filled[-1]
                fields[name] = np.where(suspended, filled, fields[name])
            keep = (sessions >= (first if first is not None else sessions[0])) & (
                sessions <= (last if last is not None else sessions[-1])
            )
            if not keep.any():
                continue
            tables = _contract_tables(fields, suspended, previous_close, sessions, stocks, calendar)
            float_value = fields["float_shares"] * fields["close_fen"]
            tables["index_weight"] = _index_weights(float_value, sessions, stocks, member)
            held = sessions[keep]
            covered.extend(held)
            for name, data in tables.items():
                if data.num_rows:
                    rows[name] += _stage(stage, name, conform(data, contract.TABLES[name], str(path), calendar), held)
            rows["index_bar"] += _stage(stage, "index_bar", index_bar, held)
        if not covered:
            raise SourceError(f"{folder}: holds no session from {first} to {last}; choose other dates")
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


def _stage(stage: Lake, name: str, data: pa.Table, sessions: np.ndarray) -> int:
    """Stage those of `sessions` for which `data` has rows."""
    present = sessions[np.isin(sessions, days(data["date"]))]
    return sum(written.rows for written in stage.write_sessions(name, data, present).values())


def _source(path: Path, table: Table, calendar: Calendar) -> pa.Table:
    return conform(read_source(path, table), table, str(path), calendar)


def _security(source: pa.Table, calendar: Calendar) -> pa.Table:
    frame = source.to_pandas()
    gone = pd.to_datetime(frame["last_trade_if_gone"])
    table = pa.table(
        {
            "symbol": source["symbol"],
            "name": source["name"],
            "board": pa.array(trading_rules.board_of(frame["symbol"].to_numpy())),
            "list_date": pc.coalesce(source["list_date"], source["first_trade"]),
            "delist_date": pa.array(gone + pd.Timedelta(days=1), type=pa.timestamp("ns")).cast(DATE),
        }
    )
    return conform(table, contract.SECURITY, "security.parquet", calendar)


def _industry(source: pa.Table, sector: pa.Table, calendar: Calendar) -> pa.Table:
    frame = source.to_pandas().sort_values(["symbol", "in_date"])
    frame = frame[frame["sw_l1"] != frame.groupby("symbol")["sw_l1"].shift()]
    to_sector = dict(zip(sector["sw_l1"].to_pylist(), sector["sector"].to_pylist(), strict=True))
    unmapped = sorted(set(frame["sw_l1"]) - set(to_sector))
    if unmapped:
        raise SourceError(f"sw_sector_map.csv: column 'sw_l1' lacks the code {unmapped[0]}; add it with its sector")
    table = pa.table(
        {
            "symbol": pa.array(frame["symbol"], type=TEXT),
            "scheme": pa.array([SCHEME] * len(frame)),
            "code": pa.array(frame["sw_l1"], type=TEXT),
            "name": pa.array(frame["sw_l1_name"], type=TEXT),
            "sector": pa.array(frame["sw_l1"].map(to_sector), type=TEXT),
            "in_date": pa.array(frame["in_date"], type=DATE),
            "out_date": pa.array(frame.groupby("symbol")["in_date"].shift(-1), type=DATE, from_pandas=True),
        }
    )
    return conform(table, contract.INDUSTRY, "sw_industry.parquet", calendar)


def _index_bar(path: Path, calendar: Calendar) -> pa.Table:
    data = read_source(path, contract.INDEX_BAR)
    bars = conform(data, contract.INDEX_BAR, str(path), calendar)
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


def _dense_year(source: pa.Table, sessions: np.ndarray, stocks: _Stocks, path: Path) -> dict[str, np.ndarray]:
    code = pc.index_in(source["symbol"], value_set=pa.array(stocks.symbols.tolist(), type=TEXT))
    if code.null_count:
        at = pc.index(pc.is_null(code), True).as_py()
        raise SourceError(
            f"{path}: row {at + 1}, column 'symbol': {source['symbol'][at].as_py()} is not in security.parquet; add it"
        )
    row = np.searchsorted(sessions, days(source["date"]))
    column = code.combine_chunks().to_numpy()
    status = pc.index_in(source["trading_status"], value_set=pa.array(contract.TRADING_STATUSES))
    keep = np.ones(len(row), dtype=bool)
    shape = (len(sessions), len(stocks.symbols))
    columns = {name: status if name == "trading_status" else source[name] for name in FIELDS}
    return {
        name: dense_array(values.cast(FLOAT).combine_chunks().to_numpy(zero_copy_only=False), row, column, keep, shape)
        for name, values in columns.items()
    }


def _contract_tables(
    fields: dict[str, np.ndarray],
    suspended: np.ndarray,
    previous_close: np.ndarray,
    sessions: np.ndarray,
    stocks: _Stocks,
    calendar: Calendar,
) -> dict[str, pa.Table]:
    row, column = np.nonzero(~np.isnan(fields["close_fen"]))
    cells = {name: values[row, column] for name, values in fields.items()}
    halted = suspended[row, column]
    pre_close = np.where(np.isnan(cells["pre_close_fen"]), previous_close[row, column], cells["pre_close_fen"]) / FEN
    low, high = (np.where(halted, np.nan, cells[name] / FEN) for name in ("low_fen", "high_fen"))
    status = cells["trading_status"].astype(np.int64)
    positions = np.searchsorted(calendar.sessions, sessions)
    listed = np.searchsorted(calendar.sessions, stocks.listed)
    up_ratio, down_ratio = trading_rules.limit_ratio(
        stocks.board[column], sessions[row], status, positions[row] - listed[column]
    )
    up_limit, down_limit = trading_rules.limit_prices(pre_close, up_ratio, down_ratio)
    volume = np.where(halted, 0.0, cells["volume"])
    amount = np.where(halted, 0.0, cells["amount"])
    with np.errstate(invalid="ignore", divide="ignore"):
        vwap = np.clip(amount / volume, low, high)
        turnover_rate = np.where(cells["float_shares"] > 0, volume / cells["float_shares"], np.nan)
    total_mv = cells["total_shares"] * cells["close_fen"] / FEN
    pays = np.where(np.isnan(cells["dv_ttm_e4"]) & ~np.isnan(cells["pb_e4"]), 0.0, cells["dv_ttm_e4"])
    key = {"date": sessions[row], "symbol": stocks.symbols[column]}
    daily_bar = from_columns(
        {
            **key,
            "open": np.where(halted, np.nan, cells["open_fen"] / FEN),
            "high": high,
            "low": low,
            "close": cells["close_fen"] / FEN,
            "pre_close": pre_close,
            "vwap": vwap,
            "volume": volume,
            "amount": amount,
            "turnover_rate": turnover_rate,
            "adj_factor": cells["adj_factor"],
            "up_limit": up_limit,
            "down_limit": down_limit,
            "is_suspended": halted,
            "trading_status": np.array(contract.TRADING_STATUSES)[status],
        }
    )
    valuation = from_columns(
        {
            **key,
            "total_mv": total_mv,
            "float_mv": cells["float_shares"] * cells["close_fen"] / FEN,
            "pb_lf": cells["pb_e4"] / RATIO_SCALE,
            "pe_ttm": cells["pe_ttm_e4"] / RATIO_SCALE,
            "dividend_12m": pays / PERCENT_SCALE * total_mv,
        }
    )
    return {"daily_bar": daily_bar, "valuation": valuation}


def _index_weights(float_value: np.ndarray, sessions: np.ndarray, stocks: _Stocks, member: pa.Table) -> pa.Table:
    """Weights of each index's members on each session; `float_value` [T, N] is NaN where a stock has no row."""
    spells = member.to_pandas()
    parts = []
    for index, rows in spells.groupby("index"):
        inside = _membership(rows, sessions, stocks.symbols) & ~np.isnan(float_value)
        held = np.where(inside, float_value, 0.0)
        total = held.sum(axis=1)
        row, column = np.nonzero(inside)
        parts.append(
            from_columns(
                {
                    "date": sessions[row],
                    "index": np.full(len(row), index),
                    "symbol": stocks.symbols[column],
                    "weight": held[row, column] / total[row],
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
