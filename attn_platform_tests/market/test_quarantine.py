"""Rows put aside: one that is bad never stops an import, leaves no trace in the tables, and is taken for nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import BadInputError, ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.inspection import QuarantineConfig
from attn_platform.market.lake import Lake
from attn_platform.market.vendors import ImportReport
from attn_platform.market.vendors.ashare import import_ashare
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.market.small_market import Frames, of_sessions, sessions_of, small_market, write_csv
from attn_platform_tests.market.vendor_files import ashare_tables, with_cell, write_files

CALENDAR = exchange_calendar()
STOCK = "600002.SH"


@pytest.fixture
def market() -> Frames:
    return small_market()


def imported(frames: Frames, folder: Path, lake: Lake, **options: object) -> ImportReport:
    return import_contract_files(write_csv(frames, folder), lake, CALENDAR, quarantine=True, **options)  # type: ignore[arg-type]


def bars(lake: Lake, symbol: str = STOCK) -> pd.DataFrame:
    frame = lake.read("daily_bar").to_pandas()
    return frame[frame["symbol"] == symbol].set_index("date")


def row_of(frames: Frames, session: int, symbol: str = STOCK) -> int:
    """Position of a row in the file of daily bars, counted from 0."""
    bar = frames["daily_bar"].reset_index(drop=True)
    return int(bar.index[(bar["symbol"] == symbol) & (bar["date"] == sessions_of(frames)[session])][0])


def cell(name: str, value: object) -> Callable[[pd.DataFrame, int], pd.DataFrame]:
    def change(bar: pd.DataFrame, at: int) -> pd.DataFrame:
        bar[name] = bar[name].astype(str).str[:10] if name == "date" else bar[name].astype(object)
        bar.loc[at, name] = value
        return bar

    return change


def twice(bar: pd.DataFrame, at: int) -> pd.DataFrame:
    copy = bar.iloc[[at]].assign(close=bar.loc[at, "low"])
    return pd.concat([bar.iloc[: at + 1], copy, bar.iloc[at + 1 :]])


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """What the rows make that are not at fault."""
    folder = tmp_path_factory.mktemp("right")
    import_contract_files(write_csv(small_market(), folder / "good"), Lake(folder / "lake"), CALENDAR)
    return Lake(folder / "lake")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "check", "reason"),
    [
        (cell("close", "abc"), "cell", "'close': 'abc', where the contract wants a number"),
        (cell("close", -1.0), "cell", "'close': -1.0, where the contract wants more than 0"),
        (cell("close", np.inf), "cell", "a finite number"),
        (cell("volume", ""), "cell", "'volume': nothing"),
        (cell("trading_status", "T"), "cell", "one of normal, st"),
        (cell("date", "2022-06-04"), "row", "a session of the exchange"),
        (cell("date", "yesterday"), "date", "'yesterday'"),
        (cell("symbol", "60000"), "code", "'symbol': 60000"),
        (cell("symbol", "600099.SH"), "symbol", "a symbol of table security"),
        (cell("high", 0.01), "row", "high >= low"),
        (cell("volume", 1.0), "average_price", "inside of low and high"),
        (cell("adj_factor", 99.0), "adjustment", "pre_close × adj_factor"),
        (twice, "key", "another row has the same key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_bad_row_is_put_aside_with_its_reason(
    market: Frames,
    right: Lake,
    tmp_path: Path,
    change: Callable[[pd.DataFrame, int], pd.DataFrame],
    check: str,
    reason: str,
) -> None:
    days, at = sessions_of(market), row_of(market, 13)  # the last session: nothing rests on the row
    spoilt = market | {"daily_bar": change(market["daily_bar"].reset_index(drop=True), at)}
    spoilt["daily_bar"] = spoilt["daily_bar"].drop(columns="vwap")
    lake = Lake(tmp_path / "lake")
    with pytest.raises(BadInputError, match=r"daily_bar\.csv: "):
        import_contract_files(write_csv(spoilt, tmp_path / "strict"), lake, CALENDAR)
    assert not lake.root.exists()
    report = imported(spoilt, tmp_path / "files", lake)
    aside = lake.read("quarantine").to_pylist()
    assert report.put_aside == {"daily_bar": len(aside)}
    assert len(aside) == (2 if change is twice else 1)
    for row in aside:
        assert row["table"] == "daily_bar"
        assert row["check"] == check
        assert reason in row["reason"]
        assert row["source"] == str(tmp_path / "files" / "daily_bar.csv")
    assert aside[0]["row"] == at + 1
    assert json.loads(aside[0]["content"])["open"] == str(market["daily_bar"].reset_index(drop=True).loc[at, "open"])
    # The row is missing and not made up: no suspended session stands in for what was traded.
    assert len(bars(lake)) == len(days) - 1
    assert not bars(lake)["is_suspended"].any()
    others = right.read("daily_bar").to_pandas()
    others = others[~((others["symbol"] == STOCK) & (others["date"] == days[13].item()))]
    pd.testing.assert_frame_equal(
        lake.read("daily_bar").to_pandas().drop(columns="vwap"), others.reset_index(drop=True).drop(columns="vwap")
    )


@pytest.mark.slow
def test_nothing_is_carried_over_a_row_that_was_put_aside(market: Frames, tmp_path: Path) -> None:
    # The stock trades on session 4, in a row that is bad, is then left out on 5 to 8 (halted), and comes back.
    halted = "600003.SH"
    bar = market["daily_bar"]
    bar = bar[~bar["is_suspended"]].reset_index(drop=True)
    bar["close"] = bar["close"].astype(object)
    frames = market | {"daily_bar": bar}
    bar.loc[row_of(frames, 4, halted), "close"] = "--"
    whole, daily = Lake(tmp_path / "whole"), Lake(tmp_path / "daily")
    imported(frames, tmp_path / "files", whole)
    days = sessions_of(market)
    for day in days:
        imported(of_sessions(frames, np.array([day])), tmp_path / str(day), daily)
    there = bars(whole, halted).index
    assert [day.item() in there for day in days] == [True] * 4 + [False] * 5 + [True] * 5
    for table in ("daily_bar", "valuation"):
        assert daily.read(table).equals(whole.read(table)), table


def test_a_stock_whose_factor_broke_stays_away_until_it_is_mended(market: Frames, tmp_path: Path) -> None:
    days, lake = sessions_of(market), Lake(tmp_path / "lake")
    bar = market["daily_bar"]
    broken = bar.assign(adj_factor=bar["adj_factor"].where((bar["symbol"] != STOCK) | (bar["date"] < days[8]), 50.0))
    for number, block in enumerate((days[:8], days[8:9], days[9:11])):
        imported(of_sessions(market | {"daily_bar": broken}, block), tmp_path / str(number), lake)
    assert list(bars(lake).index) == [day.item() for day in days[:8]]
    assert [row["date"] for row in lake.read("quarantine").to_pylist()] == [day.item() for day in days[8:11]]
    # The vendor has corrected it: the sessions are imported again, and what was put aside of them is forgotten.
    imported(of_sessions(market, days[8:]), tmp_path / "mended", lake)
    assert len(bars(lake)) == len(days)
    assert lake.read("quarantine").num_rows == 0


def test_a_row_whose_stock_is_unknown_leaves_no_stock_suspended(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"].reset_index(drop=True)
    at = row_of(market, 6)
    bar.loc[at, "symbol"] = "6000"
    lake = Lake(tmp_path / "lake")
    report = imported(market | {"daily_bar": bar}, tmp_path / "files", lake)
    assert sessions_of(market)[6].item() not in bars(lake).index
    assert "missing_rows" not in {finding.check for finding in report.findings}


def test_rows_of_a_wrong_shape_are_put_aside_and_the_others_keep_their_numbers(market: Frames, tmp_path: Path) -> None:
    folder, lake = write_csv(market, tmp_path / "files"), Lake(tmp_path / "lake")
    file = folder / "valuation.csv"
    lines = file.read_text().splitlines()
    lines[5] = lines[5] + ",7,7"
    cells = lines[9].split(",")
    lines[9] = ",".join([*cells[:2], "-3", *cells[3:]])
    file.write_text("\n".join(lines) + "\n")
    import_contract_files(folder, lake, CALENDAR, quarantine=True)
    aside = lake.read("quarantine").to_pylist()
    assert sorted((row["row"], row["check"]) for row in aside) == [(5, "shape"), (9, "cell")]
    assert lake.read("valuation").num_rows == len(market["valuation"]) - 2


def test_a_member_that_is_put_aside_leaves_weights_that_sum_to_one(market: Frames, tmp_path: Path) -> None:
    weight = market["index_weight"].copy()
    weight.loc[0, "symbol"] = "?"  # the smallest member: 0.17 % of the index
    lake = Lake(tmp_path / "lake")
    imported(market | {"index_weight": weight}, tmp_path / "small", lake)
    sums = lake.read("index_weight").to_pandas().groupby("date")["weight"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-12)
    weight.loc[33, "symbol"] = "?"  # the largest: 6 %, and what is left is not the index
    report = imported(market | {"index_weight": weight}, tmp_path / "large", Lake(tmp_path / "other"), config=LENIENT)
    assert report.put_aside["index_weight"] == 34


LENIENT = ImportConfig(quarantine=QuarantineConfig(few_rows=40))


def test_a_flood_is_the_files_fault(market: Frames, tmp_path: Path) -> None:
    days, bar = sessions_of(market), market["daily_bar"].copy()
    of_day = bar.index[(bar["date"] == days[6]) & ~bar["is_suspended"]][:14]
    bar.loc[of_day, "high"] = 0.01
    lake = Lake(tmp_path / "lake")
    with pytest.raises(ContractError, match=r"'high' and 'low'.*14 of \d+ rows .* this is no matter"):
        imported(market | {"daily_bar": bar}, tmp_path / "files", lake)
    assert not lake.root.exists()
    report = imported(market | {"daily_bar": bar}, tmp_path / "lenient", lake, config=LENIENT)
    assert report.put_aside == {"daily_bar": 14}


def test_the_ashare_set_has_its_rows_put_aside_too(tmp_path: Path) -> None:
    tables = ashare_tables()
    name = "daily/2021.parquet"
    at = tables[name]["symbol"].to_pylist().index("600000.SH")
    tables[name] = with_cell(tables[name], at + 1, "high_fen", 1)
    lake = Lake(tmp_path / "lake")
    report = import_ashare(write_files(tmp_path / "files", tables), lake, CALENDAR, quarantine=True)
    assert report.put_aside == {"daily_bar": 1}
    (row,) = lake.read("quarantine").to_pylist()
    assert (row["symbol"], row["row"]) == ("600000.SH", at + 2)
    assert len(bars(lake, "600000.SH")) == 5
    assert not bars(lake, "600000.SH")["is_suspended"].any()
