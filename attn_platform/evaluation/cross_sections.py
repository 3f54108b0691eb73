"""Tidy predictions and returns as dense [session, stock] arrays: the one front of the evaluation.

They come from files or frames, with columns under any tool's name (`column_names`), dates of any kind
(`session_dates`) and codes of any style (`codes`). What is no A share may be evaluated, too, under its code as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.market.codes import normalise
from attn_platform.market.column_names import FORECAST_NAMES, RETURN_NAMES
from attn_platform.market.conform import conform
from attn_platform.market.schema import DATE, FLOAT, TEXT, Column, Table
from attn_platform.market.user_tables import KEY_NAMES, read_user_table, renamed

FloatArray = NDArray[np.float64]

PREDICTION, RETURN = "prediction", "return"
NAMES = {PREDICTION: FORECAST_NAMES, RETURN: RETURN_NAMES}
IMPLAUSIBLE_RETURN = 0.5
"""Half of all returns are larger than this in no market that is measured in fractions, over any usual horizon."""


@dataclass(frozen=True)
class AlignedCrossSections:
    """Predictions and what was realised, [T, N]; NaN where a stock has none. `notes` say what looks doubtful."""

    sessions: NDArray[np.datetime64]
    symbols: NDArray[np.str_]
    predictions: FloatArray
    returns: FloatArray
    notes: tuple[str, ...] = ()


def read_cross_sections(predictions: Path, returns: Path) -> AlignedCrossSections:
    """Align two files (Parquet or CSV), see `align_cross_sections`; errors name file, row, column and remedy."""
    tables = [
        conform(read_user_table(path, _contract(value), NAMES), _contract(value), str(path))
        for path, value in ((predictions, PREDICTION), (returns, RETURN))
    ]
    return _aligned(tables[0], tables[1], str(predictions), str(returns))


def align_cross_sections(predictions: pd.DataFrame, returns: pd.DataFrame) -> AlignedCrossSections:
    """Align tidy frames (date, symbol, prediction) and (date, symbol, return), as columns or levels of the index.

    Sessions are those that both have; stocks are those with a prediction in them. Missing values are left out. Raises
    ContractError for a missing column, a date or number that is none, a duplicate key, or a stock whose code is written
    without its exchange on one side only, and MissingDataError if no session or no stock is in both.
    """
    names = ("the predictions", "the returns")
    tables = [
        _conformed(frame, value, name)
        for frame, value, name in zip((predictions, returns), (PREDICTION, RETURN), names, strict=True)
    ]
    return _aligned(tables[0], tables[1], *names)


def _contract(value: str) -> Table:
    return Table(
        name=f"{value}s",
        title=f"Tidy {value}s",
        columns=(
            Column("date", DATE, "session"),
            Column("symbol", TEXT, "code of a stock"),
            Column(value, FLOAT, f"the {value}, or nothing where there is none", nullable=True),
        ),
        key=("date", "symbol"),
        by_session=False,
    )


def _conformed(frame: pd.DataFrame, value: str, source: str) -> pa.Table:
    try:
        data = pa.Table.from_pandas(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ContractError(f"{source}: a column is of mixed types ({reason}); convert it to one type") from None
    table = _contract(value)
    return conform(renamed(data, table, {**KEY_NAMES, **NAMES}, source), table, source)


def _aligned(predictions: pa.Table, returns: pa.Table, source: str, returns_source: str) -> AlignedCrossSections:
    left, right = _frame(predictions, PREDICTION, source), _frame(returns, RETURN, returns_source)
    sessions = np.intersect1d(left["date"], right["date"])
    if len(sessions) == 0:
        raise MissingDataError(
            f"{source} and {returns_source} have no session in common: "
            f"predictions cover {_range(left)}, returns cover {_range(right)}"
        )
    notes = (*_weekend_notes(left["date"], source), *_weekend_notes(right["date"], returns_source))
    left, right = left[left["date"].isin(sessions)], right[right["date"].isin(sessions)]
    symbols = np.unique(left["symbol"].to_numpy(dtype=str))
    return AlignedCrossSections(
        sessions=sessions.astype("datetime64[D]"),
        symbols=symbols,
        predictions=_dense(left, PREDICTION, sessions, symbols),
        returns=_dense(right, RETURN, sessions, symbols),
        notes=(
            *notes,
            *_stock_notes(symbols, np.unique(right["symbol"].to_numpy(dtype=str)), source, returns_source),
            *_unit_notes(right[RETURN].to_numpy(), returns_source),
        ),
    )


def _frame(data: pa.Table, value: str, source: str) -> pd.DataFrame:
    """The rows with a value, by normalised symbols; `ContractError` where a stock is there twice in two styles."""
    symbols = pc.coalesce(normalise(data["symbol"]).column, data["symbol"])
    frame = pd.DataFrame(
        {
            "date": data["date"].to_numpy().astype("datetime64[s]"),
            "symbol": symbols.to_pandas(),
            value: data[value].to_numpy(),
        }
    )
    duplicated = frame.duplicated(["date", "symbol"])
    if duplicated.any():
        row = int(duplicated.to_numpy().argmax())
        raise ContractError(
            f"{source}: row {row + 1}, column 'symbol': {data['symbol'][row]} is there twice on "
            f"{frame['date'][row]:%Y-%m-%d} ({frame['symbol'][row]}, in two styles); keep one of them"
        )
    return frame[frame[value].notna()]


def _stock_notes(wanted: np.ndarray, known: np.ndarray, source: str, returns_source: str) -> list[str]:
    """A note on stocks without a return; an error where one is written in another way, or none has a return."""
    lacking, unused = np.setdiff1d(wanted, known), np.setdiff1d(known, wanted)
    _refuse_bare(lacking, unused, source, returns_source)
    _refuse_bare(unused, lacking, returns_source, source)
    if len(lacking) == len(wanted):
        raise MissingDataError(
            f"{source} and {returns_source} have no stock in common: '{wanted[0]}' is one of the predictions', "
            f"'{known[0]}' one of the returns'"
        )
    if not len(lacking):
        return []
    return [f"{len(lacking)} of {len(wanted)} stocks of {source} have no return, such as {lacking[0]}"]


def _refuse_bare(symbols: np.ndarray, others: np.ndarray, source: str, other_source: str) -> None:
    """`ContractError` where one of the `symbols` is one of the `others` without its exchange."""
    by_digits = {symbol.partition(".")[0]: symbol for symbol in others if "." in symbol}
    if found := next((symbol for symbol in symbols if symbol in by_digits), None):
        raise ContractError(
            f"{source}: column 'symbol': '{found}' has no exchange, where {other_source} has '{by_digits[found]}'; "
            "write codes with their exchange in both"
        )


def _weekend_notes(dates: pd.Series, source: str) -> list[str]:
    days = np.unique(dates.to_numpy()).astype("datetime64[D]")
    weekend = days[~np.is_busday(days)]
    if not len(weekend):
        return []
    return [
        f"{len(weekend)} of {len(days)} dates of {source} are Saturdays or Sundays, such as {weekend[0]}: dates a day "
        "early come of times in UTC"
    ]


def _unit_notes(returns: FloatArray, source: str) -> list[str]:
    median = float(np.median(np.abs(returns))) if len(returns) else 0.0
    if median <= IMPLAUSIBLE_RETURN:
        return []
    return [f"half of the returns of {source} are larger than {median:.3g}: are they in percent? Give fractions"]


def _dense(frame: pd.DataFrame, value: str, sessions: np.ndarray, symbols: np.ndarray) -> FloatArray:
    rows = pd.Index(sessions).get_indexer(frame["date"])
    columns = pd.Index(symbols).get_indexer(frame["symbol"])
    known = (rows >= 0) & (columns >= 0)
    out = np.full((len(sessions), len(symbols)), np.nan)
    out[rows[known], columns[known]] = frame[value].to_numpy()[known]
    return out


def _range(frame: pd.DataFrame) -> str:
    return "nothing" if frame.empty else f"{frame['date'].min():%Y-%m-%d} to {frame['date'].max():%Y-%m-%d}"
