"""Trading rules against hand-worked cases: each row of the rule list, both sides of each date."""

import math
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import ContractError
from attn_platform.market import trading_rules as rules
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.contract import BOARDS, TRADING_STATUSES

ASHARE = Path(__file__).parents[3] / "shared/data/ashare"
SEASONED = 1_000
FREE = None

# board, status, session, sessions since listing, expected up and down limit (None: free)
LIMIT_CASES = [
    # main board, ordinary stocks: free, then 10 %
    ("main", "normal", "1996-12-13", SEASONED, FREE, FREE),
    ("main", "normal", "1996-12-16", SEASONED, 0.10, 0.10),
    ("main", "normal", "2024-06-03", SEASONED, 0.10, 0.10),
    # special treatment on the main board: as the others, then 5 %, then 10 % again
    ("main", "st", "1998-04-21", SEASONED, 0.10, 0.10),
    ("main", "st", "1998-04-22", SEASONED, 0.05, 0.05),
    ("main", "star_st", "2003-05-12", SEASONED, 0.05, 0.05),
    ("main", "st", "2026-07-03", SEASONED, 0.05, 0.05),
    ("main", "star_st", "2026-07-03", SEASONED, 0.05, 0.05),
    ("main", "st", "2026-07-06", SEASONED, 0.10, 0.10),
    ("main", "star_st", "2026-07-06", SEASONED, 0.10, 0.10),
    # the delisting-consolidation period has the board's ordinary limit
    ("main", "delisting", "2014-04-22", SEASONED, 0.10, 0.10),
    ("chinext", "delisting", "2020-08-24", SEASONED, 0.20, 0.20),
    # STAR: 20 %, special treatment included, first five sessions free
    ("star", "normal", "2019-07-22", 0, FREE, FREE),
    ("star", "normal", "2019-07-26", 4, FREE, FREE),
    ("star", "normal", "2019-07-29", 5, 0.20, 0.20),
    ("star", "st", "2022-05-05", SEASONED, 0.20, 0.20),
    ("star", "star_st", "2022-05-05", SEASONED, 0.20, 0.20),
    # ChiNext: first session free before 2014, then bounded, then five free sessions
    ("chinext", "normal", "2009-10-30", 0, FREE, FREE),
    ("chinext", "normal", "2009-11-02", 1, 0.10, 0.10),
    ("chinext", "normal", "2013-12-31", 0, FREE, FREE),
    ("chinext", "normal", "2014-01-02", 0, 0.44, 0.36),
    ("chinext", "normal", "2014-01-03", 1, 0.10, 0.10),
    ("chinext", "normal", "2020-08-21", 0, 0.44, 0.36),
    ("chinext", "normal", "2020-08-24", 0, FREE, FREE),
    ("chinext", "normal", "2020-08-28", 4, FREE, FREE),
    ("chinext", "normal", "2020-08-31", 5, 0.20, 0.20),
    # listed on the last session before the reform: no free sessions, but the new limit from the reform on
    ("chinext", "normal", "2020-08-24", 1, 0.20, 0.20),
    ("chinext", "normal", "2020-08-27", 4, 0.20, 0.20),
    ("chinext", "normal", "2020-08-21", SEASONED, 0.10, 0.10),
    ("chinext", "normal", "2020-08-24", SEASONED, 0.20, 0.20),
    ("chinext", "star_st", "2020-08-21", SEASONED, 0.05, 0.05),
    ("chinext", "star_st", "2020-08-24", SEASONED, 0.20, 0.20),
    # main-board listings: free first session, then bounded, then five free sessions under registration
    ("main", "normal", "2013-12-31", 0, FREE, FREE),
    ("main", "normal", "2014-01-02", 0, 0.44, 0.36),
    ("main", "normal", "2014-01-02", 1, 0.10, 0.10),
    ("main", "normal", "2023-04-07", 0, 0.44, 0.36),
    ("main", "normal", "2023-04-10", 0, FREE, FREE),
    ("main", "normal", "2023-04-14", 4, FREE, FREE),
    ("main", "normal", "2023-04-17", 5, 0.10, 0.10),
    ("main", "normal", "2023-04-10", 1, 0.10, 0.10),
    ("main", "normal", "2023-04-13", 4, 0.10, 0.10),
    ("main", "normal", "2023-04-17", 4, FREE, FREE),
    # Beijing: 30 %, special treatment included, first session free
    ("bse", "normal", "2021-11-15", 0, FREE, FREE),
    ("bse", "normal", "2021-11-16", 1, 0.30, 0.30),
    ("bse", "star_st", "2023-05-04", SEASONED, 0.30, 0.30),
    # boards that did not exist yet have no rule
    ("star", "normal", "2019-07-19", SEASONED, FREE, FREE),
    ("bse", "normal", "2021-11-12", SEASONED, FREE, FREE),
]


@pytest.mark.parametrize(("board", "status", "session", "age", "up", "down"), LIMIT_CASES)
def test_limit_of_each_rule(board, status, session, age, up, down):
    found = rules.limit_ratio(board, np.datetime64(session), status, age)
    expected = [math.nan if bound is FREE else bound for bound in (up, down)]
    np.testing.assert_array_equal([float(side) for side in found], expected)


@pytest.mark.parametrize(
    ("session", "since_consolidation", "free"),
    [("2020-12-30", 0, False), ("2020-12-31", 0, True), ("2021-06-01", 1, False)],
)
def test_first_session_of_the_consolidation_period(session, since_consolidation, free):
    up, down = rules.limit_ratio("main", np.datetime64(session), "delisting", SEASONED, since_consolidation)
    assert np.isnan(up) == np.isnan(down) == free
    up, _ = rules.limit_ratio("main", np.datetime64(session), "normal", SEASONED, since_consolidation)
    assert up == 0.10  # the count is read for the status `delisting` only


@pytest.mark.parametrize(
    ("session", "since_consolidation", "ratio"),
    [
        ("2020-08-21", 12, 0.10),
        ("2020-08-24", 13, 0.10),  # 300216.SZ: its period began on 2020-08-05, its boards lay at -10 % to the end
        ("2020-09-14", 28, 0.10),
        ("2020-08-24", 0, 0.20),  # begun with the reform
        ("2020-08-28", 4, 0.20),
        ("2020-08-28", 5, 0.10),  # begun on the session before it
        ("2020-08-28", -1, 0.20),  # nobody knows when it began
        ("2020-11-18", 30, 0.20),  # 300431.SZ: begun on 2020-09-21, a holiday of six weekdays in between
    ],
)
def test_a_consolidation_period_keeps_the_limit_with_which_it_began(session, since_consolidation, ratio):
    found = rules.limit_ratio("chinext", np.datetime64(session), "delisting", SEASONED, since_consolidation)
    assert [float(side) for side in found] == [ratio, ratio]
    assert rules.limit_ratio("main", np.datetime64(session), "delisting", SEASONED, 3)[0] == 0.10
    assert rules.limit_ratio("chinext", np.datetime64("2020-08-24"), "normal", SEASONED, 13)[0] == 0.20


# Bars of real sessions in fen; reference, the rules' ratio, open, high, low, close, expected limits.
OBSERVED = [
    # 600182.SH, an S share, sealed at +5 % on 2017-09-11; the rules know it as normal
    (2316, 0.10, (2432, 2432, 2432, 2432), (2432, 2200)),
    # the same stock sealed at -5 %
    (2170, 0.10, (2062, 2062, 2062, 2062), (2279, 2062)),
    # 300216.SZ, sealed at -10 % in its delisting period while ChiNext had 20 %
    (98, 0.20, (88, 88, 88, 88), (108, 88)),
    # 600701.SH, first session of its period on 2021-03-15: free by the new rules, run under the old ones
    (117, math.nan, (105, 105, 105, 105), (129, 105)),
    # 600500.SH, first session after its share reform, on 2005-08-12: a fen below the limit of 486, so there was none
    (540, 0.10, (500, 506, 485, 498), (FREE, FREE)),
    # 000792.SZ, first session after two years of suspended listing
    (884, 0.10, (3590, 4360, 3200, 3590), (FREE, FREE)),
    # to the limit and not beyond
    (1000, 0.10, (950, 950, 900, 920), (1100, 900)),
    # one price somewhere inside says nothing, nor does a close at 5 % of a bar with several prices
    (1000, 0.10, (1030, 1030, 1030, 1030), (1100, 900)),
    (1000, 0.10, (1000, 1050, 1000, 1050), (1100, 900)),
    # nor a board of the rules' own limit, or of a wider one than theirs
    (1000, 0.05, (1050, 1050, 1050, 1050), (1050, 950)),
    (1000, 0.05, (1100, 1100, 1100, 1100), (FREE, FREE)),
    # one price that did not move
    (1000, 0.10, (1000, 1000, 1000, 1000), (1100, 900)),
    # a free session with an ordinary bar
    (1000, math.nan, (1200, 1500, 1100, 1400), (FREE, FREE)),
    # a suspended session has no bar: the rules stand
    (1000, 0.10, (math.nan, math.nan, math.nan, 1000), (1100, 900)),
]


@pytest.mark.parametrize(("reference", "ratio", "bar", "limits"), OBSERVED)
def test_the_bar_is_the_witness_of_the_limit(reference, ratio, bar, limits):
    found = rules.observed_limits(reference / 100, ratio, ratio, *(price / 100 for price in bar))
    expected = [math.nan if side is FREE else side / 100 for side in limits]
    np.testing.assert_array_equal([float(side) for side in found], expected)


def test_observed_limits_broadcast_and_equal_limit_prices_inside():
    rng = np.random.default_rng(5)
    reference = rng.integers(100, 5_000, (40, 30)) / 100
    ratio = rng.choice([0.05, 0.10, 0.20], 30)
    up, down = rules.limit_prices(reference, ratio, ratio)
    high, low = np.minimum(up, reference * 1.03), np.maximum(down, reference * 0.97)
    np.testing.assert_array_equal(
        rules.observed_limits(reference, ratio, ratio, reference, high, low, reference), (up, down)
    )


def test_arguments_broadcast_and_codes_equal_strings():
    boards = np.array(["main", "star", "chinext", "bse"])
    sessions = np.array(["2020-08-21", "2020-08-24", "2023-04-10"], dtype="datetime64[D]")
    status = np.array([["normal", "st", "star_st", "delisting"]] * 3)
    age = np.array([[0, 1, 4, 5], [0, 4, 1, 900], [3, 0, 5, 0]])
    up, down = rules.limit_ratio(boards, sessions[:, None], status, age)
    assert up.shape == down.shape == (3, 4)
    for t in range(3):
        for i in range(4):
            single = rules.limit_ratio(boards[i], sessions[t], status[t, i], age[t, i])
            np.testing.assert_array_equal([up[t, i], down[t, i]], [float(side) for side in single])
    codes = np.array([BOARDS.index(board) for board in boards])
    status_codes = np.vectorize(TRADING_STATUSES.index)(status)
    np.testing.assert_array_equal(up, rules.limit_ratio(codes, sessions[:, None], status_codes, age)[0])


def test_unknown_words_are_named():
    with pytest.raises(ContractError, match="'nasdaq'"):
        rules.limit_ratio("nasdaq", np.datetime64("2020-01-02"), "normal", 9)
    with pytest.raises(ContractError, match="'sst'"):
        rules.limit_ratio(["main"], np.datetime64("2020-01-02"), ["sst"], 9)


@pytest.mark.parametrize(
    ("pre_close", "ratio", "up", "down"),
    [
        (2.25, 0.10, 2.48, 2.03),  # 2.475 and 2.025: half a fen, up
        (10.05, 0.10, 11.06, 9.05),  # 11.055 and 9.045
        (1.15, 0.10, 1.27, 1.04),  # 1.265 and 1.035: both just below as binary floats
        (3.30, 0.05, 3.47, 3.14),  # 3.465 and 3.135
        (8.88, 0.20, 10.66, 7.10),  # 10.656 and 7.104
        (12.34, 0.30, 16.04, 8.64),  # 16.042 and 8.638
        (1700.01, 0.10, 1870.01, 1530.01),
        (0.04, 0.10, 0.05, 0.03),  # rounding leaves no room: one fen
        (0.01, 0.05, 0.02, 0.01),  # never below one fen
    ],
)
def test_limit_prices_by_hand(pre_close, ratio, up, down):
    found = rules.limit_prices(pre_close, ratio, ratio)
    np.testing.assert_array_equal([float(side) for side in found], [up, down])


def test_first_session_bounds_differ():
    up, down = rules.limit_prices(8.01, 0.44, 0.36)
    assert (float(up), float(down)) == (11.53, 5.13)  # 11.5344, 5.1264


@given(fen=st.integers(min_value=20, max_value=300_000), percent=st.sampled_from([5, 10, 20, 30]))
def test_limit_prices_equal_decimal_arithmetic(fen, percent):
    pre_close = Decimal(fen) / 100
    exact = [(pre_close * (100 + sign * percent) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP) for sign in (1, -1)]
    exact = [max(exact[0], pre_close + Decimal("0.01")), min(exact[1], pre_close - Decimal("0.01"))]
    found = rules.limit_prices(float(pre_close), percent / 100, percent / 100)
    assert [Decimal(f"{float(side):.2f}") for side in found] == exact
    assert [float(side) for side in found] == [float(side) for side in exact]


def test_missing_reference_or_free_price_has_no_limit():
    up, down = rules.limit_prices([np.nan, 10.0, 10.0], [0.1, np.nan, 0.1], [0.1, np.nan, 0.1])
    np.testing.assert_array_equal(up, [np.nan, np.nan, 11.0])
    np.testing.assert_array_equal(down, [np.nan, np.nan, 9.0])


def test_one_price_limit():
    limit = np.array([2.48, 2.48, 2.48, np.nan, 2.48])
    close = np.array([2.48, 2.48, 2.47, 2.48, np.nan])
    low = np.array([2.48, 2.47, 2.47, 2.48, np.nan])
    found = rules.is_one_price_limit(close, close, low, close, limit)
    np.testing.assert_array_equal(found, [True, False, False, False, False])
    assert rules.is_one_price_limit(0.1 + 0.2, 0.3, 0.3, 0.3, 0.1 * 3)  # binary noise is not a price


@pytest.mark.parametrize(
    ("symbol", "board"),
    [
        ("600000.SH", "main"), ("601398.SH", "main"), ("603986.SH", "main"), ("605499.SH", "main"),
        ("000001.SZ", "main"), ("001289.SZ", "main"), ("002415.SZ", "main"), ("003816.SZ", "main"),
        ("688981.SH", "star"), ("689009.SH", "star"),
        ("300750.SZ", "chinext"), ("301236.SZ", "chinext"), ("302132.SZ", "chinext"),
        ("430047.BJ", "bse"), ("830799.BJ", "bse"), ("873223.BJ", "bse"), ("920002.BJ", "bse"),
    ],
)  # fmt: skip
def test_board_of_symbol(symbol, board):
    assert rules.board_of(symbol) == board


@pytest.mark.parametrize("symbol", ["900901.SH", "200002.SZ", "510300.SH", "000300.SH", "688981.SZ", "600000"])
def test_what_is_no_a_share_is_refused(symbol):
    with pytest.raises(ContractError, match=symbol):
        rules.board_of(["600000.SH", symbol])


def test_consolidation_period_by_date():
    assert rules.consolidation_rule(np.datetime64("2012-07-06")) is None
    old, new = (rules.consolidation_rule(np.datetime64(day)) for day in ("2020-12-30", "2020-12-31"))
    assert (old.sessions, old.first_session_free) == (30, False)
    assert (new.sessions, new.first_session_free) == (15, True)


def test_lots():
    lots = {board: (rule.minimum, rule.increment) for board, rule in rules.LOT_RULES.items()}
    assert lots == {"main": (100, 100), "chinext": (100, 100), "star": (200, 1), "bse": (100, 1)}
    assert set(lots) == set(BOARDS)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not ASHARE.is_dir(), reason="needs shared/data/ashare beside the checkout")
@pytest.mark.parametrize("year", [2010, 2015, 2020])
def test_the_real_market_kept_the_rules(year):
    """Real bars never leave the computed limits (but for a few relistings), and reach them to the fen."""
    rows = duckdb.execute(
        "SELECT d.*, listed, coalesce(pre_close_fen, lag(close_fen) OVER stock) AS reference_fen, "
        "trading_status = 'delisting' AND lag(trading_status) OVER stock <> 'delisting' AS opens_period "
        "FROM read_parquet(?) d JOIN (SELECT symbol, coalesce(list_date, first_trade) AS listed FROM read_parquet(?)) "
        "USING (symbol) WINDOW stock AS (PARTITION BY symbol ORDER BY date)",
        [[f"{ASHARE}/daily/{y}.parquet" for y in (year - 1, year)], f"{ASHARE}/security.parquet"],
    ).df()
    rows = rows[(rows["date"].dt.year == year) & rows["reference_fen"].notna()]
    sessions = exchange_calendar().sessions
    day, listed = (rows[name].to_numpy().astype("datetime64[D]") for name in ("date", "listed"))
    up, down = rules.limit_ratio(
        rules.board_of(rows["symbol"].to_numpy()),
        day,
        rows["trading_status"].to_numpy(),
        np.searchsorted(sessions, day) - np.searchsorted(sessions, listed),
        np.where(rows["opens_period"], 0, 1),
    )
    up_limit, down_limit = (rules.in_fen(side) for side in rules.limit_prices(rows["reference_fen"] / 100, up, down))
    outside = (rows["high_fen"] > up_limit) | (rows["low_fen"] < down_limit)
    assert outside.mean() < 1e-4
    reached = pd.Series((rows["high_fen"] == up_limit) | (rows["low_fen"] == down_limit))
    by_status = reached.groupby(rows["trading_status"]).mean()
    assert (by_status > 0.01).all()
