"""Membership against a plain-Python reference, hand-worked cases, point-in-time poison and the real market."""

import os
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from math import isnan, nan
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from attn_platform.errors import CalendarError, MissingDataError
from attn_platform.market.calendar import Calendar, exchange_calendar
from attn_platform.market.dense import STATUS_CODES, DenseMarket
from attn_platform.market.lake import Lake, from_columns
from attn_platform.universe.config import NETWORK_UNIVERSE, UniverseConfig
from attn_platform.universe.membership import (
    count_sessions_listed,
    cross_section,
    eligible,
    select_members,
    selection_session,
)
from attn_platform.universe.store import CrossSections, quarter_of, write_universe

ASHARE = Path(__file__).parents[3] / "shared/data/ashare"
NORMAL, ST, STAR_ST, DELISTING = (STATUS_CODES[status] for status in ("normal", "st", "star_st", "delisting"))


def dense_market(amount, total_mv, is_suspended, trading_status, first="2011-01-04") -> DenseMarket:
    fields = {
        "amount": np.array(amount, dtype=float),
        "total_mv": np.array(total_mv, dtype=float),
        "is_suspended": np.array(is_suspended, dtype=float),
        "trading_status": np.array(trading_status, dtype=float),
    }
    length, width = fields["amount"].shape
    calendar = exchange_calendar()
    at = calendar.position(first)
    symbols = np.array([f"{600000 + number}.SH" for number in range(width)])
    return DenseMarket(calendar.sessions[at : at + length], symbols, fields)


def random_market(seed: int, sessions: int, stocks: int, first: str = "2011-01-04") -> tuple[DenseMarket, np.ndarray]:
    """Listings, delistings, suspensions, ST spells and ties; and the list dates (some missing)."""
    rng = np.random.default_rng(seed)
    amount = np.exp(rng.normal(17, 1, (sessions, stocks))).round(-7)  # coarse, so that means tie
    total_mv = np.exp(rng.normal(22, 1, (1, stocks)) + rng.normal(0, 0.02, (sessions, stocks)).cumsum(0)).round(-9)
    suspended = (rng.random((sessions, stocks)) < 0.1).astype(float)
    amount[suspended == 1] = 0.0
    status = rng.choice([NORMAL, ST, STAR_ST, DELISTING], p=[0.97, 0.01, 0.01, 0.01], size=(sessions, stocks))
    listed = rng.integers(-sessions, sessions, stocks)
    gone = rng.integers(sessions // 2, 4 * sessions, stocks)
    rows = np.arange(sessions)[:, None]
    absent = (rows < listed) | (rows >= gone)
    for values in (amount, total_mv, suspended, status):
        values[absent] = nan
    market = dense_market(amount, total_mv, suspended, status, first)
    calendar = exchange_calendar()
    list_dates = calendar.sessions[calendar.position(first) + listed]
    list_dates[rng.random(stocks) < 0.1] = np.datetime64("NaT")
    return market, list_dates


def first_row_dates(market: DenseMarket) -> np.ndarray:
    dates = []
    for column in market["amount"].T:
        present = [day for day, value in zip(market.sessions, column, strict=True) if not isnan(value)]
        dates.append(present[0] if present else np.datetime64("NaT"))
    return np.array(dates, dtype="datetime64[D]")


def put_into(lake: Lake, market: DenseMarket, list_dates: np.ndarray, since: int = 0) -> None:
    """The rows of a market from row `since` on, and its list dates, as raw tables."""
    statuses = {code: status for status, code in STATUS_CODES.items()}
    row, stock = np.nonzero(~np.isnan(market["trading_status"][since:]))
    cells = {name: values[since:][row, stock] for name, values in market.fields.items()}
    keys = {"date": market.sessions[since:][row], "symbol": market.symbols[stock]}
    bars = {
        **keys,
        "amount": cells["amount"],
        "is_suspended": cells["is_suspended"] == 1,
        "trading_status": np.array([statuses[code] for code in cells["trading_status"]]),
    }
    lake.write_sessions("daily_bar", from_columns(bars), market.sessions[since:])
    lake.write_sessions("valuation", from_columns({**keys, "total_mv": cells["total_mv"]}), market.sessions[since:])
    security = {"symbol": market.symbols, "list_date": list_dates, "delist_date": np.full_like(list_dates, "NaT")}
    successors = pa.nulls(len(market.symbols), pa.string())
    lake.write("security", from_columns(security).append_column("successor", successors))


def universe_of(lake: Lake, market: DenseMarket, config: UniverseConfig = NETWORK_UNIVERSE) -> np.ndarray:
    """[T, N] the cross-sections that the lists in the lake give, of quarters chosen since the market begins."""
    calendar, history = exchange_calendar(), np.zeros(market.shape, dtype=bool)
    held = [selection_session(calendar, session) >= market.sessions[0] for session in market.sessions]
    sessions = market.sessions[held]
    write_universe(lake, calendar, sorted({str(quarter_of(session)) for session in sessions}), config)
    sections = CrossSections(lake, calendar, config, sessions[0], sessions[-1])
    columns = np.searchsorted(market.symbols, sections.market.symbols)
    history[np.ix_(np.flatnonzero(held), columns)] = sections.dense()
    return history


def reference_members(market: DenseMarket, listed: list[int], config: UniverseConfig) -> list[bool]:
    """The spec's sentence, stock by stock."""
    excluded = {STATUS_CODES[status] for status in config.excluded_statuses}
    means: dict[int, tuple[float, float]] = {}
    for n in range(len(market.symbols)):
        last_status, last_suspended = market["trading_status"][-1, n], market["is_suspended"][-1, n]
        if (
            isnan(last_status)
            or last_status in excluded
            or last_suspended != 0
            or listed[n] < config.min_listed_sessions
        ):
            continue
        amounts, values = [], []
        for t in range(max(0, len(market.sessions) - config.liquidity_window), len(market.sessions)):
            if market["is_suspended"][t, n] == 1:
                if config.suspended_amount == "zero":
                    amounts.append(0.0)
            elif not isnan(market["amount"][t, n]):
                amounts.append(float(market["amount"][t, n]))
            if not isnan(market["total_mv"][t, n]):
                values.append(float(market["total_mv"][t, n]))
        if amounts and values:
            means[n] = (sum(amounts) / len(amounts), sum(values) / len(values))
    bound = Decimal(str(config.top_share)) * len(means)
    return [
        n in means and all(sum(other[k] > means[n][k] for other in means.values()) < bound for k in (0, 1))
        for n in range(len(market.symbols))
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    sessions=st.integers(1, 40),
    stocks=st.integers(1, 40),
    share=st.sampled_from([0.6, 0.9]),
    window=st.sampled_from([1, 10, 252]),
    suspended_amount=st.sampled_from(["no_observation", "zero"]),
)
def test_select_members_equals_the_plain_reference(seed, sessions, stocks, share, window, suspended_amount):
    market, _ = random_market(seed, sessions, stocks)
    listed = np.random.default_rng(seed).integers(55, 80, stocks)
    config = UniverseConfig(top_share=share, liquidity_window=window, suspended_amount=suspended_amount)
    assert select_members(market, listed, config).tolist() == reference_members(market, listed.tolist(), config)


def test_select_members_worked_by_hand():
    """Five candidates, so three in each top share; 2 is small, 4 illiquid, 5 is ST, 6 suspended, 7 new, 8 gone."""
    amount = [[9, 8, 7, 2, 1, 99, 99, 99, 99]] * 2
    total_mv = [[50, 10, 40, 60, 5, 99, 99, 99, 99]] * 2
    suspended = [[0] * 9, [0, 0, 0, 0, 0, 0, 1, 0, nan]]
    status = [[NORMAL] * 9, [NORMAL] * 5 + [ST, NORMAL, NORMAL, nan]]
    market = dense_market(amount, total_mv, suspended, status)
    listed = np.array([500] * 7 + [62, 500])
    expected = [True, False, True, False, False, False, False, False, False]
    assert select_members(market, listed).tolist() == expected
    # Top 90 % of five is 4.5, rounded up: all five.
    assert select_members(market, listed, UniverseConfig(top_share=0.9)).tolist() == [True] * 5 + [False] * 4


def test_one_more_session_of_listing_admits_the_new_stock():
    market = dense_market([[1.0]], [[1.0]], [[0]], [[NORMAL]])
    assert not select_members(market, np.array([62]))[0]
    assert select_members(market, np.array([63]))[0]


def test_suspended_sessions_either_give_no_observation_or_zero_amount():
    """Stock 0 trades 10 on one session of four; stock 1 trades 4 on each: 10 against 4, or 2.5 against 4."""
    amount = [[0, 4], [0, 4], [0, 4], [10, 4]]
    suspended = [[1, 0], [1, 0], [1, 0], [0, 0]]
    market = dense_market(amount, np.ones((4, 2)), suspended, np.zeros((4, 2)))
    listed = np.array([100, 100])
    half = {"top_share": 0.5}
    assert select_members(market, listed, UniverseConfig(**half)).tolist() == [True, False]
    zero = UniverseConfig(suspended_amount="zero", **half)
    assert select_members(market, listed, zero).tolist() == [False, True]


def test_a_young_stock_is_averaged_over_the_sessions_it_has():
    """Stock 0 came on the last session with 6; stock 1 has a mean of 5. Zeros before listing would give 1.5."""
    amount = [[nan, 5], [nan, 5], [nan, 5], [6, 5]]
    present = [[nan, 0], [nan, 0], [nan, 0], [0, 0]]
    market = dense_market(amount, np.where(np.isnan(amount), nan, 1.0), present, present)
    for mode in ("no_observation", "zero"):
        config = UniverseConfig(top_share=0.5, suspended_amount=mode, min_listed_sessions=1)
        assert select_members(market, np.array([1, 4]), config).tolist() == [True, False]


def test_rows_older_than_the_window_do_not_count():
    amount = np.array([[1000.0, 1.0]] * 3 + [[1.0, 2.0]] * 4)
    market = dense_market(amount, np.ones((7, 2)), np.zeros((7, 2)), np.zeros((7, 2)))
    listed = np.array([100, 100])
    assert select_members(market, listed, UniverseConfig(top_share=0.5, liquidity_window=4)).tolist() == [False, True]
    assert select_members(market, listed, UniverseConfig(top_share=0.5, liquidity_window=7)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("share", "count", "kept"), [(0.6, 5, 3), (0.6, 4, 3), (0.6, 1, 1), (0.9, 10, 9), (0.9, 11, 10), (0.55, 100, 55)]
)
def test_the_top_share_is_rounded_up_in_decimals(share, count, kept):
    values = np.arange(count, dtype=float)[None] + 1
    market = dense_market(values, values, np.zeros((1, count)), np.zeros((1, count)))
    members = select_members(market, np.full(count, 63), UniverseConfig(top_share=share))
    assert members.tolist() == [False] * (count - kept) + [True] * kept


def test_ties_at_the_boundary_all_stay():
    amount = np.array([[5.0, 3.0, 3.0, 3.0, 1.0]])
    market = dense_market(amount, amount, np.zeros((1, 5)), np.zeros((1, 5)))
    members = select_members(market, np.full(5, 63), UniverseConfig(top_share=0.4))
    assert members.tolist() == [True, True, True, True, False]


def test_nobody_qualifies_or_nothing_is_known():
    market = dense_market([[1.0]], [[nan]], [[0]], [[NORMAL]])
    with pytest.raises(MissingDataError, match="total_mv"):
        select_members(market, np.array([63]))
    assert not select_members(market, np.array([1]))[0]
    absent = DenseMarket(market.sessions, market.symbols, {**market.fields, "total_mv": np.full((1, 1), nan)})
    del absent.fields["amount"]
    with pytest.raises(MissingDataError, match="amount"):
        select_members(absent, np.array([63]))


def test_eligible_applies_each_drop():
    status = np.array([NORMAL, ST, STAR_ST, DELISTING, nan, NORMAL])
    listed = np.array([63, 100, 100, 100, 100, 62])
    assert eligible(status, listed).tolist() == [True, False, False, False, False, False]
    with_st = UniverseConfig(excluded_statuses=frozenset({"delisting"}), min_listed_sessions=0)
    assert eligible(status, listed, with_st).tolist() == [True, True, True, False, False, True]


def test_cross_section_keeps_a_suspended_member_but_not_one_that_turned_st():
    members = np.array([True, True, True, False])
    suspended, status = np.array([0.0, 1.0, 0.0, 0.0]), np.array([NORMAL, NORMAL, ST, NORMAL])
    listed = np.full(4, 100)
    assert cross_section(members, suspended, status, listed).tolist() == [True, True, False, False]
    strict = UniverseConfig(keep_suspended=False)
    assert cross_section(members, suspended, status, listed, strict).tolist() == [True, False, False, False]


def test_count_sessions_listed_by_hand():
    days = ["2011-01-04", "2011-01-05", "2011-01-06", "2011-01-07", "2011-01-10", "2011-01-11"]
    calendar = Calendar(np.array(days, dtype="datetime64[D]"), np.datetime64(days[-1]))
    list_dates = np.array(
        ["2011-01-10", "2011-01-08", "2011-01-05", "NaT", "2011-01-11", "NaT", "2000-01-01"], dtype="datetime64[D]"
    )
    first_rows = np.array(["2011-01-04"] * 3 + ["2011-01-07", "NaT", "NaT", "2011-01-04"], dtype="datetime64[D]")
    counted = count_sessions_listed(calendar, list_dates, first_rows, "2011-01-10")
    assert counted.tolist() == [1, 1, 4, 2, 0, 0, 5]
    with pytest.raises(CalendarError, match="2011-01-08"):
        count_sessions_listed(calendar, list_dates, first_rows, "2011-01-08")


@pytest.mark.parametrize(
    ("day", "unit", "expected"),
    [
        ("2011-01-04", "Q", "2010-12-31"),
        ("2011-03-31", "Q", "2010-12-31"),  # the quarter's last session still has the old list
        ("2011-04-01", "Q", "2011-03-31"),
        ("2012-04-05", "Q", "2012-03-30"),
        ("2011-01-01", "Q", "2010-12-31"),  # partition keys need not be sessions
        ("2012-12-31", "Y", "2011-12-30"),
        ("2013-01-04", "Y", "2012-12-31"),
    ],
)
def test_selection_session(day, unit, expected):
    assert selection_session(exchange_calendar(), day, unit) == np.datetime64(expected)


def test_selection_session_outside_the_calendar():
    calendar = Calendar(np.array(["2011-01-04", "2011-01-05"], dtype="datetime64[D]"), np.datetime64("2011-01-05"))
    with pytest.raises(CalendarError, match="2011-01-04"):
        selection_session(calendar, "2011-01-05")
    with pytest.raises(CalendarError, match="ends on 2011-01-05"):
        selection_session(calendar, "2011-04-01")


@pytest.mark.parametrize("config", [NETWORK_UNIVERSE, UniverseConfig(top_share=0.9)], ids=["networks", "xgboost"])
def test_universe_equals_a_walk_over_the_days(config, tmp_path):
    """From 2010-11-01 over five quarter ends, told by their months; ages by counting days of the calendar."""
    stocks = 60
    market, list_dates = random_market(seed=3, sessions=300, stocks=stocks, first="2010-11-01")
    first_rows = first_row_dates(market)
    calendar = exchange_calendar()
    lake = Lake(tmp_path)
    put_into(lake, market, list_dates)
    history = universe_of(lake, market, config)

    days = [day.astype(date) for day in calendar.between("2008-01-01", market.sessions[-1])]
    since = [f if np.isnat(d) else d for d, f in zip(list_dates, first_rows, strict=True)]
    begins = [date.max if np.isnat(day) else day.astype(date) for day in since]

    def ages(today: date) -> list[int]:
        return [sum(begin <= day <= today for day in days) for begin in begins]

    members = [False] * stocks
    sizes = []
    for row, session in enumerate(market.sessions):
        today, yesterday = session.astype(date), market.sessions[row - 1].astype(date)
        if row and (today.month - 1) // 3 != (yesterday.month - 1) // 3:
            members = reference_members(market.rows(slice(row)), ages(yesterday), config)
        if row % 7 == 0 or row > 295:
            normal = market["trading_status"][row] == NORMAL
            expected = [m and n and a >= 63 for m, n, a in zip(members, normal.tolist(), ages(today), strict=True)]
            assert history[row].tolist() == expected
            sizes.append(sum(expected))
    assert sizes[0] == 0  # the list of that quarter was chosen before the market's first session
    assert max(sizes) > 10


@pytest.mark.slow
def test_nothing_after_a_session_changes_its_universe(tmp_path):
    market, list_dates = random_market(seed=5, sessions=200, stocks=80)
    first_rows = first_row_dates(market)
    lake = Lake(tmp_path / "clean")
    put_into(lake, market, list_dates)
    clean = universe_of(lake, market)
    for cut in (60, 119, 120, 121, 180):
        rng = np.random.default_rng(cut)
        poisoned = {name: values.copy() for name, values in market.fields.items()}
        later_stocks = rng.permuted(np.tile(np.arange(80), (200 - cut, 1)), axis=1)
        for name, values in poisoned.items():
            values[cut:] = np.take_along_axis(values[cut:], later_stocks, axis=1)
            if name == "amount":
                values[cut:] = np.where(np.isnan(values[cut:]), nan, rng.random(values[cut:].shape) * 1e12)
        dirty_dates = list_dates.copy()
        dirty_dates[first_rows >= market.sessions[cut]] = np.datetime64("NaT")
        spoilt = Lake(tmp_path / str(cut))
        shutil.copytree(lake.root, spoilt.root, copy_function=os.link)  # files are replaced, never written to
        put_into(spoilt, DenseMarket(market.sessions, market.symbols, poisoned), dirty_dates, since=cut)
        dirty = universe_of(spoilt, market)
        assert np.array_equal(dirty[:cut], clean[:cut])
        assert not np.array_equal(dirty[cut:], clean[cut:])


def test_a_market_that_starts_on_a_quarter_end_has_a_list_from_the_next_session_on(tmp_path):
    flat = np.ones((3, 2))
    market = dense_market(flat, flat, 0 * flat, 0 * flat, first="2010-12-31")
    lake = Lake(tmp_path)
    put_into(lake, market, np.array(["2000-01-04", "2000-01-04"], dtype="datetime64[D]"))
    assert universe_of(lake, market).tolist() == [[False, False], [True, True], [True, True]]


def test_configurations_of_the_studies():
    assert NETWORK_UNIVERSE.top_share == 0.6
    assert NETWORK_UNIVERSE.liquidity_window == 252
    assert NETWORK_UNIVERSE.min_listed_sessions == 63
    with pytest.raises(ValidationError, match="no trading status: suspended"):
        UniverseConfig(excluded_statuses=frozenset({"suspended"}))
    with pytest.raises(ValidationError):
        UniverseConfig(top_share=60)


# --- the real market -------------------------------------------------------------------------------------------------

real_data = pytest.mark.skipif(not ASHARE.is_dir(), reason="needs shared/data/ashare beside the checkout")


def ashare(first_year: int, last_year: int) -> tuple[DenseMarket, np.ndarray, np.ndarray]:
    """Dense market of whole years, suspended sessions completed; list dates; first trades."""
    security = duckdb.sql(f"SELECT * FROM '{ASHARE}/security.parquet' ORDER BY symbol").df()
    files = [f"{ASHARE}/daily/{year}.parquet" for year in range(first_year, last_year + 1)]
    columns = duckdb.execute(
        "SELECT date, symbol, amount::DOUBLE AS amount, close_fen / 100.0 * total_shares AS total_mv, trading_status "
        "FROM read_parquet(?)",
        [files],
    ).df()
    sessions = np.unique(columns["date"].to_numpy().astype("datetime64[D]"))
    row = np.searchsorted(sessions, columns["date"].to_numpy().astype("datetime64[D]"))
    column = security["symbol"].searchsorted(columns["symbol"])
    fields = {}
    for name in ("amount", "total_mv", "trading_status"):
        fields[name] = np.full((len(sessions), len(security)), nan)
        values = columns[name].map(STATUS_CODES) if name == "trading_status" else columns[name]
        fields[name][row, column] = values
    untraded = np.isnan(fields["amount"])
    for name in ("total_mv", "trading_status"):
        fields[name] = pd.DataFrame(fields[name]).ffill().to_numpy()
    fields["is_suspended"] = np.where(np.isnan(fields["total_mv"]), nan, untraded.astype(float))
    fields["amount"][fields["is_suspended"] == 1] = 0.0
    dates = [security[name].to_numpy().astype("datetime64[D]") for name in ("list_date", "first_trade")]
    return DenseMarket(sessions, security["symbol"].to_numpy(), fields), dates[0], dates[1]


@pytest.mark.real_data
@real_data
def test_size_of_the_real_universe_at_the_end_of_2010():
    """About 2,050 stocks; 1,743 candidates; 834 and 1,463 are in the two top shares."""
    market, list_dates, first_rows = ashare(2009, 2010)
    listed = count_sessions_listed(exchange_calendar(), list_dates, first_rows, "2010-12-31")
    for mode in ("no_observation", "zero"):
        networks = select_members(market, listed, UniverseConfig(suspended_amount=mode)).sum()
        assert 800 <= networks <= 900
        xgboost = select_members(market, listed, UniverseConfig(top_share=0.9, suspended_amount=mode)).sum()
        assert 1400 <= xgboost <= 1550


def quarter_medians() -> Iterator[tuple[np.datetime64, int, float]]:
    """Quarter end, number of members, median total market value (10⁹ CNY)."""
    calendar = exchange_calendar()
    for year in range(2011, 2022):
        market, list_dates, first_rows = ashare(year - 1, year)
        for next_quarter in (f"{year}-04-01", f"{year}-07-01", f"{year}-10-01", f"{year + 1}-01-01"):
            end = selection_session(calendar, next_quarter)
            past = market.rows(slice(market.position(end) + 1))
            members = select_members(past, count_sessions_listed(calendar, list_dates, first_rows, end))
            yield end, int(members.sum()), float(np.median(past["total_mv"][-1, members])) / 1e9


@pytest.mark.real_data
@pytest.mark.slow
@real_data
def test_median_market_value_of_the_real_universe():
    """Published picture (AI-69, AI-55): the median lies between 4 and 24 billion CNY through 2011-2022."""
    quarters = list(quarter_medians())
    assert len(quarters) == 44
    assert all(4 <= median <= 24 for _, _, median in quarters), quarters
    assert all(800 <= size <= 2100 for _, size, _ in quarters), quarters
