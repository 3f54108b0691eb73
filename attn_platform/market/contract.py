"""The data contract: typed schemas of the raw tables, and the check that every row passes on its way into the lake.

Definitions: data contract of the platform (keys, units, who needs what). Money in CNY, volume in shares, ratios as
fractions, prices unadjusted. A table that breaks the contract is rejected whole, with the file, the row, the column
and what to do; nothing of it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import ContractError
from attn_platform.market.calendar import Calendar

SYMBOL_PATTERN = r"^\d{6}\.(SH|SZ|BJ)$"
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


@dataclass(frozen=True)
class RowRule:
    """A condition over several columns; `holds` returns one boolean a row (null counts as fulfilled)."""

    column: str
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

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


DATE, TEXT, FLOAT, INTEGER, BOOL = pa.date32(), pa.string(), pa.float64(), pa.int64(), pa.bool_()


def _symbol() -> Column:
    return Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ", pattern=SYMBOL_PATTERN)


def _date() -> Column:
    return Column("date", DATE, "session")


def _price(name: str, nullable: bool = True, optional: bool = False) -> Column:
    return Column(name, FLOAT, "CNY, unadjusted", nullable=nullable, above=0.0, optional=optional)


def _not_less(greater: str, less: str) -> RowRule:
    return RowRule(
        column=greater,
        states=f"{greater} >= {less}",
        remedy="correct the bar at its source",
        holds=lambda t: pc.greater_equal(t[greater], t[less]),
    )


def _traded_rows_have(name: str) -> RowRule:
    return RowRule(
        column=name,
        states=f"a session that is not suspended has {name}",
        remedy="fill it, or set is_suspended to true",
        holds=lambda t: pc.or_(t["is_suspended"], pc.is_valid(t[name])),
    )


SECURITY = Table(
    name="security",
    title="Stocks: code, name, board, listing and delisting",
    columns=(
        _symbol(),
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
        _symbol(),
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
        _not_less("high", "low"),
        _not_less("high", "open"),
        _not_less("high", "close"),
        _not_less("open", "low"),
        _not_less("close", "low"),
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
        _symbol(),
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
        _symbol(),
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
        _symbol(),
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
            column="out_date",
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
    rules=(_not_less("high", "low"),),
)

INDEX_WEIGHT = Table(
    name="index_weight",
    title="Weights of index members",
    columns=(
        _date(),
        Column("index", TEXT, "csi500, csi1000, …"),
        _symbol(),
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


FUNDAMENTAL = Table(
    name="fundamental",
    title="Quarterly statements as first announced, each restatement a row of its own",
    columns=(
        _symbol(),
        Column("report_period", DATE, "last day of the period"),
        Column("announced", DATE, "day on which it became known"),
        *(_money(name) for name in ("revenue", "net_profit_parent", "operating_cash_flow", "gross_profit")),
        _money("ebit_after_tax"),
        *(_level(name) for name in ("total_assets", "equity_parent", "invested_capital")),
        *(_level(name) for name in ("current_liabilities", "total_liabilities")),
    ),
    key=("symbol", "report_period", "announced"),
    by_session=False,
    rules=(
        RowRule(
            column="announced",
            states="announced >= report_period",
            remedy="a report cannot be known before its period is over; correct the date",
            holds=lambda t: pc.greater_equal(t["announced"], t["report_period"]),
        ),
    ),
)

MINUTE_BAR = Table(
    name="minute_bar",
    title="One-minute bars",
    columns=(
        _date(),
        _symbol(),
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
    rules=(_not_less("high", "low"),),
)

TRANSACTION = Table(
    name="transaction",
    title="Tick-by-tick trades",
    columns=(
        _date(),
        _symbol(),
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
        _symbol(),
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


def conform(data: pa.Table, table: Table, source: str, calendar: Calendar) -> pa.Table:
    """`data` in the contract's column order and types, every row checked.

    `source` names the file in errors; rows are counted from 1, header not counted. Raises `ContractError` at the first
    fault: unknown or missing column, wrong type, null, impossible value, duplicate key, date that is no session.
    """
    if data.num_rows == 0:
        raise ContractError(f"{source}: table {table.name} is empty; leave the file out if there is no data")
    known = [column.name for column in table.columns]
    if extra := [name for name in data.column_names if name not in known]:
        raise ContractError(
            f"{source}: column '{extra[0]}' is not in table {table.name}; remove it or rename it to one of: "
            + ", ".join(known)
        )
    converted = pa.table(
        [_conform_column(data, column, table, source) for column in table.columns], schema=table.schema
    ).combine_chunks()
    for name in table.dates:
        _check_sessions(converted, name, source, calendar)
    _check_key(converted, table, source)
    for rule in table.rules:
        _reject(pc.fill_null(rule.holds(converted), True), converted, rule.column, source, rule.states, rule.remedy)
    if table is INDEX_WEIGHT:
        _check_weights(converted, source)
    return converted


def _conform_column(data: pa.Table, column: Column, table: Table, source: str) -> pa.ChunkedArray:
    if column.name not in data.column_names:
        if column.optional:
            return pa.chunked_array([pa.nulls(data.num_rows, column.type)])
        raise ContractError(
            f"{source}: column '{column.name}' of table {table.name} is missing; add it ({column.unit})"
        )
    values = _cast(data[column.name], column, source)
    if column.type == FLOAT:
        # Infinity is never data; NaN is how many tools write a missing number.
        values = pc.if_else(pc.is_nan(values), None, values)
        _reject(pc.is_finite(values), data, column.name, source, "a finite number", "replace it by null")
    if not column.nullable:
        _reject(pc.is_valid(values), data, column.name, source, "a value", "fill it or drop the row")
    if column.minimum is not None:
        _reject(
            pc.greater_equal(values, column.minimum), data, column.name, source,
            f"at least {column.minimum:g}", "correct it at its source or replace it by null",
        )  # fmt: skip
    if column.above is not None:
        _reject(
            pc.greater(values, column.above), data, column.name, source,
            f"above {column.above:g}", "correct it at its source or replace it by null",
        )  # fmt: skip
    if column.values is not None:
        _reject(
            pc.is_in(values, value_set=pa.array(column.values)), data, column.name, source,
            "one of " + ", ".join(column.values), "map it to one of these",
        )  # fmt: skip
    if column.pattern is not None:
        _reject(
            pc.match_substring_regex(values, column.pattern), data, column.name, source,
            column.unit, "write it like 600000.SH",
        )  # fmt: skip
    return values


def _cast(values: pa.ChunkedArray, column: Column, source: str) -> pa.ChunkedArray:
    wanted = column.type
    if values.type == wanted:
        return values
    found = values.type
    if pa.types.is_dictionary(found):
        return _cast(values.cast(found.value_type), column, source)
    numeric = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    textual = pa.types.is_string(found) or pa.types.is_large_string(found)
    allowed = (
        pa.types.is_null(found)
        or (wanted == FLOAT and numeric)
        or (wanted == INTEGER and pa.types.is_integer(found))
        or (wanted == DATE and (pa.types.is_temporal(found) or textual))
        or (wanted == TEXT and textual)
    )
    if allowed:
        try:
            return values.cast(wanted)
        except pa.ArrowInvalid:
            row, value = _first_that_fails(values, wanted)
            raise ContractError(
                f"{source}: row {row}, column '{column.name}': '{value}' is no {wanted}; write it as {column.unit}"
            ) from None
    raise ContractError(
        f"{source}: column '{column.name}' has type {found}, wanted {wanted} ({column.unit}); convert it"
    )


def _first_that_fails(values: pa.ChunkedArray, wanted: pa.DataType) -> tuple[int, object]:
    for row, value in enumerate(values, start=1):
        try:
            value.cast(wanted)
        except pa.ArrowInvalid:
            return row, value.as_py()
    raise AssertionError("the column as a whole failed to convert, so one of its values must")


def _reject(holds: pa.ChunkedArray, data: pa.Table, column: str, source: str, wanted: str, remedy: str) -> None:
    """Raise for the first row in which `holds` is false (null counts as fulfilled)."""
    failed = pc.equal(holds, False)
    at = pc.index(failed, True).as_py()
    if at < 0:
        return
    count = pc.sum(failed).as_py()
    more = f" ({count - 1} more rows like it)" if count > 1 else ""
    where = ", ".join(
        f"{key} {data[key][at].as_py()}"
        for key in ("date", "index", "symbol")
        if key in data.column_names and key != column
    )
    raise ContractError(
        f"{source}: row {at + 1}{f' ({where})' if where else ''}, column '{column}': "
        f"{data[column][at].as_py()} breaks '{wanted}'; {remedy}{more}"
    )


def _check_sessions(data: pa.Table, column: str, source: str, calendar: Calendar) -> None:
    is_session = pc.is_in(data[column], value_set=pa.array(calendar.sessions, type=DATE))
    _reject(is_session, data, column, source, "a session of the exchange", "remove the row or correct its date")


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
    off = pc.greater(pc.abs(pc.subtract(sums["weight_sum"], 1.0)), INDEX_WEIGHT_SUM_TOLERANCE)
    at = pc.index(off, True).as_py()
    if at >= 0:
        raise ContractError(
            f"{source}: date {sums['date'][at].as_py()}, index {sums['index'][at].as_py()}, column 'weight': "
            f"the weights sum to {sums['weight_sum'][at].as_py():.8f}, not 1; give all members, as fractions"
        )
