"""Order lists as files: what a spreadsheet shows is what was ordered, and a file is whole or not there."""

import openpyxl
import pandas as pd
import pytest

from attn_platform.errors import BadInputError
from attn_platform.reports.order_files import write_order_file

ORDERS = pd.DataFrame(
    {
        "symbol": ["000001.SZ", "688001.SH"],
        "name": ["平安银行", "=1+1"],
        "side": ["sell", "buy"],
        "shares": [1200, 233],
        "lots": [12.0, 2.33],
        "price": [12.34, 101.0],
        "amount": [14808.0, 23533.0],
        "cost": [29.62, 47.07],
        "held_shares": [1200, 0],
        "target_weight": [0.0, 0.0123456],
        "weight_after": [0.0, 0.012],
        "note": ["", "closed limit-up, at its upper price limit"],
    }
)
SUMMARY = {"strategy": "weekly", "equity": 1_000_000.0, "buy_orders": 1, "tracking_difference": 0.00034}
LEFT_OUT = pd.DataFrame({"symbol": ["600000.SH"], "reason": ["suspended"]})


def test_text_and_columnar_files_read_back_the_same(tmp_path):
    write_order_file(tmp_path / "orders.csv", ORDERS, SUMMARY)
    write_order_file(tmp_path / "deep" / "orders.parquet", ORDERS, SUMMARY)
    read = pd.read_csv(tmp_path / "orders.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(read, ORDERS)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "deep" / "orders.parquet"), ORDERS)
    assert (tmp_path / "orders.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the mark for Chinese names"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "orders.csv"]


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "orders.xlsx"
    write_order_file(path, ORDERS, SUMMARY, **{"left out": LEFT_OUT, "limits": LEFT_OUT.iloc[:0]})
    return openpyxl.load_workbook(path)


def test_workbook_has_a_sheet_for_everything_that_there_is(book):
    assert book.sheetnames == ["orders", "left out", "summary"]
    cells = [[cell.value for cell in row] for row in book["orders"].iter_rows()]
    assert cells[0] == ORDERS.columns.tolist()
    for row, order in zip(cells[1:], ORDERS.to_dict("records"), strict=True):
        assert ["" if cell is None else cell for cell in row] == list(order.values())
    summary = {row[0].value: row[1].value for row in book["summary"].iter_rows(min_row=2)}
    assert summary == {"Strategy": "weekly", "Equity": 1e6, "Buy orders": 1, "Tracking difference": 0.00034}


def test_symbols_are_text_and_numbers_have_formats(book):
    sheet = book["orders"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row in (2, 3):
        assert sheet.cell(row, columns["symbol"]).data_type == "s"
        formats = {name: sheet.cell(row, columns[name]).number_format for name in columns}
        assert formats["symbol"] == "@"
        assert formats["shares"] == "#,##0"
        assert formats["price"] == "0.00"
        assert formats["amount"] == "#,##0.00"
        assert formats["target_weight"].endswith("%")
    assert sheet.cell(3, columns["name"]).value == "=1+1"
    assert sheet.cell(3, columns["name"]).data_type == "s", "a name is no formula"
    assert sheet.freeze_panes == "B2"
    money = next(row[1] for row in book["summary"].iter_rows(min_row=2) if row[0].value == "Equity")
    assert money.number_format == "#,##0.00"


def test_another_format_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"orders\.txt: none of \.csv, \.parquet, \.xlsx"):
        write_order_file(tmp_path / "orders.txt", ORDERS, SUMMARY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["orders.csv", "orders.xlsx"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, name):
    write_order_file(tmp_path / name, ORDERS, SUMMARY)
    before = (tmp_path / name).read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("attn_platform.writing.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_order_file(tmp_path / name, ORDERS.iloc[:1], SUMMARY)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]
