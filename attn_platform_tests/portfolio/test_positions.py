"""Positions from a file: what is read, and that every fault is one line with file, row, column and remedy."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.account import Account
from attn_platform.errors import BadInputError, MissingDataError
from attn_platform.portfolio.trading.positions import read_positions, scaled_positions

MAIN, OTHER, STAR = "600000.SH", "000001.SZ", "688001.SH"

GOOD = pd.DataFrame({"symbol": ["000001.SZ", "600519.SH"], "shares": [1200, 100], "sellable": [1000, 100]})
WRITERS = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False),
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    def write(frame: pd.DataFrame):
        path = tmp_path / f"positions{request.param}"
        WRITERS[request.param](frame, path)
        return path

    return write


def test_every_format_reads_the_same(written):
    read = read_positions(written(GOOD)).stocks
    assert read["symbol"].tolist() == ["000001.SZ", "600519.SH"]
    assert read["shares"].tolist() == [1200, 100]
    assert read["sellable"].tolist() == [1000, 100]
    assert read[["shares", "sellable"]].dtypes.astype(str).tolist() == ["int64", "int64"]


def test_without_a_column_all_shares_are_sellable(written):
    read = read_positions(written(GOOD.drop(columns="sellable"))).stocks
    assert read["sellable"].tolist() == read["shares"].tolist()


def test_spaces_around_columns_and_symbols_do_not_matter(written):
    frame = GOOD.assign(symbol=[" 000001.SZ", "600519.SH "]).rename(columns={"shares": " shares"})
    assert read_positions(written(frame)).stocks["symbol"].tolist() == ["000001.SZ", "600519.SH"]


def test_an_account_without_positions(written):
    read = read_positions(written(GOOD.iloc[:0]))
    assert read.stocks.empty
    assert read.set_aside.empty
    assert read.stocks[["shares", "sellable"]].dtypes.astype(str).tolist() == ["int64", "int64"]


def test_what_is_no_a_share_is_set_aside_with_a_note(written):
    """A money-market fund, a repo, new shares under the code of their issue, B shares, a bond, Hong Kong."""
    others = {
        "511880.SH": "a money-market fund of Shanghai", "204001.SH": "a repo of Shanghai",
        "732123.SH": "a code of an issue, rights or a vote of Shanghai", "900901.SH": "a B share of Shanghai",
        "123456.SZ": "a bond of Shenzhen", "00700.HK": "a share of Hong Kong",
    }  # fmt: skip
    rows = pd.DataFrame({"symbol": list(others), "shares": [0.5, *[100] * 5], "sellable": 0})
    read = read_positions(written(pd.concat([rows.iloc[:3], GOOD, rows.iloc[3:]])))
    assert read.stocks["symbol"].tolist() == GOOD["symbol"].tolist()
    assert read.stocks["sellable"].tolist() == GOOD["sellable"].tolist()
    assert dict(zip(read.set_aside["symbol"], read.set_aside["note"], strict=True)) == others
    assert read.set_aside["shares"].tolist() == [0.5, *[100.0] * 5]


def test_a_brokers_own_columns_and_codes(written):
    frame = GOOD.assign(symbol=["SZ000001", "600519"])
    chinese = frame.rename(columns={"symbol": "证券代码", "shares": "持仓数量", "sellable": "可用数量"})
    for each in (chinese, frame.rename(columns={"symbol": "Instrument", "shares": "quantity"})):
        pd.testing.assert_frame_equal(read_positions(written(each)).stocks, read_positions(written(GOOD)).stocks)
    bare = GOOD.assign(symbol=["511990", "600519"])
    assert read_positions(written(bare)).set_aside["symbol"].tolist() == ["511990.SH"]


def test_a_file_in_gbk(tmp_path):
    GOOD.rename(columns={"symbol": "证券代码", "shares": "证券数量"}).to_csv(
        tmp_path / "p.csv", index=False, encoding="gbk"
    )
    assert read_positions(tmp_path / "p.csv").stocks["shares"].tolist() == [1200, 100]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (GOOD.rename(columns={"shares": "amount"}), ("column 'shares' of table positions is missing", "'amount'")),
        (GOOD.assign(price=1.0), ("column 'price'", "take it out")),
        (GOOD.assign(symbol=["000001.SZ", "moutai"]), ("row 2, column symbol", "'moutai'", "write six digits and .SH")),
        (GOOD.assign(symbol=["000001.SZ", "600519.SZ"]), ("row 2, column symbol", "'600519.SZ'", "it is 600519.SH")),
        (GOOD.assign(symbol=["000001.SZ", "1"]), ("row 2, column symbol", "lost its leading zeros", "like 000001.SZ")),
        (GOOD.assign(symbol=["000001.SZ", "sz000001"]), ("row 2, column symbol", "'sz000001'", "there twice")),
        (
            GOOD.assign(quantity=[1, 2]).rename(columns={"shares": "position"}),
            ("'position' and 'quantity' could each",),
        ),
        (GOOD.assign(symbol=["000001.SZ", None]), ("row 2, column symbol", "no symbol")),
        (GOOD.assign(symbol=["000001.SZ"] * 2), ("row 2, column symbol", "there twice", "add the rows up")),
        (GOOD.assign(shares=["many", "100"]), ("row 1, column shares", "'many'", "no whole number")),
        (GOOD.assign(shares=[1200.5, 100.0]), ("row 1, column shares", "no whole number")),
        (GOOD.assign(shares=[1200.0, None]), ("row 2, column shares", "no whole number")),
        (GOOD.assign(shares=[1200, -100]), ("row 2, column shares", "no whole number")),
        (GOOD.assign(sellable=[1300, 100]), ("row 1, column sellable", "more than the shares")),
    ],
)
def test_a_fault_is_named_with_its_place(written, frame, words):
    path = written(frame)
    with pytest.raises(BadInputError) as error:
        read_positions(path)
    for word in (str(path), *words):
        assert word in str(error.value)


@pytest.mark.parametrize("name", ["positions.csv", "positions.parquet", "positions.xlsx"])
def test_a_damaged_file_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00garbage" * 3)
    with pytest.raises(BadInputError, match=name):
        read_positions(path)


def test_no_file_and_another_format(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_positions(tmp_path / "positions.csv")
    (tmp_path / "positions.xls").write_text("x")
    with pytest.raises(BadInputError, match="convert it"):
        read_positions(tmp_path / "positions.xls")


def quotes_of(**close: float) -> pd.DataFrame:
    return pd.DataFrame({"close": list(close.values())}, index=[name[1:].replace("_", ".") for name in close])


def test_own_account_as_positions_of_an_amount_of_money():
    """An account of 1,000,000 CNY in adjusted shares, scaled to about half of it; shares are whole lots."""
    account = Account(
        np.datetime64("2021-06-30"),
        cash=100_000.0,
        symbols=np.array([OTHER, MAIN, STAR]),
        units=np.array([10_000.0, 5000.0, 2000.0]),
        prices=np.array([40.0, 60.0, 100.0]),  # adjusted: raw 20, 30 and 50 under a factor of 2
    )
    positions, cash = scaled_positions(account, quotes_of(s000001_SZ=20.0, s600000_SH=30.0, s688001_SH=50.0), 500_100.0)
    # 400,000, 300,000 and 200,000 CNY are 10,002, 5,001 and 2,000.4 shares
    assert positions.set_index("symbol")["shares"].to_dict() == {OTHER: 10_000, MAIN: 5000, STAR: 2000}
    assert positions["sellable"].tolist() == positions["shares"].tolist()
    assert cash == 500_100 - 200_000 - 150_000 - 100_000


def test_an_account_of_whole_shares_keeps_its_odd_lots():
    account = Account(
        np.datetime64("2021-06-30"),
        cash=0.07,
        symbols=np.array([OTHER, MAIN]),
        units=np.array([1234.0, 99.0]),
        prices=np.array([12.34, 30.03]),
        factors=np.array([2.0, 3.0]),
    )
    quotes = quotes_of(s000001_SZ=12.34, s600000_SH=30.03)
    positions, cash = scaled_positions(account, quotes, account.equity)
    assert positions.set_index("symbol")["shares"].to_dict() == {OTHER: 1234, MAIN: 99}
    assert cash == 0.07
    half, _ = scaled_positions(account, quotes, account.equity / 2)
    assert half.set_index("symbol")["shares"].to_dict() == {OTHER: 600}
    with pytest.raises(MissingDataError, match=f"{MAIN} has no close"):
        scaled_positions(account, quotes_of(s000001_SZ=12.34), account.equity)
