"""Contract files of intraday tables: what is refused, with file, row, column and remedy, and what is taken."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from attn_platform.errors import BadInputError, SourceError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.contract import BOOK_SNAPSHOT, MINUTE_BAR, TRANSACTION
from attn_platform.market.intraday import bar_ends, label_of
from attn_platform.market.lake import Lake
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform.workflows.imports import import_data
from attn_platform_tests.market.vendor_files import contract_tables, tree, with_cell, write_files

CALENDAR = exchange_calendar()
DAY = datetime.date(2021, 1, 4)
Change = Callable[[pa.Table], pa.Table]


def bars(length: int, stated: bool = True, shift: int = 0) -> pa.Table:
    """A day's bars of one stock; `shift` moves the labels by so many minutes."""
    rows = [
        {"date": DAY, "symbol": "600000.SH", "minute": label_of(int(end) + shift), "volume": 100.0, "amount": 1000.0}
        | dict.fromkeys(("open", "high", "low", "close"), 10.0)
        | ({"bar_minutes": length} if stated else {})
        for end in bar_ends(length)
    ]
    return pa.Table.from_pylist(rows, schema=MINUTE_BAR.schema)


def trades() -> pa.Table:
    times = ((9, 31, 0), (9, 30, 5), (9, 30, 5))
    rows = [
        {"date": DAY, "symbol": "600000.SH", "time": datetime.time(*time), "price": 10.0, "volume": 100.0}
        | {"buy_order": 7 - at, "sell_order": 3, "sequence": at}
        for at, time in enumerate(times)
    ]
    return pa.Table.from_pylist(rows, schema=TRANSACTION.schema)


def book() -> pa.Table:
    rows = [
        {"date": DAY, "symbol": "600000.SH", "time": datetime.time(9, minute)}
        | {"bid_price_1": bid, "bid_volume_1": 100.0 * (bid > 0), "ask_price_1": ask, "ask_volume_1": 100.0 * (ask > 0)}
        for minute, bid, ask in ((15, 0.0, 0.0), (31, 10.0, 10.01), (32, 10.0, 10.02))
    ]
    return pa.Table.from_pylist(rows, schema=BOOK_SNAPSHOT.schema)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake that holds the daily tables."""
    folder = tmp_path_factory.mktemp("daily")
    lake = Lake(folder / "lake")
    import_contract_files(write_files(folder / "files", contract_tables()), lake, CALENDAR)
    return lake


def cell(row: int, column: str, value: object) -> Change:
    return lambda table: with_cell(table, row, column, value)


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(2, 1)])


# table, what is wrong with it, words of the message
REFUSED: dict[str, tuple[str, Callable[[], pa.Table], str]] = {
    "after hours": (
        "minute_bar",
        lambda: cell(9, "minute", "15:01")(bars(1)),
        r"row 10 \(date 2021-01-04, symbol 600000.SH\), columns 'minute' and 'bar_minutes': 15:01, 1, where the "
        "contract wants a bar ends within the trading hours, on a multiple of its length; give the exchange's time",
    ),
    "in the lunch break": ("minute_bar", lambda: cell(3, "minute", "12:00")(bars(1)), "row 4 .*: 12:00, 1, where"),
    "off the grid": ("minute_bar", lambda: cell(3, "minute", "10:31")(bars(15)), "row 4 .*: 10:31, 15, where"),
    "named by their begin": (
        "minute_bar",
        lambda: bars(1, shift=-1),
        "bars look named by their begin: give their ends; row 121 .*: 13:00, 1, where",
    ),
    "15 minutes named by their begin": (
        "minute_bar",
        lambda: bars(15, shift=-15),
        "bars look named by their begin: give their ends; row 9 ",
    ),
    "in UTC": (
        "minute_bar",
        lambda: bars(5, shift=-480),
        "most are trading hours in UTC: add eight hours; row 1 ",
    ),
    "in UTC without a length": (
        "minute_bar",
        lambda: bars(15, stated=False, shift=-480),
        "most are trading hours in UTC: add eight hours; row 1 ",
    ),
    "twice": ("minute_bar", lambda: twice(bars(1)), r"rows 3 and 241 have the same key \(.*minute 09:33\)"),
    "of two lengths": (
        "minute_bar",
        lambda: pa.concat_tables([bars(15), cell(0, "symbol", "000001.SZ")(bars(30)).slice(0, 1)]),
        "row 17 .*column 'bar_minutes': 30, where the contract wants bars of one day are of one length",
    ),
    "of no such length": ("minute_bar", lambda: cell(0, "bar_minutes", 7)(bars(15).slice(0, 1)), "'bar_minutes': 7, "),
    **{
        f"of {length} minutes without saying so": (
            "minute_bar",
            lambda length=length: bars(length, stated=False),
            f"bars look {length} minutes long; row 1 .*, columns 'minute' and 'bar_minutes': .*, nothing, where the "
            "contract wants bars without bar_minutes are of one minute; write the length of the bars into bar_minutes",
        )
        for length in (5, 15, 30, 60)
    },
    "order number below zero": (
        "transaction",
        lambda: cell(1, "buy_order", -1)(trades()),
        "row 2 .*column 'buy_order': -1, where the contract wants at least 0; correct it at its source",
    ),
    "no order number": (
        "transaction",
        lambda: cell(2, "sell_order", None)(trades()),
        r"row 3 .*column 'sell_order': nothing, where the contract wants a value \(order number of the seller, 0 where "
        "it is unknown\\); fill it or drop the row",
    ),
    "trade before the auction": (
        "transaction",
        lambda: cell(0, "time", datetime.time(9, 14, 59))(trades()),
        "row 1 .*'time': 09:14:59, where the contract wants a time of the session, 09:15 to 15:30; give the exchange's",
    ),
    "trades in UTC": (
        "transaction",
        lambda: trades().set_column(2, "time", pa.array([datetime.time(1, 31)] * 3, pa.time32("ms"))),
        "most are trading hours in UTC: add eight hours; row 1 ",
    ),
    "crossed book": (
        "book_snapshot",
        lambda: cell(1, "bid_price_1", 10.01)(book()),
        "row 2 .*columns 'bid_price_1' and 'ask_price_1' and 'time': 10.01, 10.01, 09:31:00, where the contract "
        "wants from 09:30 to 14:57 the best bid is below the best ask; a crossed book is a vendor's error",
    ),
    "price without volume": (
        "book_snapshot",
        lambda: cell(2, "ask_volume_1", 0.0)(book()),
        "row 3 .*columns 'ask_price_1' and 'ask_volume_1': 10.02, 0.0, where",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_bad_input_is_named_and_nothing_is_left_of_it(fault: str, lake: Lake, tmp_path: Path) -> None:
    table, made, words = REFUSED[fault]
    files = write_files(tmp_path, {table: made()})
    before = tree(lake.root)
    with pytest.raises(BadInputError) as raised:
        import_contract_files(files, lake, CALENDAR)
    message = str(raised.value)
    assert message.startswith(f"{files / table}.parquet: ")
    assert re.search(words, message), message
    assert "\n" not in message
    assert tree(lake.root) == before


def test_a_truncated_file_is_named_and_nothing_is_left(lake: Lake, tmp_path: Path) -> None:
    """Of two files the second one is cut."""
    files = write_files(tmp_path, {"minute_bar": bars(15), "transaction": trades()})
    path, before = files / "transaction.parquet", tree(lake.root)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=rf"{path}: no readable Parquet file .*; fetch it again"):
        import_contract_files(files, lake, CALENDAR)
    assert tree(lake.root) == before


@pytest.mark.parametrize("length", [1, 5, 15, 30, 60])
def test_bars_of_any_length_are_taken_where_they_say_it(length: int, tmp_path: Path) -> None:
    tables = {**contract_tables(), "minute_bar": bars(length, stated=length > 1)}
    lake = Lake(tmp_path / "lake")
    report = import_contract_files(write_files(tmp_path / "files", tables), lake, CALENDAR)
    assert report.rows["minute_bar"] == 240 // length


def test_bars_of_an_opening_auction_are_taken(lake: Lake, tmp_path: Path) -> None:
    """The auction's own bar, at 09:25 or (as some vendors have it) 09:30, says nothing about the length."""
    with_auction = pa.concat_tables([cell(0, "minute", "09:25")(bars(1, stated=False)).slice(0, 1), bars(1, False)])
    report = import_contract_files(write_files(tmp_path, {"minute_bar": with_auction}), lake, CALENDAR)
    assert report.rows == {"minute_bar": 241}


def test_times_out_of_order_are_sorted_and_empty_sides_kept(lake: Lake, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"transaction": trades(), "book_snapshot": book().take([2, 0, 1])})
    import_contract_files(files, lake, CALENDAR)
    held = lake.read("transaction")
    assert [str(time) for time in held["time"].to_pylist()] == ["09:30:05", "09:30:05", "09:31:00"]
    assert held["buy_order"].to_pylist() == [5, 6, 7]
    snapshots = lake.read("book_snapshot")
    assert [time.minute for time in snapshots["time"].to_pylist()] == [15, 31, 32]
    assert snapshots["bid_price_1"].to_pylist() == [0.0, 10.0, 10.0]


def test_intraday_tables_alone_need_a_lake_with_daily_bars(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", {"minute_bar": bars(15)})
    with pytest.raises(
        SourceError, match=r"holds intraday tables alone, and the lake no daily_bar .*; import the daily"
    ):
        import_contract_files(files, Lake(tmp_path / "lake"), CALENDAR)


def test_a_home_keeps_what_it_knows_of_its_daily_tables(tmp_path: Path) -> None:
    """Bars that come later, on all sessions, change neither the scheme nor what else is known to be missing."""
    daily = {**contract_tables()}
    daily["daily_bar"] = daily["daily_bar"].drop_columns(["vwap"])
    import_data(tmp_path / "home", "contract", write_files(tmp_path / "daily", daily))
    days = sorted(set(daily["daily_bar"]["date"].to_pylist()))
    of_all = pa.concat_tables([bars(15).set_column(0, "date", pa.array([day] * 16, pa.date32())) for day in days])
    done = import_data(tmp_path / "home", "contract", write_files(tmp_path / "bars", {"minute_bar": of_all}))
    source = done.home.settings.source
    assert "daily_bar.vwap" in source.absent_columns
    assert "minute_bar.trades" in source.absent_columns, "the table is new, and no row has a number of trades"
    assert "minute_bar" not in done.home.absent_tables
    assert (done.scheme_before, done.scheme) == ("citic_l1", "citic_l1")
    assert len(done.home.lake.sessions("minute_bar")) == len(days)
