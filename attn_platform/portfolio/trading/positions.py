"""A trader's positions: symbol, shares, and sellable, the shares that may be sold in the session of the orders.

From a file (Parquet, CSV, or the first sheet of an Excel file) as a broker writes it, in which a fault is one error
with the file, the row (counted from 1, header not counted), the column and what to do; or a strategy's own account,
scaled to a sum of money.

A broker's file also lists what is no A share: money-market funds, repos, new shares under a code of their issue, B
shares, funds, bonds. They are set aside with a note: no order touches them, and they count neither as positions nor as
cash. Who wants the money in them to be invested gives it as cash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account
from attn_platform.errors import BadInputError
from attn_platform.market.codes import normalise
from attn_platform.market.column_names import SELLABLE_NAMES, SHARES_NAMES
from attn_platform.market.lots import buy_shares
from attn_platform.market.schema import FLOAT, Column, Table, symbol_column
from attn_platform.market.trading_rules import FEN_PER_CNY, board_of, in_fen
from attn_platform.market.user_tables import KEY_NAMES, renamed
from attn_platform.market.vendors.files import read_columns
from attn_platform.portfolio.trading.cells import BROKER_SUFFIXES, code_cells, number_cells, reject
from attn_platform.portfolio.trading.orders import quote_column

POSITIONS = Table(
    name="positions",
    title="Positions",
    columns=(
        symbol_column(),
        Column("shares", FLOAT, "whole shares"),
        Column("sellable", FLOAT, "whole shares that may be sold", optional=True),
    ),
    key=("symbol",),
    by_session=False,
)
NAMES = {**KEY_NAMES, "shares": SHARES_NAMES, "sellable": SELLABLE_NAMES}


@dataclass(frozen=True)
class BrokerPositions:
    """What a broker's file holds: `stocks` (symbol, shares, sellable), and what is no A share.

    The columns of `set_aside` are symbol, shares (which need not be whole) and note, what it is.
    """

    stocks: pd.DataFrame
    set_aside: pd.DataFrame


def read_positions(path: Path) -> BrokerPositions:
    """Positions of a file; all shares are sellable where the file does not say.

    A code without its exchange is taken for the A share that it can be, since nothing else that bears such a number
    can be held.

    Raises BadInputError: no such file, another format, a missing or unknown column, and the first row with a symbol
    that is invalid or stands twice, with shares that are no whole number, or with more sellable shares than there are.
    """
    data = renamed(read_columns(path, BROKER_SUFFIXES), POSITIONS, NAMES, str(path), has_others=False)
    codes = normalise(code_cells(path, data, "symbol"), bare=True)
    found = [codes.explain(row) if codes.refused[row] else None for row in range(data.num_rows)]
    written = data["symbol"].to_pylist()
    no_code = next((row for row, code in enumerate(found) if code is not None and code.kind is None), None)
    if no_code is not None and (code := found[no_code]) is not None:
        raise BadInputError(f"{path}: row {no_code + 1}, column symbol: {code.found!r} is {code.what}; {code.remedy}")
    is_missing = np.array([text is None for text in written], dtype=bool)
    reject(path, "symbol", written, is_missing, "no symbol", "write it like 600519.SH")
    symbols = pd.Series(
        [share if code is None else code.symbol for share, code in zip(codes.column.to_pylist(), found, strict=True)],
        dtype="str",
    )
    reject(path, "symbol", written, symbols.duplicated().to_numpy(), "there twice", "add the rows up")
    is_share = np.array([code is None for code in found], dtype=bool)
    shares = number_cells(path, data, "shares", is_share)
    sellable = number_cells(path, data, "sellable", is_share) if "sellable" in data.column_names else shares
    reject(path, "sellable", sellable, is_share & (sellable > shares), "more than the shares", "correct it")
    frame = pd.DataFrame({"symbol": symbols, "shares": shares, "sellable": sellable})
    stocks = frame[is_share].astype({"shares": np.int64, "sellable": np.int64}).reset_index(drop=True)
    notes = pd.Series([code.what for code in found if code is not None], dtype="str")
    aside = frame.loc[~is_share, ["symbol", "shares"]].reset_index(drop=True).assign(note=notes)
    return BrokerPositions(stocks, aside)


def scaled_positions(account: Account, quotes: pd.DataFrame, money: float) -> tuple[pd.DataFrame, float]:
    """A strategy's own account as positions that are worth `money` (CNY) with the cash beside them.

    `quotes` by symbol have the raw close of every stock held. Shares are rounded down to what can be bought, and the
    rest is cash; an account of whole shares stays as it is where `money` is what it is worth. All shares may be sold:
    orders are for the session after the account's.
    """
    close = quote_column(quotes, account.symbols, "close").astype(np.float64)
    if account.factors is not None and money == account.equity:
        shares = account.units.astype(np.int64)
    else:
        wanted = account.units * account.prices * (money / account.equity) / close
        shares = buy_shares(wanted, board_of(account.symbols))
    positions = pd.DataFrame({"symbol": account.symbols, "shares": shares, "sellable": shares})
    left = float(in_fen(money)) - float((shares * in_fen(close)).sum())
    return positions[shares > 0].reset_index(drop=True), left / FEN_PER_CNY
