"""Tables of a user's own (forecasts, returns, a week, positions): one reader for every command that takes such a file.

A file is Parquet, CSV or, where a command says so, Excel. Its columns (or the levels of a frame's index) may stand in
any order and under the names that other tools give them (`column_names`); dates and codes may be of any style
(`session_dates`, `codes`). Whatever cannot be used is one error with file, row, column and remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from attn_platform.errors import ContractError
from attn_platform.market.codes import A_SHARE, read_code
from attn_platform.market.column_names import DATE_NAMES, SYMBOL_NAMES
from attn_platform.market.conform import from_text
from attn_platform.market.schema import Column, Table
from attn_platform.market.vendors.files import SUFFIXES, read_columns

KEY_NAMES: Mapping[str, Sequence[str]] = {"date": DATE_NAMES, "symbol": SYMBOL_NAMES}
COLUMNS_SHOWN = 12
UNNAMED_INDEX = "__index_level_"  # how pandas calls the levels of an index without names in Parquet


def read_user_table(path: Path, table: Table, names: Mapping[str, Sequence[str]]) -> pa.Table:
    """The columns of `table` in a Parquet or CSV file, under the contract's names and not checked any further.

    `names` are those that a column may have, besides dates and symbols (see `renamed`); other columns are left out.
    `BadInputError` where the file is none of both or cannot be read, where a column is missing or could be either of
    two, or a cell of a CSV file is not of its column's type.
    """
    data = renamed(read_columns(path, SUFFIXES), table, {**KEY_NAMES, **names}, str(path))
    return data if path.suffix == ".parquet" else from_text(data, table, str(path))


def renamed(
    data: pa.Table, table: Table, names: Mapping[str, Sequence[str]], source: str, has_others: bool = True
) -> pa.Table:
    """The columns of `table` among those of `data`, under the contract's names.

    Where the file `has_others` they are left out; else they are an error.

    A column stands under its own name, else under the first of the `names` that it may have, else under one of the
    others; capitals and spaces around a name do not matter. `ContractError` where a column that must be there is not,
    or where two could be it.
    """
    written = [name.strip().casefold() for name in data.column_names]
    positions, labels = [], []
    for column in table.columns:
        others = names.get(column.name, ())
        found = [at for at, name in enumerate(data.column_names) if name == column.name]
        for called in ((column.name.casefold(),), others[:1], others):
            found = found or [at for at, name in enumerate(written) if name in called]
        which = [data.column_names[at] for at in found]
        if len(set(which)) > 1:
            raise ContractError(
                f"{source}: columns {' and '.join(map(repr, which))} could each be '{column.name}'; keep one of them, "
                f"or call the right one '{column.name}'"
            )
        if not found and not column.optional:
            raise ContractError(_missing(data.column_names, column, table, others, source))
        positions += found
        labels += [column.name] * len(found)
    if not has_others and (unknown := [name for at, name in enumerate(data.column_names) if at not in positions]):
        known = ", ".join(column.name for column in table.columns)
        raise ContractError(f"{source}: column '{unknown[0]}' is none of {known}; rename it, or take it out")
    return data.select(positions).rename_columns(labels)


def _missing(found: Sequence[str], column: Column, table: Table, names: Sequence[str], source: str) -> str:
    if any(name.startswith(UNNAMED_INDEX) for name in found):
        hint = "the index of the frame has no names: name its levels before writing it (rename_axis)"
    elif any(read_code(name).kind == A_SHARE for name in found):
        hint = "a column here is a stock: write a row for each date and stock (melt, stack)"
    else:
        others = [name for name in names if name != column.name]
        called = f" (or {', '.join(others)})" if others else ""
        shown = ", ".join(map(repr, found[:COLUMNS_SHOWN])) + (", …" if len(found) > COLUMNS_SHOWN else "")
        hint = f"or rename the right one of {shown} to '{column.name}'{called}"
    return f"{source}: column '{column.name}' of table {table.name} is missing; add it ({column.unit}), {hint}"
