"""Codes of every style, against a table written out by hand from the exchanges' allocation of numbers."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.market.codes import A_SHARE, BOARD_RULES, a_share, normalise, read_code
from attn_platform.market.trading_rules import board_of

STYLES = {
    "600000.SH": "600000.SH 600000.sh SH600000 sh600000 sh.600000 SH.600000 600000.XSHG 600000.SS 600000.SSE "
    "SHSE.600000 SSE:600000 600000SH",
    "688981.SH": "688981.SH SH688981 sh.688981 688981.XSHG",
    "689009.SH": "689009.SH SH689009",
    "605499.SH": "605499.XSHG sh605499",
    "000001.SZ": "000001.SZ sz000001 sz.000001 000001.XSHE SZSE.000001 000001.SZSE",
    "001289.SZ": "SZ001289",
    "002415.SZ": "002415.sz",
    "003816.SZ": "003816.XSHE",
    "300750.SZ": "SZ300750 300750.XSHE",
    "301236.SZ": "sz.301236",
    "302132.SZ": "302132.SZ",
    "430047.BJ": "430047.BJ BJ430047 bj.430047 430047.BSE",
    "835185.BJ": "835185.BJ 835185.BJSE",
    "873223.BJ": "bj873223",
    "920185.BJ": "920185.BJ bj920185 920185.BSE",
}

OTHERS = {
    "900901.SH": "a B share", "SZ200002": "a B share", "000001.SH": "an index", "sh000300": "an index",
    "399006.SZ": "an index", "899050.BJ": "an index", "510300.SH": "a fund", "588000.SH": "a fund",
    "159915.SZ": "a fund", "161725.SZ": "a fund", "180101.SZ": "a fund", "511880.SH": "a money-market fund",
    "511990.XSHG": "a money-market fund", "159001.SZ": "a money-market fund", "511010.SH": "a fund",
    "204001.SH": "a repo", "131810.SZ": "a repo", "113050.SH": "a bond", "019666.SH": "a bond",
    "127056.SZ": "a bond", "112233.SZ": "a bond", "360001.SH": "a preferred share", "140001.SZ": "a preferred share",
    "730777.SH": "a code of an issue, rights or a vote", "732123.SH": "a code of an issue, rights or a vote",
    "780123.SH": "a code of an issue, rights or a vote", "787123.SH": "a code of an issue, rights or a vote",
    "072415.SZ": "a code of an issue, rights or a vote", "080001.SZ": "a code of an issue, rights or a vote",
    "00700.HK": "a share of Hong Kong", "HK00700": "a share of Hong Kong", "00700": "a share of Hong Kong",
    "000001.OF": "an open-end fund", "930050.CSI": "an index", "400001.NQ": "a share of the NEEQ",
    "10004567.SH": "an option", "580027.SH": "a warrant",
}  # fmt: skip


@pytest.mark.parametrize(("symbol", "styles"), STYLES.items())
def test_every_style_of_an_a_share_is_its_symbol(symbol: str, styles: str) -> None:
    read = normalise(styles.split())
    assert set(read.column.to_pylist()) == {symbol}
    assert not read.refused.any()


@pytest.mark.parametrize(("code", "kind"), OTHERS.items())
def test_other_securities_are_recognised_and_refused(code: str, kind: str) -> None:
    read = normalise([code, "600000.SH"])
    assert read.column.to_pylist() == [None, "600000.SH"]
    assert read.refused.tolist() == [True, False]
    assert read.explain(0).kind == kind
    assert str(read.explain(0)).startswith(f"{code}: it is {kind}")
    assert "leave it out" in read.explain(0).remedy


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("600000.SZ", "600000.SH"), ("000001.SH", "000001.SZ"), ("688981.XSHE", "688981.SH"),
        ("830799.SZ", "830799.BJ"), ("300750.SH", "300750.SZ"), ("sz600519", "600519.SH"),
        ("600000", "600000.SH"), ("000001", r"000001.SH (an index) or 000001.SZ (an A share)"),
        ("920185", "920185.BJ"), ("1", "000001.SZ"), ("2415", "002415.SZ"), ("1.SZ", "000001.SZ"),
        ("600000.XX", "none called XX"), ("AAPL", "no code of a security"), ("", "no code of a security"),
        ("6000001", "no code of a security"), ("T00018.SH", "no code of a security"),
        ("60000０.SH", "no code of a security"), ("SH600000.SH", "no code of a security"),
        ("604.000", "no code of a security"), ("640000.SH", "no code of Shanghai"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_it_would_be(code: str, says: str) -> None:
    read = normalise(pd.Series(["000002.SZ", code]))
    assert read.column.to_pylist() == ["000002.SZ", None]
    assert read.first_refused == 1
    assert read.explain(1).found == code
    assert says in str(read.explain(1))


def test_bare_codes_are_shares_only_where_nothing_else_can_stand() -> None:
    bare = ["600519", "000001", "430047", "511990", "123456", "00700"]
    assert normalise(bare).refused.all()
    held = normalise(bare, bare=True)
    assert held.column.to_pylist() == ["600519.SH", "000001.SZ", "430047.BJ", None, None, None]
    assert [held.explain(row).kind for row in (3, 4, 5)] == ["a money-market fund", "a bond", "a share of Hong Kong"]
    assert [held.explain(row).symbol for row in (3, 4, 5)] == ["511990.SH", "123456", "00700.HK"]


def test_missing_codes_stay_missing_and_rows_stay_in_place() -> None:
    chunks = pa.chunked_array([["SH600000", None], [], ["900901.SH", "SH600000", "600000.SH"]])
    read = normalise(chunks)
    assert read.column.to_pylist() == ["600000.SH", None, None, "600000.SH", "600000.SH"]
    assert read.refused.tolist() == [False, False, True, False, False]
    assert read.explain(2).found == "900901.SH"


def test_symbols_as_they_should_be_are_handed_through() -> None:
    symbols = pa.chunked_array([["600000.SH", "000001.SZ", None, "600000.SH"]])
    assert normalise(symbols).column.equals(symbols)


def test_one_symbol_of_a_setting() -> None:
    assert a_share("SH600519") == "600519.SH"
    for code, says in (("600519", "write it as 600519.SH"), ("000300.SH", "an index"), ("all", "no code")):
        with pytest.raises(ValueError, match=says):
            a_share(code)


@given(st.text(max_size=12) | st.from_regex(r"(?i)(s[hz]|bj|hk)?\.?\d{4,8}(\.[a-z]{2,4})?", fullmatch=True))
def test_any_text_is_read_or_explained(text: str) -> None:
    code = read_code(text)
    if code.kind == A_SHARE:
        assert code.symbol is not None
        board_of(code.symbol)  # raises where the symbol is of no board
        assert read_code(code.symbol).symbol == code.symbol
    else:
        assert code.what
        assert code.remedy


def test_a_share_is_exactly_what_the_boards_know() -> None:
    numbers = [f"{prefix:03d}000" for prefix in range(1000)]
    for exchange in ("SH", "SZ", "BJ"):
        prefixes = tuple(p for rule in BOARD_RULES if rule.exchange == exchange for p in rule.prefixes)
        expected = np.array([number.startswith(prefixes) and number[:3] not in ("889", "899") for number in numbers])
        found = ~normalise([f"{number}.{exchange}" for number in numbers]).refused
        np.testing.assert_array_equal(found, expected)
