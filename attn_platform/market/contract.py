"""The data contract: the raw tables, stated in the words of `market.schema`.

Definitions: data contract of the platform (keys, units, who needs what). Money in CNY, volume in shares, ratios as
fractions, prices unadjusted. `market.conform` checks rows against them on their way into the lake.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market import intraday
from attn_platform.market.intraday import BAR_LENGTHS
from attn_platform.market.quality import flags
from attn_platform.market.schema import (
    BOOL,
    DATE,
    FLOAT,
    INTEGER,
    TEXT,
    TIME,
    Column,
    RowRule,
    Table,
    not_less,
    symbol_column,
    within_bar,
)
from attn_platform.market.settle import (
    boolean,
    numbers,
    settled_bars,
    settled_levels,
    settled_prices,
    settled_weights,
)

MINUTE = r"^\d{2}:\d{2}$"
BOARDS = ("main", "star", "chinext", "bse")
TRADING_STATUSES = ("normal", "st", "star_st", "delisting")


def _date() -> Column:
    return Column("date", DATE, "session")


def _price(name: str, nullable: bool = True, optional: bool = False) -> Column:
    return Column(name, FLOAT, "CNY, unadjusted", nullable=nullable, above=0.0, optional=optional)


def _traded_rows_have(name: str) -> RowRule:
    return RowRule(
        columns=(name, "is_suspended"),
        states=f"a session that is not suspended has {name}",
        remedy="fill it, or set is_suspended to true",
        holds=lambda t: pc.or_(t["is_suspended"], pc.is_valid(t[name])),
    )


def _flag_guess(bars: pa.Table) -> str:
    inverted = flags.looks_inverted(boolean(bars["is_suspended"]), numbers(bars["volume"]))
    return "is_suspended looks inverted: most rows are suspended, with volume" if inverted else ""


SECURITY = Table(
    name="security",
    title="Stocks: code, name, board, listing and delisting",
    columns=(
        symbol_column(),
        Column("name", TEXT, "name as last known", nullable=True),
        Column("board", TEXT, "board", values=BOARDS),
        Column("list_date", DATE, "first day of trading", nullable=True),
        Column("delist_date", DATE, "first day without listing; null while listed", nullable=True),
        Column(
            "successor",
            TEXT,
            "code under which the company goes on from delist_date on",
            nullable=True,
            optional=True,
            is_symbol=True,
            is_exception=True,
        ),
    ),
    key=("symbol",),
    by_session=False,
    required=True,
    rules=(
        RowRule(
            columns=("successor", "delist_date"),
            states="a stock with a successor has delist_date",
            remedy="give the first session under the new code, or leave the successor out",
            holds=lambda t: pc.or_(pc.is_null(t["successor"]), pc.is_valid(t["delist_date"])),
        ),
        RowRule(
            columns=("successor", "symbol"),
            states="successor != symbol",
            remedy="give the new code, or leave the successor out",
            holds=lambda t: pc.not_equal(t["successor"], t["symbol"]),
        ),
    ),
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
        *within_bar(),
        _traded_rows_have("open"),
        _traded_rows_have("high"),
        _traded_rows_have("low"),
        RowRule(
            columns=("volume", "is_suspended"),
            states="no volume on a suspended session, and some on any other",
            remedy="correct the flag or the volume",
            holds=lambda t: pc.equal(t["is_suspended"], pc.equal(t["volume"], 0.0)),
            guess=_flag_guess,
        ),
        RowRule(
            columns=("amount", "is_suspended"),
            states="no amount on a suspended session",
            remedy="correct the flag or the amount",
            holds=lambda t: pc.or_(pc.invert(t["is_suspended"]), pc.equal(t["amount"], 0.0)),
            guess=_flag_guess,
        ),
    ),
    settle=settled_bars,
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
    settle=settled_levels,
)

INDEX_WEIGHT = Table(
    name="index_weight",
    title="Weights of index members",
    columns=(
        _date(),
        Column("index", TEXT, "csi500, csi1000, …"),
        symbol_column(),
        Column("weight", FLOAT, "fraction (percent is divided); sums to 1 by date and index", minimum=0.0),
    ),
    key=("date", "index", "symbol"),
    by_session=True,
    required=True,
    dates=("date",),
    settle=settled_weights,
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
    title="Bars within the session, of one minute or longer",
    columns=(
        _date(),
        symbol_column(),
        Column(
            "minute", TEXT, "the bar's end, 09:31 … 15:00; an opening auction apart: 09:25 or 09:30", pattern=MINUTE
        ),
        _price("open", nullable=False),
        _price("high", nullable=False),
        _price("low", nullable=False),
        _price("close", nullable=False),
        Column("volume", FLOAT, "shares", minimum=0.0),
        Column("amount", FLOAT, "CNY", minimum=0.0),
        Column("trades", FLOAT, "number of trades", nullable=True, minimum=0.0, optional=True),
        Column("bar_minutes", INTEGER, "length of the bars of that day; without it: 1", nullable=True, optional=True),
    ),
    key=("date", "symbol", "minute"),
    by_session=True,
    is_intraday=True,
    dates=("date",),
    rules=(
        *within_bar(),
        RowRule(
            columns=("minute", "bar_minutes"),
            states="bars without bar_minutes are of one minute",
            remedy="write the length of the bars into bar_minutes of each row, 1 where they are of one minute",
            holds=intraday.is_stated_length,
            guess=intraday.length_guess,
        ),
        RowRule(
            columns=("bar_minutes",),
            states="bars of one day are of one length: " + ", ".join(map(str, BAR_LENGTHS)) + " minutes",
            remedy="give bars of one length, and write it into each row",
            holds=intraday.has_one_length,
        ),
        RowRule(
            columns=("minute", "bar_minutes"),
            states="a bar ends within the trading hours, on a multiple of its length",
            remedy="give the exchange's time (Asia/Shanghai) of the bar's end, and bar_minutes where it is not 1",
            holds=intraday.ends_a_bar,
            guess=intraday.minute_guess,
        ),
    ),
    settle=settled_prices,
)


def _time() -> Column:
    return Column("time", TIME, "HH:MM:SS.mmm, of the exchange")


def _in_session() -> RowRule:
    return RowRule(
        columns=("time",),
        states="a time of the session, 09:15 to 15:30",
        remedy="give the exchange's time (Asia/Shanghai), and leave out what lies before the opening auction",
        holds=intraday.is_in_session,
        guess=intraday.time_guess,
    )


TRANSACTION = Table(
    name="transaction",
    title="Tick-by-tick trades",
    columns=(
        _date(),
        symbol_column(),
        _time(),
        _price("price", nullable=False),
        Column("volume", FLOAT, "shares", above=0.0),
        Column("buy_order", INTEGER, "order number of the buyer, 0 where it is unknown", minimum=0.0),
        Column("sell_order", INTEGER, "order number of the seller, 0 where it is unknown", minimum=0.0),
        Column("side", TEXT, "aggressor: buy or sell", nullable=True, values=("buy", "sell"), optional=True),
        Column("sequence", INTEGER, "number of the trade within its stock and day", nullable=True, optional=True),
    ),
    key=("date", "symbol", "time", "buy_order", "sell_order", "sequence"),
    by_session=True,
    is_intraday=True,
    dates=("date",),
    rules=(_in_session(),),
)

BOOK_LEVELS = range(1, 6)


def _side_of_book(side: str) -> RowRule:
    price, volume = f"{side}_price_1", f"{side}_volume_1"
    return RowRule(
        columns=(price, volume),
        states="a best price has a volume, and a volume a price",
        remedy="where nobody bids or asks, leave both empty or 0",
        holds=lambda t: pc.equal(_positive(t[price]), _positive(t[volume])),
    )


def _positive(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.greater(column, 0.0), False)


BOOK_SNAPSHOT = Table(
    name="book_snapshot",
    title="Snapshots of the best five levels",
    columns=(
        _date(),
        symbol_column(),
        _time(),
        *(
            Column(f"{side}_{what}_{level}", FLOAT, unit, nullable=True, minimum=0.0)
            for side in ("bid", "ask")
            for what, unit in (("price", "CNY"), ("volume", "shares"))
            for level in BOOK_LEVELS
        ),
    ),
    key=("date", "symbol", "time"),
    by_session=True,
    is_intraday=True,
    dates=("date",),
    rules=(
        _in_session(),
        RowRule(
            columns=("bid_price_1", "ask_price_1", "time"),
            states="from 09:30 to 14:57 the best bid is below the best ask",
            remedy="a crossed book is a vendor's error or an auction; correct it, or leave the snapshot out",
            holds=intraday.is_not_crossed,
        ),
        _side_of_book("bid"),
        _side_of_book("ask"),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SECURITY, INDUSTRY, DAILY_BAR, VALUATION, CONSENSUS, INDEX_BAR, INDEX_WEIGHT,
        FUNDAMENTAL, MINUTE_BAR, TRANSACTION, BOOK_SNAPSHOT,
    )
}  # fmt: skip
"""All raw tables that the platform knows, in the order in which a reader should meet them."""

INTRADAY_TABLES = tuple(name for name, table in TABLES.items() if table.is_intraday)
"""Those with many rows a stock and session."""
