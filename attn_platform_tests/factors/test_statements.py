"""Point-in-time statements: worked by hand, against dictionaries and loops on hostile reports, and unaware of later."""

import datetime
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.factors.statements import (
    KNOWN_QUARTERS,
    SINGLE_QUARTERS,
    TRAILING_QUARTERS,
    Statements,
    load_statements,
)
from attn_platform.market.lake import Lake
from attn_platform_tests.factors.statement_reference import (
    FLOWS,
    LEVELS,
    Accounts,
    Report,
    earlier,
    hostile_statements,
    last_day,
    table_of,
)

STOCK, OTHER = "000001.SZ", "600000.SH"
SYMBOLS = np.array([STOCK, OTHER])
FIRST, LAST = datetime.date(2019, 1, 2), datetime.date(2021, 12, 31)


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def revenue(period: tuple[int, int], announced: str, value: float | None, symbol: str = STOCK) -> Report:
    return Report(symbol, period, day(announced), {} if value is None else {"revenue": value})


def load(
    folder: Path,
    reports: list[Report],
    first: str | datetime.date = "1990-01-01",
    last: str | datetime.date = LAST,
    symbols: np.ndarray = SYMBOLS,
) -> Statements:
    lake = Lake(folder)
    lake.write("fundamental", table_of(reports))
    found = load_statements(lake, symbols, np.datetime64(first), np.datetime64(last))
    assert found is not None
    return found


# --- worked by hand ---

YEAR = [
    revenue((2018, 1), "2018-04-20", 10.0),
    revenue((2018, 2), "2018-08-20", 25.0),
    revenue((2018, 3), "2018-10-20", 45.0),
    revenue((2018, 4), "2019-03-20", 70.0),
    revenue((2019, 1), "2019-04-20", 12.0),
]


def test_single_quarters_and_trailing_figures_of_cumulative_ones(tmp_path: Path) -> None:
    found = load(tmp_path, YEAR)
    np.testing.assert_array_equal(found.day, days("2018-04-20", "2018-08-20", "2018-10-20", "2019-03-20", "2019-04-20"))
    np.testing.assert_array_equal(found.column, 0)
    single, trailing = found.single_quarter("revenue"), found.trailing("revenue")
    assert single.shape == (5, SINGLE_QUARTERS)
    assert trailing.shape == (5, TRAILING_QUARTERS)
    np.testing.assert_array_equal(single[0, :2], [10, np.nan])
    np.testing.assert_array_equal(single[3, :5], [25, 20, 15, 10, np.nan])
    np.testing.assert_array_equal(single[4, :6], [12, 25, 20, 15, 10, np.nan])
    np.testing.assert_array_equal(trailing[:, 0], [np.nan, np.nan, np.nan, 70, 12 + 70 - 10])
    np.testing.assert_array_equal(trailing[4, :3], [72, 70, np.nan])


def test_a_restatement_counts_from_its_announcement_on_in_all_that_is_derived(tmp_path: Path) -> None:
    restated = [*YEAR, revenue((2018, 1), "2019-06-03", 16.0), revenue((2018, 4), "2019-06-10", 80.0)]
    found = load(tmp_path, restated)
    single, trailing = found.single_quarter("revenue"), found.trailing("revenue")
    np.testing.assert_array_equal(found.day[-3:], days("2019-04-20", "2019-06-03", "2019-06-10"))
    np.testing.assert_array_equal(single[-3:, 0], 12)
    np.testing.assert_array_equal(single[-3:, 1], [25, 25, 35])
    np.testing.assert_array_equal(single[-3:, 3], [15, 9, 9])
    np.testing.assert_array_equal(single[-3:, 4], [10, 16, 16])
    np.testing.assert_array_equal(trailing[-3:, 0], [72, 66, 76])


def test_a_null_in_the_newest_row_hides_what_an_older_row_said(tmp_path: Path) -> None:
    found = load(tmp_path, [*YEAR, revenue((2018, 4), "2019-06-10", None)])
    np.testing.assert_array_equal(found.single_quarter("revenue")[-1, :4], [12, np.nan, 20, 15])
    assert np.isnan(found.trailing("revenue")[-1, 0])


def test_a_missing_quarter_keeps_its_column(tmp_path: Path) -> None:
    found = load(tmp_path, [report for report in YEAR if report.period != (2018, 3)])
    np.testing.assert_array_equal(found.single_quarter("revenue")[-1, :5], [12, np.nan, np.nan, 15, 10])


def test_reports_of_one_day_are_one_event(tmp_path: Path) -> None:
    reports = [*YEAR[:3], revenue((2019, 1), "2019-04-30", 12.0), revenue((2018, 4), "2019-04-30", 70.0)]
    found = load(tmp_path, reports)
    assert len(found.day) == 4
    np.testing.assert_array_equal(found.single_quarter("revenue")[-1, :3], [12, 25, 20])


def test_an_older_period_that_comes_late_leaves_the_newest_in_its_column(tmp_path: Path) -> None:
    found = load(tmp_path, [YEAR[4], revenue((2018, 4), "2019-07-01", 70.0), revenue((2018, 1), "2019-08-01", 10.0)])
    np.testing.assert_array_equal(found.trailing("revenue")[:, 0], [np.nan, np.nan, 72])
    np.testing.assert_array_equal(found.newest, (2019 - 1970) * 4)


def test_levels_are_those_of_the_period(tmp_path: Path) -> None:
    reports = [
        Report(STOCK, (2018, 4), day("2019-03-20"), {"total_assets": 5.0}),
        Report(STOCK, (2019, 2), day("2019-08-20"), {"total_assets": 7.0}),
    ]
    found = load(tmp_path, reports).level("total_assets")
    assert found.shape == (2, KNOWN_QUARTERS)
    np.testing.assert_array_equal(found[:, :3], [[5, np.nan, np.nan], [7, np.nan, 5]])


def test_values_are_carried_from_the_first_session_on_or_after_the_announcement(tmp_path: Path) -> None:
    reports = [
        revenue((2018, 1), "2018-04-20", 1.0),  # a Friday
        revenue((2018, 2), "2018-08-18", 2.0),  # a Saturday
        revenue((2018, 1), "2018-08-19", 1.0),
        revenue((2018, 2), "2018-08-19", 3.0, OTHER),
    ]
    found = load(tmp_path, reports)
    sessions = days("2018-04-19", "2018-04-20", "2018-08-17", "2018-08-20", "2018-08-21")
    carried = found.carried(np.array([1.0, 2.0, 4.0, 8.0]), sessions)
    np.testing.assert_array_equal(carried[:, 0], [np.nan, 1, 1, 4, 4])
    np.testing.assert_array_equal(carried[:, 1], [np.nan, np.nan, np.nan, 8, 8])


def test_an_event_without_value_ends_the_one_before(tmp_path: Path) -> None:
    found = load(tmp_path, YEAR[:3])
    carried = found.carried(np.array([1.0, np.nan, 3.0]), days("2018-05-02", "2018-09-03", "2018-11-01"))
    np.testing.assert_array_equal(carried[:, 0], [1, np.nan, 3])
    assert np.isnan(carried[:, 1]).all()


def test_stocks_that_were_not_asked_for_are_left_out(tmp_path: Path) -> None:
    reports = [*YEAR, revenue((2019, 1), "2019-04-20", 99.0, "000002.SZ"), revenue((2019, 1), "2019-04-22", 5.0, OTHER)]
    found = load(tmp_path, reports)
    np.testing.assert_array_equal(found.column, [0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(found.single_quarter("revenue")[-1], [5.0, *[np.nan] * (SINGLE_QUARTERS - 1)])


def test_items_are_those_with_a_value(tmp_path: Path) -> None:
    assert load(tmp_path, YEAR).items == ("revenue",)
    assert load(tmp_path, [revenue((2018, 1), "2018-04-20", None)]).items == ()


def test_no_table_no_statements_and_no_announcement_no_event(tmp_path: Path) -> None:
    assert load_statements(Lake(tmp_path / "none"), SYMBOLS, np.datetime64(FIRST), np.datetime64(LAST)) is None
    found = load(tmp_path, YEAR, last="2018-04-19")
    assert found.day.shape == (0,)
    assert found.single_quarter("revenue").shape == (0, SINGLE_QUARTERS)
    assert np.isnan(found.carried(np.empty(0), days("2018-04-18", "2018-04-19"))).all()
    assert found.items == ()


def test_what_an_item_has_not_is_named(tmp_path: Path) -> None:
    found = load(tmp_path, YEAR)
    with pytest.raises(MissingDataError, match="no item sales; it has revenue, "):
        found.single_quarter("sales")
    with pytest.raises(
        ConfigurationError, match="total_assets has no trailing figure; the items that have one are rev"
    ):
        found.trailing("total_assets")
    with pytest.raises(ConfigurationError, match="revenue has no level"):
        found.level("revenue")


def test_the_table_may_be_in_any_order(tmp_path: Path) -> None:
    ordered, shuffled = load(tmp_path / "a", YEAR), load(tmp_path / "b", YEAR[::-1])
    np.testing.assert_array_equal(ordered.single_quarter("revenue"), shuffled.single_quarter("revenue"))


# --- against dictionaries and loops ---


def assert_is_reference(found: Statements, reports: list[Report], symbols: np.ndarray) -> None:
    derived = {item: (found.single_quarter(item), found.trailing(item)) for item in FLOWS}
    levels = {item: found.level(item) for item in LEVELS}
    for event, (column, when) in enumerate(zip(found.column, found.day, strict=True)):
        accounts = Accounts(reports, symbols[column], when.astype(object))
        for item, (single, trailing) in derived.items():
            expected = [accounts.single(item, k) for k in range(SINGLE_QUARTERS)]
            np.testing.assert_array_equal(single[event], expected, err_msg=f"{when} {item}")
            expected = [accounts.trailing(item, k) for k in range(TRAILING_QUARTERS)]
            np.testing.assert_array_equal(trailing[event], expected, err_msg=f"{when} {item}")
        for item, level in levels.items():
            expected = [accounts.level(item, k) for k in range(KNOWN_QUARTERS)]
            np.testing.assert_array_equal(level[event], expected, err_msg=f"{when} {item}")


@pytest.fixture(scope="module")
def hostile() -> list[Report]:
    return hostile_statements([f"{600000 + j}.SH" for j in range(11)], FIRST, LAST)


@pytest.fixture(scope="module")
def symbols() -> np.ndarray:
    return np.array([f"{600000 + j}.SH" for j in range(11)])


def test_hostile_reports_against_the_reference(
    tmp_path_factory: pytest.TempPathFactory, hostile: list[Report], symbols: np.ndarray
) -> None:
    found = load(tmp_path_factory.mktemp("lake"), hostile, symbols=symbols)
    announced = {(report.symbol, report.announced) for report in hostile}
    assert [(symbols[c], d.astype(object)) for c, d in zip(found.column, found.day, strict=True)] == sorted(announced)
    assert_is_reference(found, hostile, symbols)


def quarter(number: int) -> tuple[int, int]:
    return earlier((2021, 3), number)


REPORT = st.tuples(
    st.integers(0, 30),  # quarters back
    st.one_of(st.integers(0, 120), st.integers(0, 2_000)),  # days to the announcement: in time, or late
    st.sampled_from(SYMBOLS.tolist()),
    st.dictionaries(st.sampled_from([*FLOWS, *LEVELS]), st.integers(-3, 9).map(float), min_size=4),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Report]:
    drawn = draw(st.lists(REPORT, min_size=1, max_size=60))
    reports = {}
    for number, delay, symbol, items in drawn:
        announced = last_day(quarter(number)) + datetime.timedelta(days=delay)
        reports[symbol, number, announced] = Report(symbol, quarter(number), announced, items)
    return list(reports.values())


@settings(max_examples=60, deadline=None)
@given(reports=histories(), first=st.dates(day("2014-01-01"), day("2024-01-01")), span=st.integers(0, 1500))
def test_any_announcements_against_the_reference(
    tmp_path_factory: pytest.TempPathFactory, reports: list[Report], first: datetime.date, span: int
) -> None:
    last = first + datetime.timedelta(days=span)
    found = load(tmp_path_factory.mktemp("lake"), reports, first, last)
    assert_is_reference(found, reports, SYMBOLS)
    # Of each stock one event until the first day, and what was known is known on every day.
    assert max(np.bincount(found.column[found.day <= np.datetime64(first)]), default=0) <= 1
    changes = {first, *(report.announced for report in reports if first < report.announced <= last), last}
    carried = {
        item: found.carried(found.single_quarter(item)[:, 0], np.array(sorted(changes), "M8[D]")) for item in FLOWS
    }
    for row, when in enumerate(sorted(changes)):
        for column, symbol in enumerate(SYMBOLS):
            accounts = Accounts(reports, symbol, when)
            for item, values in carried.items():
                expected = np.nan if accounts.newest is None else accounts.single(item)
                np.testing.assert_array_equal(values[row, column], expected)


# --- blocks, sessions, and the future ---

SESSIONS = np.arange(np.datetime64("2019-01-02"), np.datetime64("2021-12-31"))


def figures(found: Statements, sessions: np.ndarray) -> np.ndarray:
    """Everything that can be derived, carried to sessions [figure, T, N]."""
    events = [
        *(values for item in FLOWS for derive in (found.single_quarter, found.trailing) for values in derive(item).T),
        *(values for item in LEVELS for values in found.level(item).T),
    ]
    return np.stack([found.carried(values, sessions) for values in events])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, hostile: list[Report]) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("hostile"))
    lake.write("fundamental", table_of(hostile))
    return lake


def read(lake: Lake, symbols: np.ndarray, first: np.datetime64, last: np.datetime64) -> Statements:
    found = load_statements(lake, symbols, first, last)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(lake: Lake, symbols: np.ndarray) -> Statements:
    return read(lake, symbols, SESSIONS[0], SESSIONS[-1])


@pytest.fixture(scope="module")
def expected(whole: Statements) -> np.ndarray:
    return figures(whole, SESSIONS)


def test_a_block_of_stocks_is_a_part_of_the_whole(whole: Statements, expected: np.ndarray) -> None:
    assert np.isfinite(expected).mean() > 0.3
    for block in (slice(0, 3), slice(3, 4), slice(9, 11), slice(10, 11), slice(0, 11), slice(4, 4)):
        np.testing.assert_array_equal(figures(whole.columns(block), SESSIONS), expected[:, :, block])


def test_a_part_of_the_sessions_is_a_part_of_the_whole(whole: Statements, expected: np.ndarray) -> None:
    for rows in (slice(0, 1), slice(100, 300), slice(700, 701), slice(900, None)):
        part = whole.between(SESSIONS[rows][0], SESSIONS[rows][-1])
        assert len(part.day) < len(whole.day)
        np.testing.assert_array_equal(figures(part, SESSIONS[rows]), expected[:, rows])


@pytest.mark.parametrize("at", [0, 1, 117, 480, 940, len(SESSIONS) - 1])
def test_one_session_loaded_alone_is_that_of_the_history(
    lake: Lake, symbols: np.ndarray, expected: np.ndarray, at: int
) -> None:
    alone = read(lake, symbols, SESSIONS[at], SESSIONS[at])
    assert len(alone.day) <= len(symbols)
    np.testing.assert_array_equal(figures(alone, SESSIONS[at : at + 1])[:, 0], expected[:, at])


def test_other_stocks_change_nothing(lake: Lake, symbols: np.ndarray, expected: np.ndarray) -> None:
    for chosen in ([4], [2, 7], [0, 10]):
        some = read(lake, symbols[chosen], SESSIONS[0], SESSIONS[-1])
        np.testing.assert_array_equal(figures(some, SESSIONS), expected[:, :, chosen])


@pytest.mark.parametrize("at", [3, 300, 777])
def test_what_is_announced_later_changes_nothing(
    tmp_path: Path, hostile: list[Report], symbols: np.ndarray, expected: np.ndarray, at: int
) -> None:
    known = [report for report in hostile if report.announced <= SESSIONS[at].astype(object)]
    later = [report for report in hostile if report not in known]
    wrong = [Report(r.symbol, r.period, r.announced, dict.fromkeys((*FLOWS, *LEVELS), -7e15)) for r in later]
    assert later
    for number, reports in enumerate((known, known + wrong)):
        lake = Lake(tmp_path / str(number))
        lake.write("fundamental", table_of(reports))
        for last in (SESSIONS[at], SESSIONS[-1]):
            found = read(lake, symbols, SESSIONS[0], last)
            np.testing.assert_array_equal(figures(found, SESSIONS[: at + 1]), expected[:, : at + 1])
    assert not np.array_equal(figures(found, SESSIONS), expected, equal_nan=True)


def test_nothing_announced_after_the_last_session_is_read(lake: Lake, symbols: np.ndarray) -> None:
    last = SESSIONS[300]
    found = read(lake, symbols, SESSIONS[0], last)
    table = lake.read("fundamental")
    known = table.filter(pc.less_equal(table["announced"], pa.scalar(last.astype(object))))
    for item, values in found.values.items():
        assert set(values[np.isfinite(values)]) <= set(known[item].to_pylist())
    assert found.day.max() <= last
