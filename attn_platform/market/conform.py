"""The check that every row passes on its way into the lake: names, types, ranges, keys and rules of the contract.

A table that breaks the contract is rejected whole, with the file, the row, the column and what to do; nothing of it is
written. With a quarantine, single rows are put aside instead (`market.inspection`).
"""

from __future__ import annotations

import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import ContractError
from attn_platform.market.calendar import Calendar
from attn_platform.market.codes import normalise
from attn_platform.market.column_names import advice
from attn_platform.market.contract import INDEX_WEIGHT
from attn_platform.market.inspection import Inspection, shown
from attn_platform.market.quality import weights
from attn_platform.market.readings import is_text
from attn_platform.market.schema import DATE, FLOAT, INTEGER, TEXT, TIME, TYPE_NAMES, Column, Table
from attn_platform.market.session_dates import can_be_dates, read_dates, slipped
from attn_platform.market.settle import groups_of, numbers
from attn_platform.market.tolerance import nothing_below_zero

SOME_DAY = "1970-01-01 "


def conform(
    data: pa.Table, table: Table, source: str, calendar: Calendar | None = None, inspection: Inspection | None = None
) -> pa.Table:
    """`data` in the contract's column order and types, settled (see `Table.settle`), every row checked.

    `source` names the file in errors; rows are counted from 1, header not counted. Raises `ContractError` at the first
    fault: unknown, missing or repeated column, wrong type, null, impossible value, duplicate key, date that is no
    session (where a calendar is given). An `inspection` with a quarantine puts rows with a fault aside instead;
    they are not returned.
    """
    _check_names(data.column_names, table, source)
    if data.num_rows == 0:
        raise ContractError(f"{source}: table {table.name} has no rows; fetch it again, or leave the file out")
    inspection = inspection or Inspection(table.name, source)
    inspection.watch(data)
    converted = pa.table(
        [_converted(data, column, inspection) for column in table.columns], schema=table.schema
    ).combine_chunks()
    if table.settle is not None:
        settled = table.settle(converted)
        converted = settled.data
        for check, concerned in settled.done.items():
            inspection.journal.add(check, converted, concerned, table.name)
        inspection.marks = dict(settled.marks)
    for column in table.columns:
        if column.name in data.column_names:
            _check_column(converted[column.name], data, column, inspection)
    sessions = None if calendar is None else pa.array(calendar.sessions, type=DATE)
    for name in table.dates if sessions is not None else ():
        is_session = pc.is_in(converted[name], value_set=sessions)
        remedy = f"drop the row or correct its date{slipped(converted[name], is_session)}"
        inspection.require(is_session, converted, (name,), "a session of the exchange", remedy)
    if table.key:
        _check_key(converted, table, inspection)
    for rule in table.rules:
        guess = None if rule.guess is None else partial(rule.guess, converted)
        inspection.require(rule.holds(converted), converted, rule.columns, rule.states, rule.remedy, guess)
    if table is INDEX_WEIGHT:
        _check_weights(converted, inspection)
    passed = inspection.passed(converted)
    # What is left of an index whose member was put aside is scaled again.
    return passed if table.settle is None or passed is converted else table.settle(passed).data


def from_text(data: pa.Table, table: Table, source: str, inspection: Inspection | None = None) -> pa.Table:
    """`data`, all text, with the columns of `table` in their types; `ContractError` names the first cell that is none.

    For formats without types of their own (CSV). With an `inspection` that has a quarantine, the cell becomes null and
    its row is put aside.
    """
    _check_names(data.column_names, table, source)
    inspection = inspection or Inspection(table.name, source)
    inspection.watch(data)
    for column in table.columns:
        if column.name in data.column_names and column.type != TEXT:
            trimmed = pc.utf8_trim_whitespace(data[column.name])
            at = data.column_names.index(column.name)
            data = data.set_column(at, column.name, _cast(trimmed, column, inspection))
    return data


def _check_names(names: list[str], table: Table, source: str) -> None:
    known = [column.name for column in table.columns]
    for name in names:
        if name not in known:
            raise ContractError(
                f"{source}: column '{name}' is not in table {table.name}; "
                + (advice(names, known) or f"remove it or rename it to one of: {', '.join(known)}")
            )
        if names.count(name) > 1:
            raise ContractError(f"{source}: column '{name}' stands {names.count(name)} times; keep one of them")
    for column in table.columns:
        if column.name not in names and not column.optional:
            raise ContractError(
                f"{source}: column '{column.name}' of table {table.name} is missing; add it ({column.unit})"
            )


def _converted(data: pa.Table, column: Column, inspection: Inspection) -> pa.ChunkedArray:
    """A column in the contract's type, and what is no number or less than nothing by rounding in its proper form."""
    if column.name not in data.column_names:
        return pa.chunked_array([pa.nulls(data.num_rows, column.type)])
    found = data[column.name]
    if pa.types.is_dictionary(found.type):
        found = found.cast(found.type.value_type)
    if column.type not in (TEXT, DATE, TIME) and is_text(found.type):
        raise ContractError(_wrong_text(found, column, inspection))
    values = _cast(found, column, inspection)
    if column.is_symbol:
        codes = normalise(values)
        inspection.require(
            ~codes.refused, data, (column.name,), column.unit, lambda row: codes.explain(row).advice, check="code"
        )
        values = codes.column
    if column.type == FLOAT:
        # NaN is how many tools write a missing number.
        values = pc.if_else(pc.is_nan(values), None, values)
        if column.minimum == 0.0 and (least := pc.min(values).as_py()) is not None and least < 0:
            values = pa.chunked_array([pa.array(nothing_below_zero(values.to_numpy()), FLOAT, from_pandas=True)])
    return values


def _check_column(values: pa.ChunkedArray, data: pa.Table, column: Column, inspection: Inspection) -> None:
    """Every value of a column lies in the range, or is one of the values, that the contract allows."""

    def check(holds: pa.ChunkedArray, wanted: str, remedy: str) -> None:
        inspection.require(holds, data, (column.name,), wanted, remedy, check="cell")

    if column.type == FLOAT:
        check(pc.is_finite(values), "a finite number", "replace it by null")
    if column.type == DATE:
        holds = pc.and_(pc.greater_equal(values, datetime.date.min), pc.less_equal(values, datetime.date.max))
        check(holds, TYPE_NAMES[DATE], "correct it at its source")
    correct = "correct it at its source" + (" or replace it by null" if column.nullable else "")
    if not column.nullable:
        check(pc.is_valid(values), f"a value ({column.unit})", "fill it or drop the row")
    if column.minimum is not None:
        check(pc.greater_equal(values, column.minimum), f"at least {column.minimum:g}", correct)
    if column.above is not None:
        check(pc.greater(values, column.above), f"more than {column.above:g}", correct)
    if column.values is not None:
        allowed = pc.or_(pc.is_in(values, value_set=pa.array(column.values)), pc.is_null(values))
        check(allowed, "one of " + ", ".join(column.values), "map it to one of these")
    if column.pattern is not None:
        check(pc.match_substring_regex(values, column.pattern), column.unit, "write it that way")


def _cast(values: pa.ChunkedArray, column: Column, inspection: Inspection) -> pa.ChunkedArray:
    wanted, found = column.type, values.type
    if found == wanted:
        return values
    if wanted == DATE and can_be_dates(found):
        dates = read_dates(values)
        if dates.first_refused is not None:
            refused = np.flatnonzero(dates.refused)[: None if inspection.quarantine else 1]
            written = np.full(len(values), "", dtype=object)
            written[refused] = [f"'{dates.explain(row).found}'" for row in refused]
            inspection.require(
                ~dates.refused,
                pa.table({column.name: pa.array(written, TEXT)}),
                (column.name,),
                f"{TYPE_NAMES[DATE]} ({column.unit})",
                lambda row: dates.explain(row).advice,
                check="date",
            )
        return dates.column
    numeric = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    if not (
        pa.types.is_null(found)
        or is_text(found)
        or (wanted == FLOAT and numeric)
        or (wanted == INTEGER and pa.types.is_integer(found))
        or (wanted == TIME and pa.types.is_time(found))
    ):
        raise ContractError(
            f"{inspection.source(0)}: row 1, column '{column.name}': its type is {found}, where the contract wants "
            f"{TYPE_NAMES[wanted]} ({column.unit}); convert the column"
        )
    try:
        return _typed(values, wanted)
    except pa.ArrowInvalid:
        bad = np.zeros(len(values), dtype=bool)
        bad[_unconvertible(values, wanted, first_only=inspection.quarantine is None)] = True
        inspection.require(
            ~bad,
            _quoted(column.name, values),
            (column.name,),
            f"{TYPE_NAMES[wanted]} ({column.unit})",
            "correct it at its source",
            check="cell",
        )
        return _typed(pc.if_else(pa.array(bad), None, values), wanted)


def _typed(values: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Values in another type; `ArrowInvalid` where one has no such form."""
    if wanted == TIME and is_text(values.type):
        # Arrow reads times of the day from text only behind a date.
        moments = pc.binary_join_element_wise(SOME_DAY, values.cast(TEXT), "")
        return moments.cast(pa.timestamp("us")).cast(pa.time64("us")).cast(wanted, safe=False)
    return values.cast(wanted, safe=wanted != TIME)


def _quoted(name: str, values: pa.ChunkedArray) -> pa.Table:
    """Cells as a message shows what could not be read."""
    return pa.table({name: pc.binary_join_element_wise("'", values.cast(TEXT), "'", "")})


def _wrong_text(values: pa.ChunkedArray, column: Column, inspection: Inspection) -> str:
    """Numbers, dates or flags that a typed file holds as text: the first cell that is none of them, else the first."""
    at = next(iter(_unconvertible(values, column.type, first_only=True)), 0)
    return (
        f"{inspection.source(at)}: row {inspection.number(at)}, column '{column.name}': the text "
        f"'{shown(values[at])}', where the contract wants {TYPE_NAMES[column.type]} ({column.unit}); convert the column"
    )


def _unconvertible(values: pa.ChunkedArray, wanted: pa.DataType, first_only: bool) -> list[int]:
    """Positions of the values that do not convert (or of the first one), found by halves."""
    found: list[int] = []
    ranges = [(0, len(values))]
    while ranges:
        start, end = ranges.pop()
        if start == end or _converts(values[start:end], wanted):
            continue
        if end - start == 1:
            found.append(start)
            if first_only:
                break
            continue
        middle = (start + end) // 2
        ranges += [(middle, end), (start, middle)]
    return found


def _converts(values: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    try:
        _typed(values, wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _check_key(data: pa.Table, table: Table, inspection: Inspection) -> None:
    """No two rows have the same key. With a quarantine both are put aside, of equal rows the later ones."""
    order = pc.sort_indices(data, sort_keys=[(name, "ascending") for name in table.key])
    ordered = data.select(list(table.key)).take(order)
    same = np.ones(max(data.num_rows - 1, 0), dtype=bool)
    for name in table.key:
        same &= _equal_neighbours(ordered[name])
    if inspection.failed is not None:
        # A row that is put aside already does not make another one a duplicate.
        failed = inspection.failed[order.to_numpy()]
        same &= ~(failed[1:] | failed[:-1])
    if not same.any():
        return
    at = int(np.flatnonzero(same)[0])
    position = order.to_numpy()
    key = ", ".join(f"{name} {ordered[name][at].as_py()}" for name in table.key)
    if inspection.quarantine is None:
        rows = sorted((inspection.number(int(position[at])), inspection.number(int(position[at + 1]))))
        raise ContractError(
            f"{inspection.source(int(position[at]))}: rows {rows[0]} and {rows[1]} have the same key ({key}), column "
            f"'{table.key[-1]}'; keep one of them"
        )
    equal = same.copy()
    for column in data.take(order).columns:
        equal &= _equal_neighbours(column)
    later = np.append(False, same)
    earlier = np.append(same & ~equal, False)
    inspection.put_aside(
        data,
        np.sort(position[later | earlier]),
        lambda row: (
            f"{inspection.source(row)}: row {inspection.number(row)}, column '{table.key[-1]}': another row has the "
            "same key; keep one of them"
        ),
        "key",
    )


def _equal_neighbours(column: pa.ChunkedArray) -> np.ndarray:
    """Whether each value but the first is that of the row before; two nulls are equal."""
    values = column.combine_chunks()
    equal = pc.fill_null(pc.equal(values[1:], values[:-1]), False).to_numpy(zero_copy_only=False)
    if values.null_count:
        null = pc.is_null(values).to_numpy(zero_copy_only=False)
        equal = equal | (null[1:] & null[:-1])
    return equal


def _check_weights(data: pa.Table, inspection: Inspection) -> None:
    """The weights of each date and index sum to 1, after those that are off by rounding were settled."""
    group = groups_of(data, ("date", "index"))
    kept = np.ones(data.num_rows, dtype=bool) if inspection.failed is None else ~inspection.failed
    sums = weights.group_sums(numbers(data["weight"]), group, kept)
    off = kept & ~weights.is_one(sums)
    if not off.any():
        return
    position = np.flatnonzero(off)
    first = position[np.lexsort((_codes_of(data["index"])[position], data["date"].to_numpy()[position]))][0]

    def reason(row: int) -> str:
        members = int((group == group[row]).sum())
        return (
            f"{inspection.source(row)}: row {inspection.number(row)} and the others of date "
            f"{shown(data['date'][row])}, index {shown(data['index'][row])}, column 'weight': they sum to "
            f"{sums[row]:.8f} over {members} members, where the contract wants 1; "
            + weights.missing_guess(sums[row], members)
        )

    if inspection.quarantine is None:
        raise ContractError(reason(int(first)))
    inspection.put_aside(data, position, reason, "weights")


def _codes_of(column: pa.ChunkedArray) -> np.ndarray:
    return pc.rank(column, sort_keys="ascending", tiebreaker="dense").to_numpy()
