"""A desk's positions: symbol, shares, and sellable, the shares that may be sold in the session of the orders.

From a file (Parquet, CSV, or the first sheet of an Excel file), in which a fault is one error with the file, the row
(counted from 1, header not counted), the column and what to do; or a strategy's own account, scaled to a sum of money.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account
from attn_platform.errors import BadInputError
from attn_platform.market.contract import SYMBOL_PATTERN
from attn_platform.market.lots import buy_shares
from attn_platform.market.trading_rules import FEN_PER_CNY, board_of, in_fen
from attn_platform.portfolio.orders import quote_column

REQUIRED, OPTIONAL = ("symbol", "shares"), ("sellable",)
SUFFIXES = (".csv", ".parquet", ".xlsx")


def read_positions(path: Path) -> pd.DataFrame:
    """Positions of a file: symbol, shares, sellable (all of them where the file does not say).

    Raises BadInputError: no such file, another format, a missing or unknown column, and the first row with a symbol
    that is none or stands twice, with shares that are no whole number, or with more sellable shares than there are.
    """
    frame = _read(path)
    frame.columns = [str(column).strip() for column in frame.columns]
    if missing := [name for name in REQUIRED if name not in frame.columns]:
        raise BadInputError(f"{path}: there is no column '{missing[0]}'; the columns are symbol, shares and sellable")
    if unknown := [name for name in frame.columns if name not in (*REQUIRED, *OPTIONAL)]:
        raise BadInputError(
            f"{path}: column '{unknown[0]}' is none of symbol, shares and sellable; rename it, or take it out"
        )
    symbols = frame["symbol"].astype("string").str.strip()
    is_symbol = symbols.str.fullmatch(SYMBOL_PATTERN.strip("^$")).fillna(False)
    _reject(path, "symbol", frame["symbol"], ~is_symbol.to_numpy(dtype=bool), "no symbol", "write it like 600519.SH")
    _reject(path, "symbol", symbols, symbols.duplicated().to_numpy(), "there twice", "add the rows up")
    shares = _whole_numbers(path, frame, "shares")
    sellable = _whole_numbers(path, frame, "sellable") if "sellable" in frame else shares
    _reject(path, "sellable", sellable, sellable > shares, "more than the shares", "correct it")
    return pd.DataFrame({"symbol": symbols.astype("str"), "shares": shares, "sellable": sellable})


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


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise BadInputError(f"{path}: no such file; check the path")
    if path.suffix not in SUFFIXES:
        raise BadInputError(f"{path}: none of {', '.join(SUFFIXES)}; convert it")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        # As text, so that no symbol turns into a number
        return pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_excel(path, dtype=str)
    except Exception as error:  # the three readers raise whatever their libraries do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInputError(f"{path}: cannot be read ({reason}); write it again") from None


def _whole_numbers(path: Path, frame: pd.DataFrame, column: str) -> np.ndarray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        is_whole = np.isfinite(values) & (values >= 0) & (values % 1 == 0)
    _reject(path, column, frame[column], ~is_whole, "no whole number of shares", "write it like 1200")
    return values.astype(np.int64)


def _reject(path: Path, column: str, values: Any, bad: np.ndarray, what: str, remedy: str) -> None:
    """BadInputError for the first bad row."""
    if bad.any():
        at = int(np.argmax(bad))
        value = np.asarray(values, dtype=object)[at]
        raise BadInputError(f"{path}: row {at + 1}, column {column}: {value!r} is {what}; {remedy}")
