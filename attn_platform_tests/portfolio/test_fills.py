"""Fills from a file: what is read, and that whatever the orders cannot have led to is one line with its row."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import BadInputError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.portfolio.trading.blotter import Fill
from attn_platform.portfolio.trading.fills import checked_fills, read_fills
from attn_platform_tests.portfolio.sent_weeks import fill, look, week_of

SIGNAL, FIRST, SECOND = "2022-06-10", "2022-06-13", "2022-06-14"
ORDERS = [("600000.SH", "buy", 1000, 8.0), ("000001.SZ", "sell", 500, 14.0), ("688001.SH", "buy", 300, 50.0)]
ONE_DAY = look({"000001.SZ": 500}, 1e5, ORDERS, FIRST)
TWO_DAYS = look({"000001.SZ": 500}, 1e5, ORDERS, FIRST, SECOND)
GOOD = pd.DataFrame(
    {
        "symbol": ["600000.SH", "000001.SZ", "600000.SH"],
        "side": ["buy", "sell", "buy"],
        "shares": [600, 500, 400],
        "price": [8.01, 13.97, 8.02],
        "fees": [5.0, 12.1, 5.0],
    }
)
WRITERS = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False),
}


@pytest.fixture
def brought(tmp_path):
    """Reads and checks rows for orders of a day or two, after some that came in before."""

    def bring(frame: pd.DataFrame, *before: list[Fill], sent=ONE_DAY, suffix=".csv") -> list[Fill]:
        path = tmp_path / f"fills{suffix}"
        WRITERS[suffix](frame, path)
        fills = read_fills(path, sent, exchange_calendar())
        checked_fills(path, fills, week_of(SIGNAL, sent, *before), sent)
        return fills

    return bring


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_reads_the_same(brought, suffix):
    assert brought(GOOD, suffix=suffix) == [
        fill(FIRST, "600000.SH", "buy", 600, 8.01, 5.0),
        fill(FIRST, "000001.SZ", "sell", 500, 13.97, 12.1),
        fill(FIRST, "600000.SH", "buy", 400, 8.02, 5.0),
    ]


def test_a_brokers_own_names(brought):
    frame = pd.DataFrame(
        {
            "成交日期": ["20220614"], "证券代码": ["600000"], "证券名称": ["浦发银行"], "买卖标志": ["证券买入"],
            "成交数量": [100], "成交均价": [8.0], "手续费": [5.0],
        }
    )  # fmt: skip
    assert brought(frame) == [fill(SECOND, "600000.SH", "buy", 100, 8.0, 5.0)]


def test_days_of_several(brought):
    dated = GOOD.assign(date=[FIRST, "20220614", "2022/6/14"])
    assert [each.session for each in brought(dated, sent=TWO_DAYS)] == [FIRST, SECOND, SECOND]
    with pytest.raises(BadInputError, match=r"has no column date, and the orders are for 2 sessions"):
        brought(GOOD, sent=TWO_DAYS)


@pytest.mark.parametrize(
    ("row", "change", "words"),
    [
        (1, {"symbol": "abc"}, "row 2, column symbol: 'abc' is"),
        (1, {"symbol": "600519.SH"}, "row 2, column symbol: 600519.SH is not among the orders of 2022-06-10"),
        (1, {"side": "buy"}, "row 2, column side: 000001.SZ was ordered to sell, not to buy"),
        (0, {"side": "hold"}, "row 1, column side: 'hold' is no side; write buy or sell"),
        (
            2,
            {"shares": 401},
            "row 3, column shares: with it 1,001 shares of 600000.SH are filled, and 1,000 were ordered",
        ),
        (2, {"shares": 0}, "row 3, column shares: '0' is not above zero"),
        (2, {"shares": "1.5"}, "row 3, column shares: '1.5' is no whole number"),
        (1, {"price": 0}, "row 2, column price: '0' is not above zero"),
        (1, {"price": "x"}, "row 2, column price: 'x' is no number"),
        (0, {"fees": -1}, "row 1, column fees: '-1' is no number"),
        (1, {"date": "2022-06-11"}, "row 2, column date: '2022-06-11' is no session of the exchange"),
        (1, {"date": "2022-06-09"}, "row 2, column date: '2022-06-09' is before the orders"),
        (1, {"date": "soon"}, "row 2, column date: 'soon' is"),
    ],
)
def test_each_fault_is_named_with_its_row(brought, row, change, words):
    frame = GOOD.astype(object).assign(date=FIRST)
    for name, value in change.items():
        frame.loc[row, name] = value
    with pytest.raises(BadInputError) as caught:
        brought(frame)
    assert words in str(caught.value)
    assert "fills.csv" in str(caught.value)
    assert ";" in str(caught.value), "and what to do about it"


def test_missing_columns_and_empty_files(brought, tmp_path):
    with pytest.raises(BadInputError, match="column 'fees' of table fills is missing"):
        brought(GOOD.drop(columns="fees"))
    with pytest.raises(BadInputError, match="holds no row"):
        brought(GOOD.iloc[:0])


def test_more_than_ordered_counts_what_came_in_before(brought):
    before = [fill(FIRST, "600000.SH", "buy", 300, 8.0)]
    brought(GOOD.iloc[:2], before)
    with pytest.raises(BadInputError, match=r"row 3, column shares: with it 1,300 shares of 600000\.SH"):
        brought(GOOD, before)


def test_rows_that_came_in_already(brought):
    """Whatever their order, and among others as well; other rows of the same stock are other fills."""
    first = brought(GOOD.iloc[:2])
    with pytest.raises(BadInputError, match=r"0\.csv came in on 2022-06-10 09:00 by Li Lei"):
        brought(GOOD, first)
    with pytest.raises(BadInputError, match=r"all rows of 0\.csv are among its rows"):
        brought(GOOD.iloc[[1, 0]], first)
    brought(GOOD.iloc[2:], first)
    assert np.all([each.shares for each in first] == [600, 500])
