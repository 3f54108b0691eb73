"""Small file sets of both vendors, valid as they are, for tests to read or to spoil.

Six sessions across a year's end. In the `ashare` set: 600000.SH trades always; 600001.SH goes ex-right on 2021-01-05;
000001.SZ is suspended on 2020-12-31 and 2021-01-04; 300001.SZ is gone after 2020-12-30; 688001.SH lists on 2021-01-05.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from attn_platform.market.contract import TABLES
from attn_platform.market.schema import Table
from attn_platform.market.vendors import ashare_files

SESSIONS = ("2020-12-29", "2020-12-30", "2020-12-31", "2021-01-04", "2021-01-05", "2021-01-06")
ASHARE_TABLES: dict[str, Table] = {
    "daily/2020.parquet": ashare_files.DAILY,
    "daily/2021.parquet": ashare_files.DAILY,
    "security.parquet": ashare_files.SECURITY,
    "index_member.parquet": ashare_files.MEMBER,
    "index_bar.parquet": TABLES["index_bar"],
    "sw_industry.parquet": ashare_files.INDUSTRY,
    "sw_sector_map.csv": ashare_files.SECTOR,
}
"""Files of the ashare set and their schemas."""

Row = dict[str, Any]


def day(text: str | None) -> datetime.date | None:
    return None if text is None else datetime.date.fromisoformat(text)


def table_of(rows: list[Row], schema: pa.Schema) -> pa.Table:
    """Rows as a table; text dates become dates, what a row does not name is null."""
    dates = {field.name for field in schema if field.type == pa.date32()}
    typed = [{name: day(cell) if name in dates else cell for name, cell in row.items()} for row in rows]
    return pa.Table.from_pylist(typed, schema=schema)


def source_bar(symbol: str, date: str, close: int, **changes: object) -> Row:
    """A traded session of the ashare set: one fen of range about `close`, 1,000 shares at the close."""
    return {
        "symbol": symbol, "date": date, "open_fen": close, "high_fen": close + 1, "low_fen": close - 1,
        "close_fen": close, "pre_close_fen": None, "volume": 1_000, "amount": close * 10, "adj_factor": 1.0,
        "total_shares": 2_000_000, "float_shares": 1_000_000, "trading_status": "normal",
        "pe_ttm_e4": 100_000, "pb_e4": 15_000, "dv_ttm_e4": 20_000, **changes,
    }  # fmt: skip


def ashare_rows() -> dict[str, list[Row]]:
    """Rows of each file of the ashare set."""
    daily = [
        *(source_bar("600000.SH", date, 1000 + at) for at, date in enumerate(SESSIONS)),
        *(source_bar("600001.SH", date, 2000) for date in SESSIONS[:4]),
        # Ten for ten: half the price, twice the shares, twice the factor.
        *(
            source_bar("600001.SH", date, 1000, adj_factor=2.0, total_shares=4_000_000, float_shares=2_000_000)
            | ({"pre_close_fen": 1000} if date == "2021-01-05" else {})
            for date in SESSIONS[4:]
        ),
        source_bar("000001.SZ", "2020-12-29", 500, pe_ttm_e4=80_000),
        # It makes a loss from here on: no P/E, and no yield either.
        source_bar("000001.SZ", "2020-12-30", 510, pe_ttm_e4=None, dv_ttm_e4=None, trading_status="st"),
        source_bar("000001.SZ", "2021-01-05", 490, pe_ttm_e4=None, dv_ttm_e4=None, trading_status="st"),
        source_bar("000001.SZ", "2021-01-06", 495, pe_ttm_e4=None, pb_e4=None, dv_ttm_e4=None, float_shares=0),
        *(source_bar("300001.SZ", date, 100) for date in SESSIONS[:2]),
        *(source_bar("688001.SH", date, 3000, volume=2_000, amount=66_000) for date in SESSIONS[4:]),
    ]
    daily.sort(key=lambda row: (row["symbol"], row["date"]))
    securities = [
        {"symbol": "600000.SH", "name": "甲", "list_date": "1999-11-10", "first_trade": "1999-11-10"},
        {"symbol": "600001.SH", "name": None, "list_date": None, "first_trade": "2001-03-01"},
        {"symbol": "000001.SZ", "name": "乙", "list_date": "1991-04-03", "first_trade": "1991-01-03"},
        {"symbol": "300001.SZ", "list_date": "2009-10-30", "first_trade": "2009-10-30"}
        | {"last_trade_if_gone": "2020-12-30"},
        {"symbol": "688001.SH", "name": "丙", "list_date": "2021-01-05", "first_trade": "2021-01-05"},
    ]
    industries = [
        ("600000.SH", "1999-11-10", "480301", "48", "银行"),
        ("600001.SH", "2001-03-01", "270101", "27", "电子"),
        ("600001.SH", "2014-02-21", "270202", "27", "电子"),
        ("600001.SH", "2021-01-05", "730101", "73", "通信"),
        ("000001.SZ", "1991-04-03", "480301", "48", "银行"),
    ]
    return {
        "daily/2020.parquet": [row for row in daily if row["date"] < "2021"],
        "daily/2021.parquet": [row for row in daily if row["date"] >= "2021"],
        "security.parquet": securities,
        "index_member.parquet": [
            {"index": "csi500", "symbol": "600000.SH", "start": "2015-01-05", "end": "2022-01-14"},
            {"index": "csi500", "symbol": "600001.SH", "start": "2015-01-05", "end": "2020-12-31"},
            {"index": "csi500", "symbol": "000001.SZ", "start": "2020-12-31", "end": "2022-01-14"},
            {"index": "csi300", "symbol": "T00018.SH", "start": "2005-04-08", "end": "2006-08-08"},
        ],
        "index_bar.parquet": [
            {"date": date, "index": index, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 1e6}
            for index in ("csi500", "sse_composite")
            for date in SESSIONS
        ]
        + [{"date": "2014-10-16", "index": "csi1000", "open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0}],
        "sw_industry.parquet": [
            dict(zip(("symbol", "in_date", "sw_code", "sw_l1", "sw_l1_name"), row, strict=True)) for row in industries
        ],
        "sw_sector_map.csv": [
            {"sw_l1": "27", "sw_l1_name": "电子", "name_en": "electronics", "sector": "growth"},
            {"sw_l1": "48", "sw_l1_name": "银行", "name_en": "banks", "sector": "financial"},
            {"sw_l1": "73", "sw_l1_name": "通信", "name_en": "communications", "sector": "growth"},
        ],
    }


def ashare_tables() -> dict[str, pa.Table]:
    """The ashare set by file."""
    return {name: table_of(rows, ASHARE_TABLES[name].schema) for name, rows in ashare_rows().items()}


def contract_tables() -> dict[str, pa.Table]:
    """A file set that follows the data contract, one file a table."""
    symbols = ("000001.SZ", "300001.SZ", "600000.SH")
    bars, values, consensus = [], [], []
    for at, date in enumerate(SESSIONS):
        for number, symbol in enumerate(symbols):
            close = 10.0 + number + 0.1 * at
            halted = symbol == "300001.SZ" and at == 2
            prices = {} if halted else {"open": close, "high": close + 0.2, "low": close - 0.2, "vwap": close + 0.05}
            volume = 0.0 if halted else 1000.0
            bars.append(
                {"date": date, "symbol": symbol, **prices, "close": close, "pre_close": close - 0.1, "volume": volume,
                 "amount": round(volume * (close + 0.05), 2), "turnover_rate": volume / 1e6, "adj_factor": 1.0,
                 "up_limit": 20.0, "down_limit": 1.0, "is_suspended": halted, "trading_status": "normal"}
            )  # fmt: skip
            values.append(
                {"date": date, "symbol": symbol, "total_mv": 1e9, "float_mv": 5e8, "pb_lf": 1.5, "pe_ttm": -8.0,
                 "pcf_ocf_ttm": 4.0, "dividend_12m": 1e6}
            )  # fmt: skip
            consensus.append({"date": date, "symbol": symbol, "eps_fy1": 1.0, "roe_fy1": 0.1, "net_profit_fy1": None})
    rows = {
        "security": [
            {"symbol": symbol, "name": symbol, "board": board, "list_date": "2010-01-04"}
            for symbol, board in zip(symbols, ("main", "chinext", "main"), strict=True)
        ],
        "industry": [
            {"symbol": symbol, "scheme": "citic_l1", "code": "CI01", "name": "banks", "sector": "financial"}
            | {"in_date": "2010-01-04"}
            for symbol in symbols
        ],
        "daily_bar": bars,
        "valuation": values,
        "consensus": consensus,
        "index_bar": [
            {"date": date, "index": "csi500", "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 1e6}
            | {"amount": 1e7}
            for date in SESSIONS
        ],
        "index_weight": [
            {"date": date, "index": "csi500", "symbol": symbol, "weight": weight}
            for date in SESSIONS
            for symbol, weight in zip(symbols, (0.2, 0.3, 0.5), strict=True)
        ],
    }
    return {name: table_of(rows[name], TABLES[name].schema) for name in rows}


def write_files(folder: Path, tables: Mapping[str, pa.Table]) -> Path:
    """Write tables under their file names (Parquet unless the name says .csv); returns the folder."""
    for name, data in tables.items():
        path = folder / (name if "." in name else f"{name}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.csv.write_csv(data, path) if path.suffix == ".csv" else pq.write_table(data, path)
    return folder


def with_cell(data: pa.Table, row: int, column: str, value: object) -> pa.Table:
    """The same table with one cell replaced (`row` counts from 0)."""
    at = data.column_names.index(column)
    cells = data[column].to_pylist()
    cells[row] = value
    return data.set_column(at, data.schema.field(at), pa.array(cells, type=data.schema.field(at).type))


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything under a folder, byte for byte (None for folders): equal before and after means untouched."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
