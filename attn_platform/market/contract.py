"""The data contract: typed schemas of the raw tables, and the check that every row passes on its way into the lake.

Definitions: data contract of the platform (keys, units, who needs what). Money in CNY, volume in shares, ratios as
fractions, prices unadjusted. A table that breaks the contract is rejected whole, with the file, the row, the column
and what to do; nothing of it is written.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import ContractError
from attn_platform.market.calendar import Calendar
from attn_platform.market.codes import normalise
from attn_platform.market.column_names import advice
from attn_platform.market.readings import is_text
from attn_platform.market.session_dates import can_be_dates, read_dates, slipped

BOARDS = ("main", "star", "chinext", "bse")
TRADING_STATUSES = ("normal", "st", "star_st", "delisting")
INDEX_WEIGHT_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Column:
    """One column: its type, whether it may be null, and the range or the values that it may take."""

    name: str
    type: pa.DataType
    unit: str
    nullable: bool = False
    minimum: float | None = None
    above: float | None = None
    values: tuple[str, ...] | None = None
    pattern: str | None = None
    optional: bool = False
    """The vendor may leave the column out; it then enters the lake as null."""
    is_symbol: bool = False
    """The codes of A shares, in any style (`codes`)."""


@dataclass(frozen=True)
class RowRule:
    """A condition over several columns; `holds` returns one boolean a row (null counts as fulfilled)."""

    columns: tuple[str, ...]
    states: str
    remedy: str
    holds: Callable[[pa.Table], pa.Array]


@dataclass(frozen=True)
class Table:
    """Schema of one raw table. `by_session` tables are stored one file a session, the others as one file."""

    name: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    by_session: bool
    required: bool = False
    rules: tuple[RowRule, ...] = ()
    dates: tuple[str, ...] = ()
    """Columns whose dates must be sessions."""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored table."""
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])


TYPE_NAMES = {
    pa.date32(): "a date (YYYY-MM-DD)",
    pa.string(): "text",
    pa.float64(): "a number",
    pa.int64(): "a whole number",
    pa.bool_(): "true or false",
}
DATE, TEXT, FLOAT, INTEGER, BOOL = pa.date32(), pa.string(), pa.float64(), pa.int64(), pa.bool_()


def symbol_column() -> Column:
    """The column that names a stock."""
    return Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ of an A share", is_symbol=True)


def _date() -> Column:
    return Column("date", DATE, "session")


def _price(name: str, nullable: bool = True, optional: bool = False) -> Column:
    return Column(name, FLOAT, "CNY, unadjusted", nullable=nullable, above=0.0, optional=optional)


def not_less(greater: str, less: str) -> RowRule:
    """The rule greater >= less of two prices of a bar."""
    return RowRule(
        columns=(greater, less),
        states=f"{greater} >= {less}",
        remedy="correct the bar at its source",
        holds=lambda t: pc.greater_equal(t[greater], t[less]),
    )


def _traded_rows_have(name: str) -> RowRule:
    return RowRule(
        columns=(name, "is_suspended"),
        states=f"a session that is not suspended has {name}",
        remedy="fill it, or set is_suspended to true",
        holds=lambda t: pc.or_(t["is_suspended"], pc.is_valid(t[name])),
    )


SECURITY = Table(
    name="security",
    title="Stocks: code, name, board, listing and delisting",
    columns=(
        symbol_column(),
        Column("name", TEXT, "name as last known", nullable=True),
        Column("board", TEXT, "board", values=BOARDS),
        Column("list_date", DATE, "first day of trading", nullable=True),
        Column("delist_date", DATE, "first day without listing; null while listed", nullable=True),
    ),
    key=("symbol",),
    by_session=False,
    required=True,
)

DAILY_BAR = Table(
    name="daily_bar",
    title="Daily bars, adjustment, limits and status of every listed stock",
    columns=(
        _date(),
        symbol_column(),
        _price("open"),
        _price("high"),
        _price("low"),
        _price("close", nullable=False),
        _price("pre_close"),
        _price("vwap", optional=True),
        Column("volume", FLOAT, "shares", minimum=0.0),
        Column("amount", FLOAT, "CNY", minimum=0.0),
        Column("turnover_rate", FLOAT, "volume / float shares", nullable=True, minimum=0.0),
        Column("adj_factor", FLOAT, "adjusted = raw × factor", above=0.0),
        _price("up_limit", optional=True),
        _price("down_limit", optional=True),
        Column("is_suspended", BOOL, "no trading on that session"),
        Column("trading_status", TEXT, "status of the day", values=TRADING_STATUSES),
    ),
    key=("date", "symbol"),
    by_session=True,
    required=True,
    dates=("date",),
    rules=(
        not_less("high", "low"),
        not_less("high", "open"),
        not_less("high", "close"),
        not_less("open", "low"),
        not_less("close", "low"),
        _traded_rows_have("open"),
        _traded_rows_have("high"),
        _traded_rows_have("low"),
    ),
)

VALUATION = Table(
    name="valuation",
    title="Market values and valuation ratios",
    columns=(
        _date(),
        symbol_column(),
        Column("total_mv", FLOAT, "CNY", above=0.0),
        Column("float_mv", FLOAT, "CNY", nullable=True, minimum=0.0),
        Column("pb_lf", FLOAT, "price / book, last report", nullable=True),
        Column("pe_ttm", FLOAT, "price / earnings, trailing twelve months", nullable=True),
        Column("pcf_ocf_ttm", FLOAT, "price / operating cash flow, trailing", nullable=True, optional=True),
        Column("dividend_12m", FLOAT, "CNY, cash ex-dated in 252 sessions", nullable=True, minimum=0.0),
    ),
    key=("date", "symbol"),
    by_session=True,
    required=True,
    dates=("date",),
)

CONSENSUS = Table(
    name="consensus",
    title="Analysts' consensus for the current fiscal year",
    columns=(
        _date(),
        symbol_column(),
        Column("eps_fy1", FLOAT, "CNY a share", nullable=True),
        Column("roe_fy1", FLOAT, "fraction", nullable=True),
        Column("net_profit_fy1", FLOAT, "CNY", nullable=True),
    ),
    key=("date", "symbol"),
    by_session=True,
    dates=("date",),
)

INDUSTRY = Table(
    name="industry",
    title="Industry memberships by interval",
    columns=(
        symbol_column(),
        Column("scheme", TEXT, "classification scheme, e.g. citic_l1"),
        Column("code", TEXT, "industry code"),
        Column("name", TEXT, "industry name"),
        Column("sector", TEXT, "one of the five sectors of AI-55", nullable=True, optional=True),
        Column("in_date", DATE, "first day of membership"),
        Column("out_date", DATE, "first day without membership; null while it lasts", nullable=True),
    ),
    key=("symbol", "scheme", "in_date"),
    by_session=False,
    required=True,
    rules=(
        RowRule(
            columns=("out_date", "in_date"),
            states="out_date > in_date",
            remedy="correct the interval",
            holds=lambda t: pc.greater(t["out_date"], t["in_date"]),
        ),
    ),
)

INDEX_BAR = Table(
    name="index_bar",
    title="Daily bars of indices (price indices)",
    columns=(
        _date(),
        Column("index", TEXT, "csi500, csi1000, csi_all, …"),
        _price("open"),
        _price("high"),
        _price("low"),
        _price("close", nullable=False),
        Column("volume", FLOAT, "shares", nullable=True, minimum=0.0),
        Column("amount", FLOAT, "CNY", nullable=True, minimum=0.0, optional=True),
    ),
    key=("date", "index"),
    by_session=True,
    required=True,
    dates=("date",),
    rules=(not_less("high", "low"),),
)

INDEX_WEIGHT = Table(
    name="index_weight",
    title="Weights of index members",
    columns=(
        _date(),
        Column("index", TEXT, "csi500, csi1000, …"),
        symbol_column(),
        Column("weight", FLOAT, "fraction; sums to 1 by date and index", minimum=0.0),
    ),
    key=("date", "index", "symbol"),
    by_session=True,
    required=True,
    dates=("date",),
)


def _money(name: str) -> Column:
    return Column(name, FLOAT, "CNY, cumulative within the fiscal year", nullable=True, optional=True)


def _level(name: str) -> Column:
    return Column(name, FLOAT, "CNY, at the period's end", nullable=True, optional=True)


def _ends_a_quarter(day: pa.ChunkedArray) -> pa.Array:
    next_quarter = pc.ceil_temporal(day, unit="quarter", ceil_is_strictly_greater=True)
    return pc.equal(pc.days_between(day, next_quarter), 1)


FLOW_ITEMS = ("revenue", "net_profit_parent", "operating_cash_flow", "gross_profit", "ebit_after_tax")
LEVEL_ITEMS = ("total_assets", "equity_parent", "invested_capital", "current_liabilities", "total_liabilities")

FUNDAMENTAL = Table(
    name="fundamental",
    title="Quarterly statements as first announced, each restatement a row of its own",
    columns=(
        symbol_column(),
        Column("report_period", DATE, "last day of the period"),
        Column("announced", DATE, "day on which it became known"),
        *(_money(name) for name in FLOW_ITEMS),
        *(_level(name) for name in LEVEL_ITEMS),
    ),
    key=("symbol", "report_period", "announced"),
    by_session=False,
    rules=(
        RowRule(
            columns=("announced", "report_period"),
            states="announced >= report_period",
            remedy="a report cannot be known before its period is over; correct the date",
            holds=lambda t: pc.greater_equal(t["announced"], t["report_period"]),
        ),
        RowRule(
            columns=("report_period",),
            states="report_period ends a quarter",
            remedy="quarters are calendar quarters; correct the date, or drop the row",
            holds=lambda t: _ends_a_quarter(t["report_period"]),
        ),
    ),
)

MINUTE_BAR = Table(
    name="minute_bar",
    title="One-minute bars",
    columns=(
        _date(),
        symbol_column(),
        Column("minute", TEXT, "09:31 … 15:00, the minute's end", pattern=r"^\d{2}:\d{2}$"),
        _price("open", nullable=False),
        _price("high", nullable=False),
        _price("low", nullable=False),
        _price("close", nullable=False),
        Column("volume", FLOAT, "shares", minimum=0.0),
        Column("amount", FLOAT, "CNY", minimum=0.0),
        Column("trades", FLOAT, "number of trades", nullable=True, minimum=0.0, optional=True),
    ),
    key=("date", "symbol", "minute"),
    by_session=True,
    dates=("date",),
    rules=(not_less("high", "low"),),
)

TRANSACTION = Table(
    name="transaction",
    title="Tick-by-tick trades",
    columns=(
        _date(),
        symbol_column(),
        Column("time", TEXT, "HH:MM:SS.mmm", pattern=r"^\d{2}:\d{2}:\d{2}(\.\d+)?$"),
        _price("price", nullable=False),
        Column("volume", FLOAT, "shares", above=0.0),
        Column("buy_order", INTEGER, "order number of the buyer"),
        Column("sell_order", INTEGER, "order number of the seller"),
        Column("side", TEXT, "aggressor: buy or sell", nullable=True, values=("buy", "sell"), optional=True),
    ),
    key=("date", "symbol", "buy_order", "sell_order", "time"),
    by_session=True,
    dates=("date",),
)

BOOK_LEVELS = range(1, 6)

BOOK_SNAPSHOT = Table(
    name="book_snapshot",
    title="Snapshots of the best five levels",
    columns=(
        _date(),
        symbol_column(),
        Column("time", TEXT, "HH:MM:SS.mmm", pattern=r"^\d{2}:\d{2}:\d{2}(\.\d+)?$"),
        *(
            Column(f"{side}_{what}_{level}", FLOAT, unit, nullable=True, minimum=0.0)
            for side in ("bid", "ask")
            for what, unit in (("price", "CNY"), ("volume", "shares"))
            for level in BOOK_LEVELS
        ),
    ),
    key=("date", "symbol", "time"),
    by_session=True,
    dates=("date",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SECURITY, INDUSTRY, DAILY_BAR, VALUATION, CONSENSUS, INDEX_BAR, INDEX_WEIGHT,
        FUNDAMENTAL, MINUTE_BAR, TRANSACTION, BOOK_SNAPSHOT,
    )
}  # fmt: skip
"""All raw tables that the platform knows, in the order in which a reader should meet them."""


def conform(data: pa.Table, table: Table, source: str, calendar: Calendar | None = None) -> pa.Table:
    """`data` in the contract's column order and types, every row checked.

    `source` names the file in errors; rows are counted from 1, header not counted. Raises `ContractError` at the first
    fault: unknown, missing or repeated column, wrong type, null, impossible value, duplicate key, date that is no
    session (where the table names such dates, a calendar must be given).
    """
    _check_names(data.column_names, table, source)
    if data.num_rows == 0:
        raise ContractError(f"{source}: table {table.name} has no rows; fetch it again, or leave the file out")
    converted = pa.table(
        [_conform_column(data, column, source) for column in table.columns], schema=table.schema
    ).combine_chunks()
    sessions = None if calendar is None else pa.array(calendar.sessions, type=DATE)
    for name in table.dates if sessions is not None else ():
        is_session = pc.is_in(converted[name], value_set=sessions)
        remedy = f"drop the row or correct its date{slipped(converted[name], is_session)}"
        reject(is_session, converted, (name,), source, "a session of the exchange", remedy)
    _check_key(converted, table, source)
    for rule in table.rules:
        reject(rule.holds(converted), converted, rule.columns, source, rule.states, rule.remedy)
    if table is INDEX_WEIGHT:
        _check_weights(converted, source)
    return converted


def from_text(data: pa.Table, table: Table, source: str) -> pa.Table:
    """`data`, all text, with the columns of `table` in their types; `ContractError` names the first cell that is none.

    For formats without types of their own (CSV).
    """
    _check_names(data.column_names, table, source)
    for column in table.columns:
        if column.name in data.column_names and column.type != TEXT:
            trimmed = pc.utf8_trim_whitespace(data[column.name])
            at = data.column_names.index(column.name)
            data = data.set_column(at, column.name, _cast(trimmed, column, source))
    return data


def reject(
    holds: pa.ChunkedArray, data: pa.Table, columns: tuple[str, ...], source: str, wanted: str, remedy: str
) -> None:
    """`ContractError` for the first row of `data` in which `holds` is false (null counts as fulfilled)."""
    failed = pc.equal(holds, False)
    at = pc.index(failed, True).as_py()
    if at < 0:
        return
    more = f" ({count - 1} more such rows)" if (count := pc.sum(failed).as_py()) > 1 else ""
    where = ", ".join(
        f"{key} {_shown(data[key][at])}"
        for key in ("date", "index", "symbol")
        if key in data.column_names and key not in columns
    )
    found = ", ".join(_shown(data[name][at]) for name in columns)
    raise ContractError(
        f"{source}: row {at + 1}{f' ({where})' if where else ''}, {_named(columns)}: {found}, where the contract wants "
        f"{wanted}; {remedy}{more}"
    )


def _shown(cell: pa.Scalar) -> str:
    try:
        return str(cell.as_py()) if cell.is_valid else "nothing"
    except (OverflowError, ValueError):  # Arrow's dates reach further than Python's
        return "a day out of range"


def _named(columns: tuple[str, ...]) -> str:
    return f"column{'s' if len(columns) > 1 else ''} " + " and ".join(f"'{name}'" for name in columns)


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


def _conform_column(data: pa.Table, column: Column, source: str) -> pa.ChunkedArray:
    if column.name not in data.column_names:
        return pa.chunked_array([pa.nulls(data.num_rows, column.type)])
    found = data[column.name]
    if pa.types.is_dictionary(found.type):
        found = found.cast(found.type.value_type)
    if column.type not in (TEXT, DATE) and is_text(found.type):
        raise ContractError(_wrong_text(found, column, source))
    values = _cast(found, column, source)

    def check(holds: pa.ChunkedArray, wanted: str, remedy: str) -> None:
        reject(holds, data, (column.name,), source, wanted, remedy)

    if column.is_symbol:
        codes = normalise(values)
        if (at := codes.first_refused) is not None:
            check(pa.chunked_array([~codes.refused]), column.unit, codes.explain(at).advice)
        values = codes.column
    if column.type == FLOAT:
        # Infinity is never data; NaN is how many tools write a missing number.
        values = pc.if_else(pc.is_nan(values), None, values)
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
    return values


def _cast(values: pa.ChunkedArray, column: Column, source: str) -> pa.ChunkedArray:
    wanted, found = column.type, values.type
    if found == wanted:
        return values
    if wanted == DATE and can_be_dates(found):
        dates = read_dates(values)
        if (at := dates.first_refused) is not None:
            refusal = dates.explain(at)
            raise ContractError(
                f"{source}: row {at + 1}, column '{column.name}': '{refusal.found}', where the contract wants "
                f"{TYPE_NAMES[wanted]} ({column.unit}); {refusal.advice}"
            )
        return dates.column
    numeric = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    if not (
        pa.types.is_null(found)
        or is_text(found)
        or (wanted == FLOAT and numeric)
        or (wanted == INTEGER and pa.types.is_integer(found))
    ):
        raise ContractError(
            f"{source}: row 1, column '{column.name}': its type is {found}, where the contract wants "
            f"{TYPE_NAMES[wanted]} ({column.unit}); convert the column"
        )
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        at = _first_that_fails(values, wanted)
        raise ContractError(
            f"{source}: row {at + 1}, column '{column.name}': '{_shown(values[at])}', where the contract wants "
            f"{TYPE_NAMES[wanted]} ({column.unit}); correct it at its source"
        ) from None


def _wrong_text(values: pa.ChunkedArray, column: Column, source: str) -> str:
    """Numbers, dates or flags that a typed file holds as text: the first cell that is none of them, else the first."""
    at = _first_that_fails(values, column.type)
    return (
        f"{source}: row {at + 1}, column '{column.name}': the text '{_shown(values[at])}', where the contract wants "
        f"{TYPE_NAMES[column.type]} ({column.unit}); convert the column"
    )


def _first_that_fails(values: pa.ChunkedArray, wanted: pa.DataType) -> int:
    """Position of the first value that does not convert, found by halves; 0 where all of them do."""
    start, end = 0, len(values)
    if _converts(values, wanted):
        return 0
    while end - start > 1:
        middle = (start + end) // 2
        if _converts(values[start:middle], wanted):
            start = middle
        else:
            end = middle
    return start


def _converts(values: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    try:
        values.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _check_key(data: pa.Table, table: Table, source: str) -> None:
    order = pc.sort_indices(data, sort_keys=[(name, "ascending") for name in table.key])
    ordered = data.select(list(table.key)).take(order)
    same = np.ones(max(data.num_rows - 1, 0), dtype=bool)
    for name in table.key:
        column = ordered[name].combine_chunks()
        same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    if not same.any():
        return
    at = int(np.flatnonzero(same)[0])
    rows = sorted((order[at].as_py() + 1, order[at + 1].as_py() + 1))
    key = ", ".join(f"{name} {ordered[name][at].as_py()}" for name in table.key)
    raise ContractError(
        f"{source}: rows {rows[0]} and {rows[1]} have the same key ({key}), column '{table.key[-1]}'; keep one of them"
    )


def _check_weights(data: pa.Table, source: str) -> None:
    sums = data.group_by(["date", "index"]).aggregate([("weight", "sum")])
    off = sums.filter(pc.greater(pc.abs(pc.subtract(sums["weight_sum"], 1.0)), INDEX_WEIGHT_SUM_TOLERANCE))
    if off.num_rows:
        first = off.sort_by([("date", "ascending"), ("index", "ascending")]).slice(0, 1).to_pylist()[0]
        among = pc.and_(pc.equal(data["date"], first["date"]), pc.equal(data["index"], first["index"]))
        raise ContractError(
            f"{source}: row {pc.index(among, True).as_py() + 1} and the others of date {first['date']}, index "
            f"{first['index']}, column 'weight': they sum to {first['weight_sum']:.8f}, where the contract wants 1; "
            "give all members, as fractions"
        )
