"""The two sources of intraday data: small files worked out by hand, their faults, and the real files."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attn_platform.errors import BadInputError, ConfigurationError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.intraday import bar_ends
from attn_platform.market.lake import Lake
from attn_platform.market.quality.examine import examine
from attn_platform.market.quality.minute_bars import CHECKS
from attn_platform.market.vendors import ImportReport, importer_of
from attn_platform.market.vendors.exchange_ticks import BOOK_FILE, TRADE_FILE, import_exchange_ticks
from attn_platform.market.vendors.minute15 import BARS, import_minute15
from attn_platform_tests.market.vendor_files import tree, write_files

CALENDAR = exchange_calendar()
SESSIONS = ("2025-03-28", "2025-03-31", "2025-04-01")
STOCK, GAP, HALTED = "600000.SH", "600885.SH", "600001.SH"


def quarter(dates: tuple[str, ...]) -> pa.Table:
    """15-minute bars: a stock that rises by a fen a bar, one that opens 30 % lower on 2025-03-31, one that halts."""
    rows = []
    for date in dates:
        for symbol, first in ((STOCK, 1000), (HALTED, 500), (GAP, 2000 if date == SESSIONS[0] else 1400)):
            is_halted = symbol == HALTED and date == SESSIONS[1]
            for number, end in enumerate(bar_ends(15)):
                if is_halted and number < 15:
                    continue
                price = first + number
                moment = datetime.datetime.fromisoformat(date) + datetime.timedelta(minutes=int(end))
                rows.append(
                    {"symbol": symbol, "datetime": moment, "open_fen": price, "high_fen": price + 2}
                    | {"low_fen": price - 1, "close_fen": price + 1, "volume": 0 if is_halted else 100}
                    | {"amount": 0.0 if is_halted else float(price)}
                )
    return pa.Table.from_pylist(rows, schema=BARS.schema)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return write_files(tmp_path / "files", {"2025Q1": quarter(SESSIONS[:2]), "2025Q2": quarter(SESSIONS[2:])})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def frame(lake: Lake, table: str = "daily_bar") -> pd.DataFrame:
    data = lake.read(table).to_pandas()
    return data.assign(date=data["date"].astype(str)).set_index(["date", "symbol"]).sort_index()


def test_daily_bars_are_the_sums_of_their_bars(files: Path, lake: Lake) -> None:
    report = import_minute15(files, lake, CALENDAR)
    assert report.rows == {"security": 3, "daily_bar": 9, "minute_bar": 8 * 16}
    assert (report.first_session, report.last_session, report.is_closed) == ("2025-03-28", "2025-04-01", True)
    bar = frame(lake).loc[("2025-03-31", STOCK)]
    assert bar[["open", "high", "low", "close"]].tolist() == [10.00, 10.17, 9.99, 10.16]
    # 16 bars of 100 shares at 10.00, 10.01, … 10.15
    assert bar[["volume", "amount"]].tolist() == [1600, 16 * 1000 + sum(range(16))]
    assert bar["vwap"] == pytest.approx(10.075)
    assert bar[["pre_close", "up_limit", "down_limit", "adj_factor"]].tolist() == [10.16, 11.18, 9.14, 1.0]
    assert np.isnan(bar["turnover_rate"])
    bars = lake.read("minute_bar", "2025-03-31", "2025-03-31")
    assert " ".join(bars["minute"].to_pylist()[:16]) == (
        "09:45 10:00 10:15 10:30 10:45 11:00 11:15 11:30 13:15 13:30 13:45 14:00 14:15 14:30 14:45 15:00"
    )
    assert set(bars["bar_minutes"].to_pylist()) == {15}
    assert bars["trades"].null_count == bars.num_rows


def test_a_fall_that_no_limit_allows_is_an_ex_right_and_named(files: Path, lake: Lake) -> None:
    report = import_minute15(files, lake, CALENDAR)
    bars = frame(lake)
    before, after = (bars.loc[(date, GAP)] for date in SESSIONS[:2])
    # 20.16 at the close, 14.00 at the open after it: the adjusted price has not moved
    assert after["open"] * after["adj_factor"] == pytest.approx(before["close"] * before["adj_factor"])
    assert after[["pre_close", "down_limit"]].tolist() == [14.00, 12.60]
    # The day after opens at 14.00 again, 14.16 at the close before: within the limit
    assert bars.loc[(SESSIONS[2], GAP), "adj_factor"] == after["adj_factor"]
    [gap] = [finding for finding in report.findings if finding.check == "ex_rights_by_gap"]
    assert (gap.count, gap.examined) == (1, 8)
    assert "600885.SH 2025-03-31 (-30.6%)" in gap.text
    assert "Cash dividends and smaller ex-rights stay in the returns" in gap.text


def test_a_day_without_volume_is_a_suspended_one_without_bars(files: Path, lake: Lake) -> None:
    report = import_minute15(files, lake, CALENDAR)
    bar = frame(lake).loc[(SESSIONS[1], HALTED)]
    assert bool(bar["is_suspended"])
    assert bar[["close", "volume", "amount"]].tolist() == [5.16, 0, 0]
    held = frame(lake, "minute_bar")
    assert (SESSIONS[1], HALTED) not in held.index
    [note] = [finding for finding in report.findings if finding.check == "bars_without_volume"]
    assert note.count == 1


def test_sessions_asked_for_keep_the_factor_of_those_before(files: Path, tmp_path: Path, lake: Lake) -> None:
    import_minute15(files, lake, CALENDAR)
    part = Lake(tmp_path / "part")
    report = import_minute15(files, part, CALENDAR, first=SESSIONS[2])
    assert report.rows["daily_bar"] == 3
    assert part.read("daily_bar").equals(lake.read("daily_bar", SESSIONS[2], SESSIONS[2]))


def test_an_import_again_changes_nothing(files: Path, lake: Lake) -> None:
    import_minute15(files, lake, CALENDAR)
    before = tree(lake.root)
    import_minute15(files, lake, CALENDAR)
    assert tree(lake.root) == before


def cell(table: pa.Table, row: int, column: str, value: object) -> pa.Table:
    rows = table.to_pylist()
    rows[row][column] = value
    return pa.Table.from_pylist(rows, schema=table.schema)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("high_fen", 999, "row 1 (symbol 600000.SH), columns 'high_fen' and 'open_fen': 999, 1000"),
        ("low_fen", 0, "column 'low_fen': 0, where the contract wants more than 0"),
        ("symbol", "900901.SH", "row 1, column 'symbol': 900901.SH, where the contract wants six digits"),
        (
            "datetime",
            datetime.datetime(2025, 3, 28, 9, 31),
            "column 'datetime': 2025-03-28 09:31:00, where the contract",
        ),
        (
            "datetime",
            datetime.datetime(2025, 3, 28, 10),
            "have the same key (symbol 600000.SH, datetime 2025-03-28 10:00",
        ),
        (
            "datetime",
            datetime.datetime(2025, 3, 29, 9, 45),
            "2025-03-29 09:45:00, where the contract wants a session of",
        ),
        ("volume", None, "column 'volume': nothing, where the contract wants a value (shares)"),
    ],
)
def test_a_bad_row_is_named(files: Path, lake: Lake, column: str, value: object, words: str) -> None:
    path = files / "2025Q1.parquet"
    pq.write_table(cell(quarter(SESSIONS[:2]), 0, column, value), path)
    with pytest.raises(BadInputError) as raised:
        import_minute15(files, lake, CALENDAR)
    assert str(raised.value).startswith(f"{path}: ")
    assert words in str(raised.value)
    assert not lake.root.exists()


def test_a_file_that_cannot_be_used_is_named(files: Path, tmp_path: Path, lake: Lake) -> None:
    pq.write_table(quarter(SESSIONS[1:]), files / "2025Q2.parquet")
    with pytest.raises(BadInputError, match=r"2025Q2\.parquet: session 2025-03-31 is not later than those of the file"):
        import_minute15(files, lake, CALENDAR)
    with pytest.raises(BadInputError, match=r"holds no YYYYQn\.parquet; give the folder that holds the quarters'"):
        import_minute15(tmp_path, lake, CALENDAR)
    (files / "2025Q2.parquet").write_bytes((files / "2025Q1.parquet").read_bytes()[:-20])
    with pytest.raises(BadInputError, match=r"2025Q2.parquet: no readable Parquet file .*; fetch it again"):
        import_minute15(files, lake, CALENDAR)
    assert not lake.root.exists()


@pytest.mark.parametrize("vendor", ["minute15", "exchange_ticks"])
def test_rows_cannot_be_put_aside_of_what_is_summed(files: Path, lake: Lake, vendor: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--quarantine does not go with {vendor}: .*; correct the file"):
        importer_of(vendor)(files, lake, CALENDAR, quarantine=True)


# --- trades, order books, one-minute bars ---


def ticks(folder: Path) -> Path:
    """Three trades and four snapshots of a stock, of which one repeats the time of another, and one is too early."""
    trade = {"code": "SH600000", "date": datetime.date(2023, 2, 1), "buy_no": 5, "sell_no": 3}
    trades = [
        trade | {"time": datetime.time(9, 25), "price": 7.4, "qty": 300, "bs": "N"},
        trade | {"time": datetime.time(9, 31), "price": 7.42, "qty": 100, "bs": "B", "buy_no": 9},
        trade | {"time": datetime.time(9, 31), "price": 7.38, "qty": 200, "bs": "2", "buy_no": 7},
        trade | {"time": datetime.time(15), "price": 7.39, "qty": 100, "bs": None},
    ]
    snapshot = {"date": datetime.date(2023, 2, 1), "symbol": "600000.SH", "status": "TRADE"}
    book = [
        snapshot | {"time": datetime.time(9, 14, 59), "status": "OCALL"},
        snapshot | {"time": datetime.time(9, 31), "bid_price_1": 7.4, "bid_volume_1": 100.0, "bid_price_6": 7.3},
        snapshot | {"time": datetime.time(9, 31), "bid_price_1": 7.41, "bid_volume_1": 200.0},
        snapshot | {"time": datetime.time(15, 5), "status": "ENDTR"},
    ]
    return write_files(
        folder,
        {
            "ticks/transactions.parquet": pa.Table.from_pylist(trades, schema=TRADE_FILE.schema),
            "level2/book_snapshot.parquet": pa.Table.from_pylist(book, schema=BOOK_FILE.schema),
        },
    )


def test_trades_sum_to_a_daily_bar_and_books_keep_five_levels(tmp_path: Path, lake: Lake) -> None:
    report = import_exchange_ticks(ticks(tmp_path / "files"), lake, CALENDAR)
    assert report.rows == {"security": 1, "transaction": 4, "book_snapshot": 1, "daily_bar": 1}
    [bar] = lake.read("daily_bar").to_pylist()
    assert [bar[name] for name in ("open", "high", "low", "close", "volume")] == [7.4, 7.42, 7.38, 7.39, 700.0]
    # 300 × 7.40 + 100 × 7.42 + 200 × 7.38 + 100 × 7.39
    assert bar["amount"] == 5177.0
    assert bar["vwap"] == pytest.approx(5177 / 700)
    assert [bar[name] for name in ("pre_close", "up_limit", "turnover_rate")] == [None] * 3
    trades = lake.read("transaction")
    assert trades["side"].to_pylist() == [None, "buy", "sell", None]
    assert trades["sequence"].to_pylist() == [1, 2, 3, 4], "trades of one moment stay in the order of the file"
    [snapshot] = lake.read("book_snapshot").to_pylist()
    assert (snapshot["bid_price_1"], snapshot["bid_volume_1"]) == (7.41, 200.0)
    assert "bid_price_6" not in snapshot
    notes = {finding.check: finding.count for finding in report.findings}
    assert notes == {"snapshots_outside_trading": 2, "snapshots_of_one_time": 1}
    assert "minute_bar" in report.absent_tables
    assert "transaction" not in report.absent_tables


def test_faults_of_ticks_are_named(tmp_path: Path, lake: Lake) -> None:
    files = ticks(tmp_path / "files")
    path = files / "ticks/transactions.parquet"
    trades = pq.read_table(path)
    for column, value, words in (
        ("qty", 0, "row 1 .*column 'qty': 0, where the contract wants more than 0"),
        ("bs", "X", "row 1 .*column 'bs': X, where the contract wants one of B, 1, S, 2, N, 0"),
        (
            "time",
            datetime.time(9, 14),
            "row 1 .*column 'time': 09:14:00, where the contract wants a time of the session",
        ),
    ):
        pq.write_table(cell(trades, 0, column, value), path)
        with pytest.raises(BadInputError, match=f"^{path}: {words}"):
            import_exchange_ticks(files, lake, CALENDAR)
    path.unlink()
    with pytest.raises(BadInputError, match=r"holds neither ticks/transactions\.parquet nor ticks/minute_"):
        import_exchange_ticks(files, lake, CALENDAR)
    assert not lake.root.exists()


# --- the real files ---


@pytest.fixture(scope="module")
def bars15(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, ImportReport]:
    lake = Lake(tmp_path_factory.mktemp("minute15"))
    return lake, import_minute15(real_data.parent / "minute15", lake, CALENDAR)


@pytest.fixture(scope="module")
def samples(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, ImportReport]:
    lake = Lake(tmp_path_factory.mktemp("ticks"))
    return lake, import_exchange_ticks(real_data.parent, lake, CALENDAR)


@pytest.mark.slow
@pytest.mark.real_data
def test_real_bars_sum_to_their_days(bars15: tuple[Lake, ImportReport], real_data: Path) -> None:
    lake, report = bars15
    assert report.rows == {"security": 600, "daily_bar": 179_588, "minute_bar": 2_869_136}
    assert len(lake.sessions("daily_bar")) == 300
    day = "2025-06-19"
    of_file = pd.read_parquet(real_data.parent / "minute15" / "2025Q2.parquet")
    of_file = of_file[(of_file["datetime"].dt.strftime("%Y-%m-%d") == day) & (of_file["symbol"] == "600885.SH")]
    bar = frame(lake).loc[(day, "600885.SH")]
    assert bar["volume"] == sum(of_file["volume"])
    assert bar["amount"] == pytest.approx(sum(of_file["amount"]))
    assert bar["high"] == max(of_file["high_fen"]) / 100
    assert bar["low"] == min(of_file["low_fen"]) / 100
    assert (bar["open"], bar["close"]) == (of_file["open_fen"].iloc[0] / 100, of_file["close_fen"].iloc[-1] / 100)
    assert examine(lake, CALENDAR, checks=CHECKS) == []


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_ex_right_of_600885_is_neutral(bars15: tuple[Lake, ImportReport]) -> None:
    lake, report = bars15
    bars = frame(lake)
    before, after = (bars.loc[(date, "600885.SH")] for date in ("2025-06-18", "2025-06-19"))
    assert (before["close"], after["open"]) == (31.78, 22.34)
    assert after["open"] * after["adj_factor"] == pytest.approx(before["close"] * before["adj_factor"])
    assert after["pre_close"] == 22.34
    [gaps] = [finding for finding in report.findings if finding.check == "ex_rights_by_gap"]
    assert gaps.count == 7
    assert "600885.SH 2025-06-19 (-29.7%)" in gaps.text


@pytest.mark.slow
@pytest.mark.real_data
def test_real_snapshots_and_trades_agree(samples: tuple[Lake, ImportReport], real_data: Path) -> None:
    """The figures of the exchange's last snapshot are those of the sums of the trades."""
    lake, report = samples
    assert report.rows["transaction"] == 311_607
    trades = lake.read("transaction", "2023-02-01", "2023-02-01").to_pandas()
    trades = trades[trades["symbol"] == "600519.SH"]
    bar = frame(lake).loc[("2023-02-01", "600519.SH")]
    assert (len(trades), bar["volume"], bar["amount"]) == (27_135, 3_397_389, 6_244_678_924.61)
    book = pd.read_parquet(real_data.parent / "level2" / "book_snapshot.parquet")
    last = book[(book["symbol"] == "600519.SH") & (book["status"] == "ENDTR")].iloc[-1]
    assert (last["trades"], last["volume"], last["amount"]) == (27_135, 3_397_389, pytest.approx(6_244_678_924.61))
    assert bar["close"] == last["last"]
    held = lake.read("book_snapshot", "2023-02-01", "2023-02-01")
    assert held.num_rows == 5_109 - 73 - 10
    part = [finding for finding in report.findings if finding.check == "parts_of_days"]
    assert [(each.count, str(each.examples[0]["date"])) for each in part] == [(1, "2020-01-02")]


@pytest.mark.slow
@pytest.mark.real_data
def test_real_one_minute_bars_sum_to_their_days(samples: tuple[Lake, ImportReport], real_data: Path) -> None:
    lake, _ = samples
    of_file = pd.read_parquet(real_data.parent / "ticks" / "minute_000001_2018_01.parquet")
    days = frame(lake).xs("000001.SZ", level="symbol").loc["2018-01-02":"2018-01-31"]
    assert days["volume"].tolist() == of_file.groupby("tradingDay")["volume"].sum().tolist()
    assert days["close"].tolist() == of_file.groupby("tradingDay")["close"].last().tolist()
    assert [finding for finding in examine(lake, CALENDAR, checks=CHECKS) if finding.severity != "note"] == []
