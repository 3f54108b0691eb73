"""Cells of the files that brokers write: codes and numbers, each fault an error with file, row, column and remedy.

Rows are counted from 1, without the header.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import BadInputError
from attn_platform.market.readings import is_text

BROKER_SUFFIXES = (".csv", ".parquet", ".xlsx")


def code_cells(path: Path, data: pa.Table, column: str) -> pa.ChunkedArray:
    """A column of codes as text; BadInputError where it is of a type that holds no codes."""
    found = data[column].type
    value = found.value_type if pa.types.is_dictionary(found) else found
    if not (pa.types.is_integer(value) or pa.types.is_null(value) or is_text(value)):
        raise BadInputError(f"{path}: row 1, column {column}: its type is {found}; write codes as text like 600519.SH")
    return data[column].cast(value).cast(pa.string())


def number_cells(path: Path, data: pa.Table, column: str, must_be_whole: np.ndarray) -> np.ndarray:
    """A column of numbers of shares [n], float64; whole ones where they must be."""
    found = data[column].type
    if is_text(found):
        values = pd.to_numeric(pd.Series(data[column].to_pylist(), dtype=object), errors="coerce").to_numpy(np.float64)
    elif pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_null(found):
        values = data[column].cast(pa.float64(), safe=False).to_numpy()
    else:
        raise BadInputError(f"{path}: row 1, column {column}: its type is {found}; write numbers like 1200")
    is_number = np.isfinite(values) & (values >= 0)
    whole = is_number & (np.where(is_number, values, 0.0) % 1 == 0)
    reject(
        path,
        column,
        data[column].to_pylist(),
        must_be_whole & ~whole,
        "no whole number of shares",
        "write it like 1200",
    )
    reject(path, column, data[column].to_pylist(), ~is_number, "no number", "write it like 1200")
    return values


def reject(path: Path, column: str, values: Any, bad: np.ndarray, what: str, remedy: str) -> None:
    """BadInputError for the first bad row."""
    if bad.any():
        at = int(np.argmax(bad))
        value = np.asarray(values, dtype=object)[at]
        raise BadInputError(f"{path}: row {at + 1}, column {column}: {value!r} is {what}; {remedy}")
