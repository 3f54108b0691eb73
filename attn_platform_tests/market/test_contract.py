"""The contract's schemas, and the check of every row: whatever is spoilt is named by row and column."""

import datetime
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.conform import conform, from_text
from attn_platform.market.contract import TABLES
from attn_platform.market.dense import DENSE_TABLES
from attn_platform.market.schema import FLOAT, Column, Table
from attn_platform.workflows.raw_tables import SESSION_TABLES, STATIC_TABLES
from attn_platform_tests.market.vendor_files import contract_tables, table_of, with_cell

CALENDAR = exchange_calendar()
VALID = contract_tables()
NO_SESSION = datetime.date(2021, 1, 1)

# The tables and columns of the data contract, as its text names them.
COLUMNS = {
    "security": "symbol name board list_date delist_date",
    "daily_bar": "date symbol open high low close pre_close vwap volume amount turnover_rate adj_factor up_limit "
    "down_limit is_suspended trading_status",
    "valuation": "date symbol total_mv float_mv pb_lf pe_ttm pcf_ocf_ttm dividend_12m",
    "consensus": "date symbol eps_fy1 roe_fy1 net_profit_fy1",
    "fundamental": "symbol report_period announced revenue net_profit_parent operating_cash_flow total_assets "
    "equity_parent invested_capital gross_profit ebit_after_tax current_liabilities total_liabilities",
    "industry": "symbol scheme code name in_date out_date",
    "index_bar": "date index open high low close volume amount",
    "index_weight": "date index symbol weight",
    "minute_bar": "date symbol minute open high low close volume amount trades",
    "transaction": "date symbol time price volume buy_order sell_order side",
    "book_snapshot": "date symbol time bid_price_1 bid_price_5 bid_volume_1 bid_volume_5 ask_price_1 ask_price_5 "
    "ask_volume_1 ask_volume_5",
}


def conformed(name: str, data: pa.Table) -> pa.Table:
    return conform(data, TABLES[name], "file.parquet", CALENDAR)


def invalid_cells(table: Table, column: Column) -> list[object]:
    """Values that no row may have in this column, whatever the other columns say."""
    values: list[object] = []
    if not column.nullable:
        values.append(None)
    if column.minimum is not None or column.above is not None:
        values.append(-0.01)
    if column.above is not None:
        values.append(0.0)
    if column.type == FLOAT:
        values += [float("inf"), float("-inf")]
    if column.values is not None:
        values.append("bogus")
    if column.is_symbol:
        values += ["", "600000", "600000.XX", "60000０.SH", "x600000.SH", "600000.SZ", "000001.SH", "900901.SH"]
    if column.name in table.dates:
        values += [NO_SESSION, datetime.date(2021, 1, 3), datetime.date(2035, 1, 3)]
    return values


SPOILABLE = [
    (name, column.name, value)
    for name in VALID
    for column in TABLES[name].columns
    for value in invalid_cells(TABLES[name], column)
    if not (column.name in ("up_limit", "down_limit") and value == 0)  # how vendors write "no limit"
]
HALTED = 7  # the suspended bar: it has no prices and no volume, whatever stands there


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_columns_of_the_contract(name: str) -> None:
    assert set(COLUMNS[name].split()) <= {column.name for column in TABLES[name].columns}


def test_what_the_platform_holds_of_a_table_follows_from_its_declaration() -> None:
    assert STATIC_TABLES == ("security", "industry", "fundamental")
    assert SESSION_TABLES == ("daily_bar", "valuation", "consensus", "index_bar", "index_weight")
    assert DENSE_TABLES == ("daily_bar", "valuation", "consensus")
    intraday = set(TABLES) - set(STATIC_TABLES) - set(SESSION_TABLES)
    assert intraday == {"minute_bar", "transaction", "book_snapshot"}


def test_the_contract_has_no_other_tables() -> None:
    assert set(TABLES) == set(COLUMNS)


@pytest.mark.parametrize("name", VALID)
def test_valid_tables_pass_unchanged(name: str) -> None:
    assert conformed(name, VALID[name]).equals(VALID[name])


@pytest.mark.parametrize(("name", "column", "value"), SPOILABLE, ids=str)
@given(data=st.data())
def test_a_spoilt_cell_is_named_by_row_and_column(name: str, column: str, value: object, data: st.DataObject) -> None:
    rows = [row for row in range(VALID[name].num_rows) if not (name == "daily_bar" and row == HALTED)]
    row = data.draw(st.sampled_from(rows))
    spoilt = with_cell(VALID[name], row, column, value)
    with pytest.raises(ContractError) as raised:
        conformed(name, spoilt)
    message = str(raised.value)
    assert message.startswith("file.parquet: row ")
    assert re.search(r"row (\d+)\b", message)[1] == str(row + 1), message
    assert f"'{column}'" in message
    assert "\n" not in message


@given(st.data())
def test_a_duplicate_key_is_named_by_both_rows(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(VALID)))
    rows = VALID[name].to_pylist()
    copied = data.draw(st.integers(0, len(rows) - 1))
    at = data.draw(st.integers(0, len(rows)))
    rows.insert(at, dict(rows[copied]))
    original = copied + (at <= copied)
    with pytest.raises(ContractError, match="same key") as raised:
        conformed(name, pa.Table.from_pylist(rows, schema=VALID[name].schema))
    first, second = sorted((original, at))
    assert f"rows {first + 1} and {second + 1} have the same key" in str(raised.value)
    assert f"column '{TABLES[name].key[-1]}'" in str(raised.value)


@pytest.mark.parametrize(
    ("column", "value", "columns"),
    [
        ("low", 99.0, "columns 'high' and 'low'"),
        ("open", 99.0, "columns 'high' and 'open'"),
        ("close", 99.0, "columns 'high' and 'close'"),
        ("open", 1.0, "columns 'open' and 'low'"),
        ("close", 1.0, "columns 'close' and 'low'"),
        ("high", None, "columns 'high' and 'is_suspended'"),
        ("low", None, "columns 'low' and 'is_suspended'"),
        ("open", None, "columns 'open' and 'is_suspended'"),
    ],
)
def test_rules_over_several_columns_name_them_all(column: str, value: float | None, columns: str) -> None:
    with pytest.raises(ContractError) as raised:
        conformed("daily_bar", with_cell(VALID["daily_bar"], 4, column, value))
    assert f"row 5 (date 2020-12-30, symbol 300001.SZ), {columns}" in str(raised.value)


def test_high_below_low_shows_both_prices_and_what_to_do() -> None:
    with pytest.raises(ContractError) as raised:
        conformed("daily_bar", with_cell(VALID["daily_bar"], 0, "high", 9.5))
    assert str(raised.value) == (
        "file.parquet: row 1 (date 2020-12-29, symbol 000001.SZ), columns 'high' and 'low': 9.5, 9.8, "
        "where the contract wants high >= low; correct the bar at its source"
    )


def test_more_rows_of_the_same_fault_are_counted() -> None:
    data = VALID["daily_bar"]
    column = pa.array([-1.0 if at in (2, 7, 11) else 1.0 for at in range(data.num_rows)])
    with pytest.raises(ContractError, match=r"row 3 .*'volume': -1\.0.*at least 0.*\(2 more such rows\)"):
        conformed("daily_bar", data.set_column(data.column_names.index("volume"), "volume", column))


def test_unknown_missing_and_repeated_columns_are_named() -> None:
    data = VALID["valuation"]
    with pytest.raises(ContractError, match=r"column 'pb' is not in table valuation; remove it or rename it to one of"):
        conformed("valuation", data.append_column("pb", pa.nulls(data.num_rows)))
    with pytest.raises(ContractError, match=r"column 'pb_lf' of table valuation is missing; add it"):
        conformed("valuation", data.drop_columns("pb_lf"))
    with pytest.raises(ContractError, match=r"column 'pb_lf' stands 2 times"):
        conformed("valuation", data.append_column("pb_lf", data["pb_lf"]))


def test_a_vendors_own_columns_are_told_what_they_are_and_in_which_unit() -> None:
    names = {"date": "日期", "symbol": "股票代码", "open": "开盘", "volume": "成交量", "turnover_rate": "换手率"}
    data = VALID["daily_bar"].rename_columns([names.get(name, name) for name in VALID["daily_bar"].column_names])
    with pytest.raises(ContractError) as raised:
        conformed("daily_bar", data)
    assert str(raised.value) == (
        "file.parquet: column '日期' is not in table daily_bar; rename 日期 to date, 股票代码 to symbol, 开盘 to open, "
        "成交量 to volume (comes in lots: times 100), 换手率 to turnover_rate (comes in percent: divided by 100)"
    )


def test_an_optional_column_may_be_absent_and_enters_as_null() -> None:
    data = conformed("daily_bar", VALID["daily_bar"].drop_columns(["vwap", "up_limit"]))
    assert data.schema == TABLES["daily_bar"].schema
    assert data["vwap"].null_count == data["up_limit"].null_count == data.num_rows


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(ContractError, match="table daily_bar has no rows"):
        conformed("daily_bar", VALID["daily_bar"].slice(0, 0))


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("close", pa.bool_()),
        ("close", pa.list_(pa.float64())),
        ("close", pa.timestamp("us")),
        ("is_suspended", pa.int64()),
        ("date", pa.time64("us")),
        ("date", pa.duration("s")),
        ("symbol", pa.int64()),
        ("symbol", pa.binary()),
        ("trading_status", pa.float64()),
    ],
)
def test_a_wrong_type_is_named(column: str, type_: pa.DataType) -> None:
    data = VALID["daily_bar"]
    values = pa.array([None] * (data.num_rows - 1) + [_sample(type_)], type=type_)
    spoilt = data.set_column(data.column_names.index(column), column, values)
    with pytest.raises(ContractError, match=rf"row 1, column '{column}': its type is {re.escape(str(type_))}, where"):
        conformed("daily_bar", spoilt)


def _sample(type_: pa.DataType) -> object:
    if pa.types.is_list(type_):
        return [1.0]
    return pa.scalar(b"1" if type_ == pa.binary() else 1).cast(type_).as_py() if type_ != pa.bool_() else True


@given(row=st.integers(0, 17), junk=st.sampled_from(["abc", "1,000", "12.5 CNY", "--"]))
def test_text_among_numbers_is_named_by_its_row(row: int, junk: str) -> None:
    data = VALID["daily_bar"]
    cells = [str(value) for value in data["close"].to_pylist()]
    cells[row] = junk
    spoilt = data.set_column(data.column_names.index("close"), "close", pa.array(cells))
    with pytest.raises(ContractError, match=rf"row {row + 1}, column 'close': the text '{re.escape(junk)}', where"):
        conformed("daily_bar", spoilt)


def test_numbers_as_text_are_a_wrong_type_in_a_typed_file() -> None:
    data = VALID["daily_bar"]
    text = data.set_column(data.column_names.index("close"), "close", data["close"].cast(pa.string()))
    with pytest.raises(ContractError, match=r"row 1, column 'close': the text '10', where .* a number"):
        conformed("daily_bar", text)


def test_types_that_mean_the_same_are_converted() -> None:
    data = VALID["daily_bar"]
    same = {
        "date": data["date"].cast(pa.timestamp("ns")),
        "symbol": data["symbol"].combine_chunks().dictionary_encode(),
        "volume": data["volume"].cast(pa.int32()),
        "adj_factor": data["adj_factor"].cast(pa.float32()),
        "trading_status": data["trading_status"].cast(pa.large_string()),
        "amount": data["amount"].cast(pa.decimal128(20, 4)),
    }
    changed = data
    for name, values in same.items():
        changed = changed.set_column(changed.column_names.index(name), name, values)
    assert conformed("daily_bar", changed.select(sorted(changed.column_names))).equals(data)
    as_text = data.set_column(0, "date", data["date"].cast(pa.string()))
    assert conformed("daily_bar", as_text).equals(data)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "+09:00"])
@pytest.mark.parametrize("hour", [0, 15])
def test_sessions_of_zoned_timestamps_are_the_days_in_shanghai(zone: str, hour: int) -> None:
    data = VALID["index_bar"]
    instants = [np.datetime64(day, "s") + np.timedelta64(hour - 8, "h") for day in data["date"].to_pylist()]
    zoned = pa.array(np.array(instants), type=pa.timestamp("s")).cast(pa.timestamp("s", zone))
    assert conformed("index_bar", data.set_column(0, "date", zoned)).equals(data)


def test_times_that_could_be_another_day_are_refused_with_the_row_and_the_remedy() -> None:
    data = VALID["index_bar"]
    days = np.array(data["date"].to_pylist(), dtype="M8[s]")

    def refused(times: np.ndarray, zone: str | None) -> str:
        column = pa.array(times).cast(pa.timestamp("s", zone))
        with pytest.raises(ContractError) as raised:
            conformed("index_bar", data.set_column(0, "date", column))
        return str(raised.value)

    late = days + np.where(np.arange(len(days)) == 1, 16 * 3600, 0).astype("m8[s]")
    assert refused(late, None) == (
        "file.parquet: row 2, column 'date': '2020-12-30 16:00', where the contract wants a date (YYYY-MM-DD) "
        "(session); it is a time without a zone; as a time in UTC it would be 2020-12-31 00:00 in Shanghai: convert "
        "it to Asia/Shanghai before the zone is dropped, or write the date alone (YYYY-MM-DD)"
    )
    assert "row 1, column 'date': '2020-12-29 00:00 UTC'" in refused(days, "UTC")
    assert "in Shanghai 2020-12-29 08:00, neither midnight nor 15:00: where 2020-12-29 is meant" in refused(days, "UTC")


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y/%m/%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT15:00"])
def test_dates_as_text_and_as_whole_numbers(form: str) -> None:
    data = VALID["index_bar"]
    text = [f"{day:{form}}" for day in data["date"].to_pylist()]
    assert conformed("index_bar", data.set_column(0, "date", pa.array(text))).equals(data)
    as_text = pa.table({name: data[name].cast(pa.string()) for name in data.column_names})
    assert from_text(as_text.set_column(0, "date", pa.array(text)), TABLES["index_bar"], "file.csv").equals(data)
    if form == "%Y%m%d":
        assert conformed("index_bar", data.set_column(0, "date", pa.array(map(int, text)))).equals(data)


def test_a_sunday_is_told_to_be_perhaps_a_monday_in_utc() -> None:
    sunday = with_cell(VALID["index_bar"], 4, "date", datetime.date(2021, 1, 3))
    with pytest.raises(ContractError, match=r"drop the row or correct its date \(a Sunday: midnight of a Monday"):
        conformed("index_bar", sunday)
    saturday = with_cell(VALID["index_bar"], 4, "date", datetime.date(2021, 1, 2))
    with pytest.raises(ContractError, match=r"drop the row or correct its date$"):
        conformed("index_bar", saturday)


def test_codes_of_any_style_become_the_symbols() -> None:
    data = VALID["daily_bar"]
    styles = ("{1}{0}", "{1}.{0}", "{0}.{1}", " {0}.{1}")
    codes = [
        styles[row % len(styles)].format(*symbol.lower().split("."))
        for row, symbol in enumerate(data["symbol"].to_pylist())
    ]
    assert conformed("daily_bar", data.set_column(1, "symbol", pa.array(codes))).equals(data)
    with pytest.raises(ContractError, match=r"rows 1 and 2 have the same key \(date .*, symbol 000001\.SZ\)"):
        conformed("daily_bar", with_cell(with_cell(data, 0, "symbol", "SZ000001"), 1, "symbol", "000001.XSHE"))


def test_what_is_no_a_share_is_named() -> None:
    with pytest.raises(ContractError) as raised:
        conformed("daily_bar", with_cell(VALID["daily_bar"], 0, "symbol", "000001.SH"))
    assert str(raised.value) == (
        "file.parquet: row 1 (date 2020-12-29), column 'symbol': 000001.SH, where the contract wants six digits and "
        ".SH, .SZ or .BJ of an A share; it is an index of Shanghai: leave it out, or write 000001.SZ where the stock "
        "is meant"
    )


def test_nan_becomes_null_and_may_not_stand_for_a_price_that_must_be_there() -> None:
    data = conformed("valuation", with_cell(VALID["valuation"], 3, "pe_ttm", float("nan")))
    assert data["pe_ttm"].null_count == 1
    assert data["pe_ttm"][3].as_py() is None
    with pytest.raises(ContractError, match=r"row 4 .*column 'close': nan, where the contract wants a value"):
        conformed("daily_bar", with_cell(VALID["daily_bar"], 3, "close", float("nan")))


def test_weights_must_sum_to_one_by_date_and_index() -> None:
    with pytest.raises(ContractError) as raised:
        conformed("index_weight", with_cell(VALID["index_weight"], 7, "weight", 0.4))
    assert str(raised.value) == (
        "file.parquet: row 7 and the others of date 2020-12-31, index csi500, column 'weight': they sum to 1.10000000 "
        "over 3 members, where the contract wants 1; give all members once, as fractions"
    )


@pytest.mark.parametrize("column", ["list_date", "delist_date"])
def test_a_date_beyond_the_year_9999_is_named(column: str) -> None:
    data = VALID["security"]
    beyond = pa.array([None, 10**7, None], pa.int32()).cast(pa.date32())
    spoilt = data.set_column(data.column_names.index(column), column, beyond)
    with pytest.raises(
        ContractError, match=rf"row 2 .*'{column}': a day out of range, where the contract wants a date"
    ):
        conformed("security", spoilt)


def test_an_interval_must_end_after_it_began() -> None:
    with pytest.raises(ContractError, match=r"row 2 \(symbol 300001\.SZ\), columns 'out_date' and 'in_date'"):
        conformed("industry", with_cell(VALID["industry"], 1, "out_date", datetime.date(2010, 1, 4)))


def test_a_report_cannot_be_known_before_its_period_ends() -> None:
    row = {"symbol": "600000.SH", "report_period": "2020-12-31", "announced": "2020-12-30"}
    with pytest.raises(ContractError, match=r"'announced' and 'report_period': 2020-12-30, 2020-12-31"):
        conformed("fundamental", table_of([row], TABLES["fundamental"].schema))


def test_a_report_is_of_a_calendar_quarter() -> None:
    ends = ("2020-03-31", "2020-06-30", "2020-09-30", "2019-12-31")
    rows = [{"symbol": "600000.SH", "report_period": end, "announced": "2021-04-30"} for end in ends]
    data = table_of(rows, TABLES["fundamental"].schema)
    assert conformed("fundamental", data).equals(data)
    for wrong in (datetime.date(2020, 5, 31), datetime.date(2020, 12, 30), datetime.date(2021, 1, 1)):
        with pytest.raises(
            ContractError, match=rf"row 3 .*'report_period': {wrong}, where the contract wants report_per"
        ):
            conformed("fundamental", with_cell(data, 2, "report_period", wrong))


def test_an_unknown_side_of_a_trade_may_be_null_but_not_bogus() -> None:
    row = {"date": "2021-01-04", "symbol": "600000.SH", "time": "09:31:00.010", "price": 1.0, "volume": 100.0}
    rows = [{**row, "buy_order": number, "sell_order": 7, "side": None, "sequence": None} for number in range(3)]
    as_text = table_of(rows, pa.schema([*TABLES["transaction"].schema]).set(2, pa.field("time", pa.string())))
    data = conformed("transaction", as_text)
    assert data["time"].to_pylist() == [datetime.time(9, 31, 0, 10_000)] * 3
    assert conformed("transaction", data).equals(data)
    with pytest.raises(ContractError, match=r"row 2 .*column 'side': both, where the contract wants one of buy, sell"):
        conformed("transaction", with_cell(data, 1, "side", "both"))
    with pytest.raises(
        ContractError, match=r"row 1, column 'time': '9:31', where the contract wants a time of the day"
    ):
        conformed("transaction", with_cell(as_text, 0, "time", "9:31"))


@pytest.mark.parametrize("name", VALID)
def test_text_is_read_in_the_types_of_the_contract(name: str) -> None:
    as_text = pa.table({column: VALID[name][column].cast(pa.string()) for column in VALID[name].column_names})
    assert from_text(as_text, TABLES[name], "file.csv").equals(VALID[name])


@given(data=st.data())
def test_text_that_is_none_of_its_type_is_named_by_row_and_column(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(VALID)))
    table = TABLES[name]
    column = data.draw(st.sampled_from([c.name for c in table.columns if c.type != pa.string()] or [None]))
    row = data.draw(st.integers(0, VALID[name].num_rows - 1))
    junk = data.draw(st.sampled_from(["abc", "1.2.3", "2021-02-30", "12:00", "ja"]))
    as_text = pa.table({c: VALID[name][c].cast(pa.string()) for c in VALID[name].column_names})
    with pytest.raises(
        ContractError, match=rf"file\.csv: row {row + 1}, column '{column}': '{junk}', where the contract"
    ):
        from_text(with_cell(as_text, row, column, junk), table, "file.csv")
