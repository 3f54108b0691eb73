"""Tidy predictions and returns as dense [session, stock] arrays: the one front of the evaluation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.errors import ContractError, MissingDataError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CrossSections:
    """Predictions and what was realised, [T, N]; NaN where a stock has none."""

    sessions: NDArray[np.datetime64]
    symbols: NDArray[np.str_]
    predictions: FloatArray
    returns: FloatArray


def align_cross_sections(predictions: pd.DataFrame, returns: pd.DataFrame) -> CrossSections:
    """Align tidy frames (date, symbol, prediction) and (date, symbol, return).

    Sessions are those that both frames have; stocks are those with a prediction in them. Missing values are left out.
    Raises ContractError for a missing column, a date or number that is none, or a duplicate key, and MissingDataError
    if no session is in both.
    """
    left = _checked(predictions, "prediction")
    right = _checked(returns, "return")
    sessions = np.intersect1d(left["date"], right["date"])
    if len(sessions) == 0:
        raise MissingDataError(
            "predictions and returns have no session in common: "
            f"predictions cover {_range(left)}, returns cover {_range(right)}"
        )
    left = left[left["date"].isin(sessions)]
    symbols = np.unique(left["symbol"].to_numpy(dtype=str))
    return CrossSections(
        sessions=sessions.astype("datetime64[D]"),
        symbols=symbols,
        predictions=_dense(left, "prediction", sessions, symbols),
        returns=_dense(right, "return", sessions, symbols),
    )


def _checked(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """The rows with a value, typed; ContractError naming the first row that cannot be used."""
    absent = [name for name in ("date", "symbol", value) if name not in frame.columns]
    if absent:
        raise ContractError(
            f"the {value}s have no column {', '.join(absent)}; they need date, symbol, {value} "
            f"and have {', '.join(map(str, frame.columns))}"
        )
    if frame["symbol"].isna().any():
        raise ContractError(f"the {value}s have a row without a symbol: row {int(frame['symbol'].isna().argmax())}")
    is_typed = pd.api.types.is_datetime64_dtype(frame["date"])
    dates = pd.to_datetime(frame["date"] if is_typed else frame["date"].astype(str), errors="coerce", format="ISO8601")
    if dates.isna().any():
        raise ContractError(
            f"the {value}s have a date that is none: {frame['date'][dates.isna()].iloc[0]!r}; write YYYY-MM-DD"
        )
    numbers = pd.to_numeric(frame[value], errors="coerce").astype(np.float64)
    wrong = (numbers.isna() & frame[value].notna()) | np.isinf(numbers)
    if wrong.any():
        raise ContractError(f"the {value}s have a value that is no finite number: {frame[value][wrong].iloc[0]!r}")
    typed = pd.DataFrame({"date": dates.dt.normalize(), "symbol": frame["symbol"].astype("str"), value: numbers})
    duplicated = typed.duplicated(["date", "symbol"])
    if duplicated.any():
        first = typed[duplicated].iloc[0]
        raise ContractError(f"the {value}s name {first['symbol']} twice on {first['date']:%Y-%m-%d}")
    return typed[numbers.notna()]


def _dense(frame: pd.DataFrame, value: str, sessions: np.ndarray, symbols: np.ndarray) -> FloatArray:
    rows = pd.Index(sessions).get_indexer(frame["date"])
    columns = pd.Index(symbols).get_indexer(frame["symbol"])
    known = (rows >= 0) & (columns >= 0)
    out = np.full((len(sessions), len(symbols)), np.nan)
    out[rows[known], columns[known]] = frame[value].to_numpy()[known]
    return out


def _range(frame: pd.DataFrame) -> str:
    return "nothing" if frame.empty else f"{frame['date'].min():%Y-%m-%d} to {frame['date'].max():%Y-%m-%d}"
