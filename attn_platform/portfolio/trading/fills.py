"""What was really filled of orders, from a file as a broker writes it: CSV, Parquet, or the first sheet of Excel.

A row is one execution, or the sum of several: symbol, side (buy, sell), shares, price (CNY a share), fees (CNY, all
that the broker charged), and date where the orders are for several sessions. Other columns are left out. A file with a
row that the orders cannot have led to, or whose rows came in already, is refused as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import BadInputError
from attn_platform.market.calendar import Calendar
from attn_platform.market.codes import normalise
from attn_platform.market.column_names import FEE_NAMES, FILL_DATE_NAMES, FILLED_NAMES, PRICE_NAMES, SIDE_NAMES, SIDES
from attn_platform.market.schema import DATE, FLOAT, TEXT, Column, Table, symbol_column
from attn_platform.market.session_dates import can_be_dates, read_dates
from attn_platform.market.user_tables import KEY_NAMES, renamed
from attn_platform.market.vendors.files import read_columns
from attn_platform.portfolio.trading.blotter import Fill, Look, Week
from attn_platform.portfolio.trading.cells import BROKER_SUFFIXES, code_cells, number_cells, reject

FILLS = Table(
    name="fills",
    title="Fills",
    columns=(
        Column("date", DATE, "session of the fill", optional=True),
        symbol_column(),
        Column("side", TEXT, "buy or sell"),
        Column("shares", FLOAT, "whole shares"),
        Column("price", FLOAT, "CNY a share"),
        Column("fees", FLOAT, "CNY, of the row in all"),
    ),
    key=("symbol", "side"),
    by_session=False,
)
NAMES = {
    **KEY_NAMES,
    "date": FILL_DATE_NAMES,
    "side": SIDE_NAMES,
    "shares": FILLED_NAMES,
    "price": PRICE_NAMES,
    "fees": FEE_NAMES,
}
_SIDE_OF = {name: side for side, names in SIDES.items() for name in names}
_DIGEST_BYTES = 16


def read_fills(path: Path, sent: Look, calendar: Calendar) -> list[Fill]:
    """The rows of a file, for orders that were sent.

    Raises BadInputError: no such file, another format, a missing column, and the first row with a symbol, side, number
    or date that is none, or with a date that is no session from that of the orders on.
    """
    data = renamed(read_columns(path, BROKER_SUFFIXES), FILLS, NAMES, str(path))
    if data.num_rows == 0:
        raise BadInputError(f"{path}: holds no row; where nothing was filled there is nothing to bring")
    codes = normalise(code_cells(path, data, "symbol"), bare=True)
    wrong = next((row for row in range(data.num_rows) if codes.refused[row]), None)
    if wrong is not None:
        code = codes.explain(wrong)
        raise BadInputError(f"{path}: row {wrong + 1}, column symbol: {code.found!r} is {code.what}; {code.remedy}")
    symbols = codes.column.to_pylist()
    written = data["symbol"].to_pylist()
    reject(path, "symbol", written, _are(symbols, None), "no symbol", "write it like 600519.SH")
    named = [str(side).strip().casefold() for side in data["side"].to_pylist()]
    sides = [_SIDE_OF.get(side) for side in named]
    reject(path, "side", data["side"].to_pylist(), _are(sides, None), "no side", "write buy or sell")
    everywhere = np.ones(data.num_rows, dtype=bool)
    shares = number_cells(path, data, "shares", everywhere)
    price, fees = (number_cells(path, data, name, ~everywhere) for name in ("price", "fees"))
    for name, values in (("shares", shares), ("price", price)):
        reject(path, name, data[name].to_pylist(), values <= 0, "not above zero", "correct it, or take the row out")
    return [
        Fill(session=session, symbol=symbol, side=side, shares=int(count), price=float(each), fees=float(fee))
        for session, symbol, side, count, each, fee in zip(
            _sessions(path, data, sent, calendar), symbols, sides, shares, price, fees, strict=True
        )
    ]


def checked_fills(path: Path, fills: Sequence[Fill], week: Week, sent: Look) -> str:
    """The digest of a file's rows, once they are found to be fills of what was sent.

    Raises BadInputError: the rows came in already, alone or among others; the first row of a stock that was not
    ordered, that was ordered on the other side, or that with what came in before is more than was ordered.
    """
    digest = _digest(fills)
    rows = Counter(fills)
    for file in week.files:
        came = f"{file.file} came in on {file.at:%Y-%m-%d %H:%M} by {file.by}"
        if file.digest == digest:
            raise BadInputError(f"{path}: {came} with the same rows; nothing is to be done")
        if not Counter(file.fills) - rows:
            raise BadInputError(f"{path}: all rows of {file.file} are among its rows, and {came}; take them out")
    ordered: Counter[tuple[str, str]] = Counter()
    for order in sent.orders:
        ordered[order.symbol, order.side] += order.shares
    filled: Counter[tuple[str, str]] = Counter()
    for fill in week.fills:
        filled[fill.symbol, fill.side] += fill.shares
    other = {"buy": "sell", "sell": "buy"}
    aside = "or take the row out and give the broker's positions next week (--positions)"
    for row, fill in enumerate(fills, start=1):
        key = fill.symbol, fill.side
        if not ordered[key]:
            if ordered[fill.symbol, other[fill.side]]:
                raise BadInputError(
                    f"{path}: row {row}, column side: {fill.symbol} was ordered to {other[fill.side]}, not to "
                    f"{fill.side}; correct it, {aside}"
                )
            raise BadInputError(
                f"{path}: row {row}, column symbol: {fill.symbol} is not among the orders of {week.signal}; correct "
                f"it, {aside}"
            )
        filled[key] += fill.shares
        if filled[key] > ordered[key]:
            raise BadInputError(
                f"{path}: row {row}, column shares: with it {filled[key]:,} shares of {fill.symbol} are filled, and "
                f"{ordered[key]:,} were ordered; correct it, {aside}"
            )
    return digest


def _sessions(path: Path, data: pa.Table, sent: Look, calendar: Calendar) -> list[str]:
    """The session of each row."""
    if "date" not in data.column_names:
        if len(sent.sessions) > 1:
            raise BadInputError(
                f"{path}: has no column date, and the orders are for {len(sent.sessions)} sessions "
                f"({sent.sessions[0]} to {sent.sessions[-1]}); add the date of each fill"
            )
        return [sent.sessions[0]] * data.num_rows
    written = data["date"].to_pylist()
    if not can_be_dates(data["date"].type):
        raise BadInputError(f"{path}: row 1, column date: its type is {data['date'].type}; write it as YYYY-MM-DD")
    reading = read_dates(data["date"])
    if reading.refused.any():
        row = int(np.argmax(reading.refused))
        why = reading.explain(row)
        raise BadInputError(f"{path}: row {row + 1}, column date: {why.found!r} is {why.what}; {why.remedy}")
    days = pd.to_datetime(pd.Series(reading.column.to_pylist())).to_numpy().astype("datetime64[D]")
    reject(path, "date", written, np.isnat(days), "no date", "write it as YYYY-MM-DD")
    reject(path, "date", written, ~np.isin(days, calendar.sessions), "no session of the exchange", "correct it")
    early = days < np.datetime64(sent.sessions[0])
    reject(path, "date", written, early, "before the orders", f"they are for {sent.sessions[0]} on; correct it")
    return days.astype(str).tolist()


def _digest(fills: Sequence[Fill]) -> str:
    rows = sorted(fill.model_dump_json() for fill in fills)
    return blake2b("\n".join(rows).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _are(values: Sequence[object], value: object) -> np.ndarray:
    return np.array([each is value for each in values], dtype=bool)
