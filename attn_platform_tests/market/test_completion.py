"""What an import fills in: against rows worked out by hand, and the same however the files are cut."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.completion import average_prices, filled_cells, reference_prices, rule_limits
from attn_platform.market.contract import BOARDS
from attn_platform.market.lake import Lake
from attn_platform.market.vendors import ImportReport
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.market.small_market import (
    GONE,
    GONE_AT,
    LATE,
    LISTED_AT,
    SHARES,
    Frames,
    of_sessions,
    sessions_of,
    small_market,
    write_csv,
)

CALENDAR = exchange_calendar()
COMPLETED = ("daily_bar", "valuation", "index_weight", "index_bar")


@pytest.fixture
def market() -> Frames:
    return small_market()


def imported(frames: Mapping[str, pd.DataFrame], folder: Path, **options: object) -> tuple[Lake, ImportReport]:
    lake = Lake(folder / "lake")
    return lake, import_contract_files(write_csv(frames, folder / "files"), lake, CALENDAR, **options)  # type: ignore[arg-type]


def content(lake: Lake) -> dict[tuple[str, str], bytes]:
    """Every file of the tables by session, byte for byte."""
    return {
        (table, str(day)): lake.path(table, day).read_bytes() for table in COMPLETED for day in lake.sessions(table)
    }


def rows(lake: Lake, symbol: str, table: str = "daily_bar") -> pd.DataFrame:
    frame = lake.read(table).to_pandas()
    return frame[frame["symbol"] == symbol].set_index("date")


def noted(report: ImportReport) -> dict[str, int]:
    return {finding.check: finding.count for finding in report.findings}


def with_holes(frames: Frames, seed: int = 5) -> Frames:
    """The same market as a careless vendor has it: rows of suspensions left out, some cells missing, a few weights."""
    rng = np.random.default_rng(seed)
    bar = frames["daily_bar"]
    bar = bar[~bar["is_suspended"]].copy()
    for name in ("vwap", "pre_close"):
        bar.loc[rng.random(len(bar)) < 0.3, name] = np.nan
    value = frames["valuation"].merge(bar[["date", "symbol"]])
    days = sessions_of(frames)
    weight = frames["index_weight"]
    return frames | {"daily_bar": bar, "valuation": value, "index_weight": weight[weight["date"].isin(days[[0, 7]])]}


# --- however the files are cut ---


@pytest.mark.slow
@pytest.mark.parametrize("carry", ["constant", "drift"])
def test_one_import_a_file_a_day_and_an_import_a_day_make_the_same_lake(
    market: Frames, tmp_path: Path, carry: str
) -> None:
    holes, days = with_holes(market), sessions_of(market)
    config = ImportConfig(weight_carry=carry)  # type: ignore[arg-type]
    whole, _ = imported(holes, tmp_path / "whole", config=config)
    cut = Lake(tmp_path / "cut")
    shuffled = holes | {"daily_bar": holes["daily_bar"].sample(frac=1, random_state=2)}
    files = write_csv(shuffled, tmp_path / "cut_files", by_day=("daily_bar", "valuation"))
    import_contract_files(files, cut, CALENDAR, config=config)
    daily = Lake(tmp_path / "daily")
    for day in days:
        today = {name: frame for name, frame in of_sessions(holes, np.array([day])).items() if len(frame)}
        import_contract_files(write_csv(today, tmp_path / str(day)), daily, CALENDAR, config=config)
    expected = content(whole)
    assert len(expected) == len(COMPLETED) * len(days)
    assert content(cut) == expected
    assert content(daily) == expected


def test_the_files_to_come_change_nothing_of_a_session(market: Frames, tmp_path: Path) -> None:
    holes, days = with_holes(market), sessions_of(market)
    past = of_sessions(holes, days[:8])
    future = of_sessions(holes, days[8:])
    future["daily_bar"] = future["daily_bar"].assign(trading_status="st")
    both = {name: pd.concat([past[name], future[name]]) if "date" in past[name] else past[name] for name in holes}
    known, _ = imported(past, tmp_path / "past")
    all_, _ = imported(both, tmp_path / "both")
    later = content(all_)
    assert all(later[key] == value for key, value in content(known).items())


# --- rows of suspended stocks ---


def test_sessions_that_the_files_leave_out_are_filled_as_suspended(market: Frames, tmp_path: Path) -> None:
    given = market["daily_bar"]
    lake, report = imported(with_holes(market), tmp_path)
    found = lake.read("daily_bar").to_pandas()
    # The vendor that leaves nothing out has these very rows.
    halts = given[given["is_suspended"]].sort_values(["date", "symbol"]).reset_index(drop=True)
    filled = found[found["is_suspended"]].reset_index(drop=True)
    assert len(halts) == 6
    columns = ["symbol", "close", "pre_close", "adj_factor", "volume", "amount", "turnover_rate", "trading_status"]
    pd.testing.assert_frame_equal(filled[columns], halts[columns])
    assert filled[["open", "high", "low", "vwap"]].isna().all().all()
    assert noted(report)["missing_rows"] == 6
    values = lake.read("valuation").to_pandas()
    assert len(values) == len(found)
    np.testing.assert_allclose(values["total_mv"], found["close"] * SHARES)
    assert noted(report)["missing_values"] == 6


def test_nothing_is_filled_before_the_first_row_nor_after_the_delisting(market: Frames, tmp_path: Path) -> None:
    bar, days = market["daily_bar"], sessions_of(market)
    # The stock to be delisted stops trading two sessions earlier.
    stopped = (bar["symbol"] == GONE) & (bar["date"] >= days[GONE_AT - 2])
    value = market["valuation"]
    lake, _ = imported(market | {"daily_bar": bar[~stopped], "valuation": value[~stopped]}, tmp_path)
    gone, late = rows(lake, GONE), rows(lake, LATE)
    assert len(gone) == GONE_AT
    assert gone["is_suspended"].tolist() == [False] * (GONE_AT - 2) + [True] * 2
    assert late.index[0] == days[LISTED_AT].item()


@pytest.mark.parametrize(("symbol", "session", "wanted"), [(LATE, 2, "list_date on"), (GONE, 12, "delist_date")])
def test_a_bar_of_a_stock_that_is_not_listed_is_refused(
    market: Frames, tmp_path: Path, symbol: str, session: int, wanted: str
) -> None:
    bar, days = market["daily_bar"], sessions_of(market)
    row = bar[bar["symbol"] == symbol].iloc[[0]].assign(date=days[session])
    with pytest.raises(ContractError, match=rf"daily_bar.csv: row \d+ \(symbol {symbol}\), .*'date'.*{wanted}"):
        imported(market | {"daily_bar": pd.concat([bar, row])}, tmp_path)


def test_a_file_that_lost_half_of_its_stocks_is_refused(market: Frames, tmp_path: Path) -> None:
    bar, days = market["daily_bar"], sessions_of(market)
    lost = (bar["date"] == days[6]) & (bar["symbol"] > "600006")
    files = market | {"daily_bar": bar[~lost]}
    with pytest.raises(ContractError, match=rf"on session {days[6]}, 19 of 35 stocks that traded .* looks truncated"):
        imported(files, tmp_path)
    _, report = imported(files, tmp_path / "allowed", config=ImportConfig(newly_missing_share=0.9, halted_share=0.9))
    assert noted(report)["missing_rows"] == 19


def test_a_stock_that_is_hardly_there_is_refused(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"]
    files = market | {"daily_bar": bar[(bar["symbol"] != "600001.SH") | (bar["date"] == sessions_of(market)[0])]}
    with pytest.raises(ContractError, match=r"600001\.SH has no row on 13 of 14 sessions .* or its delist_date"):
        imported(files, tmp_path, config=ImportConfig(filled_life_sessions=10))


def test_rows_without_volume_are_suspended_whatever_the_flag_says(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"].copy()
    halted = bar["is_suspended"]
    last = bar.loc[halted, "close"]
    for name in ("open", "high", "low", "pre_close"):
        bar.loc[halted, name] = last  # as Baostock prints a suspended session
    bar["is_suspended"] = False
    lake, report = imported(market | {"daily_bar": bar}, tmp_path / "forgotten")
    right, _ = imported(market, tmp_path / "right")
    assert noted(report)["taken_as_suspended"] == halted.sum() == 6
    assert content(lake) == content(right)
    text = bar.assign(is_suspended=halted.map({True: "1", False: "0"}))
    text[["volume", "amount"]] = text[["volume", "amount"]].astype(object).mask(halted, "")
    assert content(imported(market | {"daily_bar": text}, tmp_path / "text")[0]) == content(right)


def test_an_inverted_flag_is_refused_and_named(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"]
    with pytest.raises(ContractError, match=r"csv: is_suspended looks inverted.*'volume' and 'is_suspended'"):
        imported(market | {"daily_bar": bar.assign(is_suspended=~bar["is_suspended"])}, tmp_path)


def test_a_price_that_moved_without_volume_is_refused(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"].copy()
    bar.loc[3, ["volume", "amount"]] = 0.0
    with pytest.raises(ContractError, match=r"row 4 .*'volume' and 'is_suspended': 0\.0, False"):
        imported(market | {"daily_bar": bar}, tmp_path)


@given(has_row=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)), data=st.data())
def test_filled_cells_against_a_loop_over_stocks(has_row: np.ndarray, data: st.DataObject) -> None:
    sessions, stocks = has_row.shape
    unknown = data.draw(hnp.arrays(bool, has_row.shape)) & ~has_row
    ended = data.draw(hnp.arrays(np.int64, stocks, elements=st.integers(0, sessions)))
    expected, source = np.zeros(has_row.shape, dtype=bool), {}
    for n in range(stocks):
        newest = None
        for t in range(sessions):
            if has_row[t, n]:
                newest = t
            elif unknown[t, n]:
                newest = None
            elif newest is not None and t < ended[n]:
                expected[t, n], source[t, n] = True, newest
    filled, found = filled_cells(has_row, unknown, ended)
    np.testing.assert_array_equal(filled, expected)
    assert all(found[cell] == newest for cell, newest in source.items())


# --- vwap, reference price, limits ---


def cells(**columns: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in columns.items()}


def test_vwap_is_the_vendors_or_amount_over_volume_and_never_pulled_into_the_bar() -> None:
    nan = np.nan
    found, derived = average_prices(
        cells(
            # the vendor's; worked out; off by rounding of the amount; off by more; suspended
            vwap=[10.2, nan, nan, nan, nan],
            amount=[1_010_000.0, 1_010_000.0, 998_990.0, 1_200_000.0, 0.0],
            volume=[1e5, 1e5, 1e5, 1e5, 0.0],
            low=[10.0, 10.0, 9.99, 10.0, nan],
            high=[10.5, 10.5, 9.99, 10.5, nan],
        )
    )
    np.testing.assert_array_equal(found, [10.2, 10.1, 9.99, nan, nan])
    assert derived.tolist() == [False, True, True, False, False]


def test_a_missing_reference_price_is_the_last_close_in_the_new_terms() -> None:
    found = reference_prices(
        np.array([9.9, np.nan, np.nan, np.nan]),
        np.array([1.0, 1.0, 1.25, 1.0]),
        np.array([10.0, 10.01, 10.03, np.nan]),
        np.array([1.0, 1.0, 1.0, np.nan]),
    )
    np.testing.assert_array_equal(found, [9.9, 10.01, 8.02, np.nan])  # 10.03 / 1.25 = 8.024


def test_limits_of_a_new_listing_an_unknown_list_date_and_a_delisting_period() -> None:
    days = np.array(["2021-01-05", "2021-01-11", "2021-01-12", "2021-01-05", "2021-06-01"], dtype="datetime64[D]")
    listed = np.array(["2021-01-05"] * 3 + ["NaT", "2010-01-04"], dtype="datetime64[D]")
    board = np.array([BOARDS.index(name) for name in ("star", "star", "star", "star", "main")])
    status = np.array([0.0, 0.0, 0.0, 0.0, 3.0])
    for was_delisting, last in ((False, np.nan), (True, 33.0)):
        up, _ = rule_limits(
            {"pre_close": np.full(5, 30.0), "trading_status": status},
            board, days, listed, np.full(5, was_delisting), CALENDAR,
        )  # fmt: skip
        # Five sessions without a limit, then 20 %; the first session of a delisting period has none, then 10 %.
        np.testing.assert_array_equal(up, [np.nan, np.nan, 36.0, 36.0, last])


def test_limits_are_worked_out_row_by_row(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"].copy()
    whole, _ = imported(market, tmp_path / "rules")
    rule = whole.read("daily_bar").to_pandas()
    bar = bar.sort_values(["date", "symbol"]).reset_index(drop=True)
    assert len(bar) == len(rule)
    late = bar["date"] >= sessions_of(market)[9]
    # A vendor whose limits begin late, one tick wider than the rules' so that one can tell them.
    bar.loc[late, "up_limit"] = (rule["up_limit"] + 0.01).round(2)
    bar.loc[late, "down_limit"] = (rule["down_limit"] - 0.01).round(2)
    lake, report = imported(market | {"daily_bar": bar}, tmp_path / "late")
    found = lake.read("daily_bar").to_pandas()
    np.testing.assert_array_equal(found.loc[~late, "up_limit"], rule.loc[~late, "up_limit"])
    np.testing.assert_array_equal(found.loc[late, "down_limit"], bar.loc[late, "down_limit"])
    by_rules = rule.loc[~late & ~rule["is_suspended"], "up_limit"].notna().sum()
    assert noted(report)["up_limit_by_rules"] == by_rules + (~late & rule["is_suspended"]).sum()
    one = rule[(rule["symbol"] == "300001.SZ") & (rule["date"] == sessions_of(market)[3].item())].iloc[0]
    fen = round(one["pre_close"] * 100)
    assert round(one["up_limit"] * 100) == (fen * 12 + 5) // 10
    assert round(one["down_limit"] * 100) == (fen * 8 + 5) // 10


def test_a_bar_that_contradicts_the_rules_says_which_limits_there_were(market: Frames, tmp_path: Path) -> None:
    bar, last = market["daily_bar"].copy(), sessions_of(market)[-1]
    # An S share sealed at +5 %, a first session after a reform, and one that reaches the limit of the rules.
    for symbol, prices in {
        "600002.SH": (1.05, 1.05, 1.05, 1.05),
        "600004.SH": (0.80, 0.85, 0.75, 0.78),
        "600006.SH": (1.05, 1.10, 1.05, 1.10),
    }.items():
        where = (bar["symbol"] == symbol) & (bar["date"] == last)
        (pre_close,) = bar.loc[where, "pre_close"]
        cells = [round(pre_close * price + 1e-9, 2) for price in prices]
        bar.loc[where, ["open", "high", "low", "close"]] = cells
        bar.loc[where, "amount"] = bar.loc[where, "volume"] * (cells[1] + cells[2]) / 2
    value = market["valuation"].merge(bar[["date", "symbol", "close"]])
    value = value.assign(total_mv=value["close"] * SHARES, float_mv=value["close"] * SHARES).drop(columns="close")
    frames = market | {"daily_bar": bar.drop(columns="vwap"), "valuation": value}
    lake, _ = imported(frames, tmp_path)
    found = lake.read("daily_bar", last, last).to_pandas().set_index("symbol")
    sealed, free, reached = (found.loc[symbol] for symbol in ("600002.SH", "600004.SH", "600006.SH"))
    fen = round(sealed["pre_close"] * 100)
    assert sealed["up_limit"] == sealed["close"] == (fen * 105 + 50) // 100 / 100
    assert sealed["down_limit"] == (fen * 95 + 50) // 100 / 100
    assert free[["up_limit", "down_limit"]].isna().all()
    assert reached["up_limit"] == reached["close"]
    assert reached["down_limit"] == (round(reached["pre_close"] * 100) * 90 + 50) // 100 / 100


@pytest.mark.parametrize(("up", "down"), [(99999.99, 0.0), (99999.99, 0.01), (0.0, 0.0)])
def test_no_limit_is_believed_only_where_the_rules_have_none(
    market: Frames, tmp_path: Path, up: float, down: float
) -> None:
    bar, days = market["daily_bar"].copy(), sessions_of(market)
    first_days = (bar["symbol"] == LATE) & (bar["date"] == days[LISTED_AT])
    bounded = (bar["symbol"] == "600002.SH") & (bar["date"] == days[3])
    bar.loc[first_days | bounded, ["up_limit", "down_limit"]] = up, down
    lake, report = imported(market | {"daily_bar": bar}, tmp_path)
    found = rows(lake, "600002.SH").loc[days[3].item()]
    fen = round(found["pre_close"] * 100)
    assert round(found["up_limit"] * 100) == (fen * 11 + 5) // 10
    (said,) = [finding for finding in report.findings if finding.check == "no_limit_refuted"]
    # A main-board listing of 2022 has limits of 44 % and 36 % on its first session: the sentinel is refuted there, too.
    assert said.count == 2
    assert {example["symbol"] for example in said.examples} == {"600002.SH", LATE}


def test_columns_are_absent_where_the_lake_has_no_value_at_all(market: Frames, tmp_path: Path) -> None:
    days, lake = sessions_of(market), Lake(tmp_path / "lake")

    def absent(number: int, frames: Frames) -> set[str]:
        report = import_contract_files(write_csv(frames, tmp_path / str(number)), lake, CALENDAR)
        return {name for name in report.absent_columns if name.startswith("valuation")}

    without = {name: frame.drop(columns="pcf_ocf_ttm", errors="ignore") for name, frame in market.items()}
    assert absent(0, of_sessions(without, days[:1])) == {"valuation.pcf_ocf_ttm"}
    assert absent(1, of_sessions(market, days[1:2])) == set()
    assert absent(2, of_sessions(without, days[2:3])) == set()


def test_a_high_that_the_close_exceeds_by_rounding_is_widened(market: Frames, tmp_path: Path) -> None:
    bar = market["daily_bar"].copy()
    last = bar.index[-1]
    bar.loc[last, "close"] = np.nextafter(bar.loc[last, "high"], 1e9)
    lake, report = imported(market | {"daily_bar": bar}, tmp_path / "ulp")
    found = rows(lake, bar.loc[last, "symbol"]).iloc[-1]
    assert found["high"] == found["close"] == bar.loc[last, "close"]
    assert noted(report)["widened_bars"] == 1
    bar.loc[last, "close"] = bar.loc[last, "high"] + 0.01
    with pytest.raises(ContractError, match=rf"row {last + 1} .*'high' and 'close'"):
        imported(market | {"daily_bar": bar}, tmp_path / "tick")
