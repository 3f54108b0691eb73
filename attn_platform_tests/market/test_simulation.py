"""The simulated market as data: determinism, prefix stability, and the rules that every row must obey.

The checks read the tables only, as any user of the data contract would, and recompute with pandas, decimal arithmetic
or plain loops.
"""

import datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig
from attn_platform.market.simulation.config import EventRates, IndexRules
from attn_platform.market.simulation.indices import is_review, select_members
from attn_platform.market.simulation.streams import Purpose, generator
from attn_platform.market.trading_rules import is_one_price_limit

SESSION_TABLES = ("daily_bar", "valuation", "consensus", "index_bar", "index_weight")
SMALL = SimulationConfig(
    seed=11, start=datetime.date(2019, 10, 8), initial_stocks=60, events=EventRates(listings_per_year=40)
)


@pytest.fixture(scope="module")
def calendar():
    return exchange_calendar()


@pytest.fixture(scope="module")
def market(calendar):
    """The demo profile over its whole range: every rule change from the STAR board to main-board registration."""
    config = SimulationConfig.preset("demo")
    return SimulatedMarket(config, calendar.between(np.datetime64(config.start), "2023-07-31"))


@pytest.fixture(scope="module")
def bars(market):
    table = market.table("daily_bar").to_pandas()
    table["date"] = pd.to_datetime(table["date"])
    security = market.table("security").to_pandas().set_index("symbol")
    table["board"] = table["symbol"].map(security["board"])
    table["age"] = table.groupby("symbol").cumcount()
    listed_before = pd.to_datetime(table["symbol"].map(security["list_date"])) < table["date"].min()
    table.loc[listed_before, "age"] += 1_000
    return table


@pytest.fixture(scope="module")
def traded(bars):
    return bars[~bars["is_suspended"]]


@pytest.fixture(scope="module")
def valuation(market):
    table = market.table("valuation").to_pandas()
    return table.assign(date=pd.to_datetime(table["date"]))


def wide(table, field):
    """A field of a table with one row a date and symbol (or index), as a frame [session, stock]."""
    key = "symbol" if "symbol" in table.columns else "index"
    return table.pivot(index="date", columns=key, values=field)


def small_market(calendar, sessions, **changes):
    return SimulatedMarket(SMALL.model_copy(update=changes), calendar.between("2019-10-08", "2021-12-31")[:sessions])


def test_same_configuration_gives_the_same_market_and_another_seed_another(calendar):
    first, second, other = (small_market(calendar, 60, seed=seed) for seed in (11, 11, 12))
    for name in TABLES.keys() & {*SESSION_TABLES, "security", "industry"}:
        assert first.table(name).equals(second.table(name)), name
    assert not first.table("daily_bar").equals(other.table("daily_bar"))


def test_more_sessions_change_nothing_before(calendar):
    # The longer market crosses the introduction of the thirtieth industry, index reviews, a dividend season.
    short, long = small_market(calendar, 130), small_market(calendar, 320)
    end = short.sessions[-1]
    for name in SESSION_TABLES:
        assert short.table(name).equals(long.table(name, end=end)), name
    for name, values in short.signals().items():
        known = np.isin(long.symbols, short.symbols)
        np.testing.assert_array_equal(values, long.signals()[name][: len(short.sessions), known], err_msg=name)
    listed = ["symbol", "name", "board", "list_date"]
    later = long.table("security").select(listed).to_pandas()
    pd.testing.assert_frame_equal(
        short.table("security").select(listed).to_pandas(),
        later[pd.to_datetime(later["list_date"]) <= pd.Timestamp(end)].reset_index(drop=True),
    )
    entries = long.table("industry").to_pandas()
    entries = entries[pd.to_datetime(entries["in_date"]) <= pd.Timestamp(end)].reset_index(drop=True)
    known = short.table("industry").to_pandas()
    pd.testing.assert_frame_equal(known.drop(columns="out_date"), entries.drop(columns="out_date"))


def test_the_study_profile_starts_in_2002_under_the_rules_of_2002(calendar):
    market = SimulatedMarket(SimulationConfig.preset("study"), calendar.between("2002-01-04", "2002-04-30"))
    bars = market.table("daily_bar").to_pandas()
    sizes = bars.groupby("date").size()
    assert sizes.iloc[0] == 1_100
    assert sizes.iloc[-1] > 1_120
    security = market.table("security").to_pandas()
    assert set(security["board"]) == {"main"}
    new = security.loc[security["list_date"] >= datetime.date(2002, 1, 4), "symbol"]
    first_rows = bars[bars["symbol"].isin(new)].groupby("symbol").head(1)
    assert first_rows["up_limit"].isna().all()  # free before 2014
    assert "diversified financials" not in set(market.table("industry")["name"].to_pylist())


@pytest.mark.slow
def test_a_slice_is_a_part_of_the_whole(market):
    start, end = market.sessions[300], market.sessions[304]
    for name in SESSION_TABLES:
        whole = market.table(name).to_pandas()
        days = pd.to_datetime(whole["date"])
        part = whole[(days >= start) & (days <= end)].reset_index(drop=True)
        pd.testing.assert_frame_equal(market.table(name, start, str(end)).to_pandas(), part)
        assert len(part) > 0
    nothing = market.table("daily_bar", "2019-10-01", "2019-10-03")  # a closure
    assert nothing.num_rows == 0
    assert nothing.schema.equals(TABLES["daily_bar"].schema)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SESSION_TABLES, "security", "industry"])
def test_tables_obey_the_contract(market, calendar, name):
    table = market.table(name)
    assert conform(table, TABLES[name], f"simulated {name}", calendar).equals(table)


def test_what_is_not_simulated_is_named(market):
    with pytest.raises(MissingDataError, match="minute_bar"):
        market.table("minute_bar")


@pytest.mark.parametrize("first", ["2019-10-07", "2019-11-20"])
def test_sessions_must_begin_at_the_start(calendar, first):
    days = np.array([first, "2019-12-02"], dtype="datetime64[D]")
    with pytest.raises(ConfigurationError, match="2019-10-08"):
        SimulatedMarket(SMALL, days)
    with pytest.raises(ConfigurationError, match="ascending"):
        SimulatedMarket(SMALL, days[::-1])


def test_streams_depend_on_seed_purpose_and_session():
    day = np.datetime64("2020-01-02")
    keys = [
        (seed, purpose, d) for seed in (1, 2) for purpose in (Purpose.BAR, Purpose.TURNOVER) for d in (day, day + 1)
    ]
    draws = [tuple(generator(*key).random(3)) for key in keys]
    assert len(set(draws)) == len(keys)
    assert tuple(generator(*keys[0]).random(3)) == draws[0]


def test_bars_lie_inside_their_range_and_their_limits(traded):
    for inner in ("open", "close", "vwap"):
        assert (traded["low"] <= traded[inner]).all()
        assert (traded[inner] <= traded["high"]).all()
    limited = traded[traded["up_limit"].notna()]
    assert limited["down_limit"].notna().all()
    assert (limited["high"] <= limited["up_limit"]).all()
    assert (limited["low"] >= limited["down_limit"]).all()
    for price in ("open", "high", "low", "close", "pre_close"):
        fen = traded[price] * 100
        assert (fen - fen.round()).abs().max() < 1e-6
        assert traded[price].min() >= 0.01
    assert (traded["volume"] > 0).all()
    assert (traded["volume"] % 1 == 0).all()
    np.testing.assert_allclose(traded["amount"], traded["vwap"] * traded["volume"], rtol=1e-12)


def half_up(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("board", "statuses", "first", "last", "percent"),
    [
        ("main", ("normal", "delisting"), "2019-01-02", "2023-07-31", 10),
        ("main", ("st", "star_st"), "2019-01-02", "2023-07-31", 5),
        ("chinext", ("normal",), "2019-01-02", "2020-08-21", 10),
        ("chinext", ("normal",), "2020-08-24", "2023-07-31", 20),
        ("star", ("normal",), "2019-07-22", "2023-07-31", 20),
        ("bse", ("normal",), "2021-11-15", "2023-07-31", 30),
    ],
)
def test_limits_follow_the_boards(bars, board, statuses, first, last, percent):
    rows = bars[
        (bars["board"] == board) & bars["trading_status"].isin(statuses) & bars["date"].between(first, last)
        & (bars["age"] >= 5) & bars["up_limit"].notna()
    ].sample(150, random_state=0)  # fmt: skip
    for row in rows.itertuples():
        reference = Decimal(f"{row.pre_close:.2f}")
        assert Decimal(f"{row.up_limit:.2f}") == half_up(reference * (100 + percent) / 100)
        assert Decimal(f"{row.down_limit:.2f}") == half_up(reference * (100 - percent) / 100)


def test_first_sessions(bars):
    bounded = bars[(bars["age"] == 0) & (bars["board"] == "main") & (bars["date"] < "2023-04-10")]
    assert len(bounded) > 5
    for row in bounded.itertuples():
        assert Decimal(f"{row.up_limit:.2f}") == half_up(Decimal(f"{row.pre_close:.2f}") * Decimal("1.44"))
        assert Decimal(f"{row.down_limit:.2f}") == half_up(Decimal(f"{row.pre_close:.2f}") * Decimal("0.64"))
    star = bars[bars["board"] == "star"]
    assert star.loc[star["age"] < 5, "up_limit"].isna().all()
    assert star.loc[star["age"] >= 5, "up_limit"].notna().all()
    # Bounded listings run into limit days: the first main-board listings close at their limit more often than not.
    assert (bounded["close"] == bounded["up_limit"]).mean() > 0.5


def test_suspended_rows(bars):
    suspended = bars[bars["is_suspended"]]
    assert 0.005 < len(suspended) / len(bars) < 0.04
    assert suspended[["open", "high", "low", "vwap"]].isna().all(axis=None)
    assert (suspended[["volume", "amount", "turnover_rate"]] == 0).all(axis=None)
    ordered = bars.sort_values(["symbol", "date"])
    before = ordered.groupby("symbol")[["close", "adj_factor"]].shift(1)
    rows = ordered["is_suspended"] & before["close"].notna()
    assert rows.sum() > 1_000
    for field in ("close", "adj_factor"):
        assert (ordered.loc[rows, field] == before.loc[rows, field]).all()
    assert (ordered.loc[rows, "pre_close"] == before.loc[rows, "close"]).all()
    runs = ordered.groupby(["symbol", (~ordered["is_suspended"]).cumsum()])["is_suspended"].sum()
    assert runs.max() > 30  # some suspensions are long
    assert runs[runs > 0].median() < 8


def test_adjusted_closes_give_the_return_on_the_ex_right_reference(bars):
    ordered = bars.sort_values(["symbol", "date"])
    adjusted = ordered["close"] * ordered["adj_factor"]
    earned = adjusted / adjusted.groupby(ordered["symbol"]).shift(1) - 1
    seen = ordered["close"] / ordered["pre_close"] - 1
    known = earned.notna()
    np.testing.assert_allclose(earned[known], seen[known], atol=1e-12)


def test_ex_right_reference_price(market, bars, valuation):
    rows = bars.merge(valuation[["date", "symbol", "total_mv", "dividend_12m"]]).sort_values(["symbol", "date"])
    # In the first 252 sessions nothing leaves the dividend window, so its increase is the day's cash.
    rows = rows[rows["date"] < market.sessions[252]]
    rows["shares"] = (rows["total_mv"] / rows["close"]).round()
    before = rows.groupby("symbol")[["close", "shares", "dividend_12m"]].shift(1).add_suffix("_before")
    rows = pd.concat([rows, before], axis=1)
    rows = rows[(rows["pre_close"] != rows["close_before"]) & rows["close_before"].notna()]
    rows["growth"] = rows["shares"] / rows["shares_before"] - 1
    rows["bonus_tenths"] = (rows["growth"] * 10).round().astype(int)
    rows = rows[(rows["growth"] - rows["bonus_tenths"] / 10).abs() < 1e-6]  # leaves out days that follow a share issue
    assert len(rows) > 100
    assert (rows["bonus_tenths"] > 0).sum() > 5
    for row in rows.itertuples():
        total_cash = Decimal(row.dividend_12m - row.dividend_12m_before)
        cash = (total_cash / Decimal(row.shares_before)).quantize(Decimal("0.001"))
        reference = (Decimal(f"{row.close_before:.2f}") - cash) / (1 + Decimal(row.bonus_tenths) / 10)
        assert half_up(reference) == Decimal(f"{row.pre_close:.2f}")


def test_dividend_12m_is_the_cash_of_252_sessions(market, valuation):
    money = wide(valuation, "dividend_12m")
    paid = money.diff().clip(lower=0)
    # A stock pays at most once a year, so unless two payments meet, the window's sum is the sum of its increases.
    window = paid.rolling(252, min_periods=252).sum()
    both = window.notna() & money.notna() & money.shift(251).notna()
    close = np.isclose(window.where(both), money.where(both), rtol=1e-9) | ~both
    assert close.to_numpy().mean() > 0.99
    dividend_yield = (valuation["dividend_12m"] / valuation["total_mv"])[valuation["date"] >= "2020-08-01"]
    assert 0.005 < dividend_yield.mean() < 0.03


def test_statuses_and_delistings_occur(market, bars):
    share = bars["trading_status"].value_counts(normalize=True)
    assert 0.002 < share["st"] < 0.04
    assert 0.005 < share["star_st"] < 0.05
    security = market.table("security").to_pandas().set_index("symbol")
    gone = security[security["delist_date"].notna()]
    assert len(gone) >= 3
    sessions = pd.DatetimeIndex(market.sessions)
    for symbol, delisted in gone["delist_date"].items():
        rows = bars[bars["symbol"] == symbol]
        position = sessions.get_loc(pd.Timestamp(delisted))
        assert rows["date"].iloc[-1] == sessions[position - 1]
        period = rows[rows["trading_status"] == "delisting"]
        new_rules = period["date"].iloc[0] >= pd.Timestamp("2020-12-31")
        assert len(period) == (15 if new_rules else 30)
        assert period["up_limit"].isna().sum() == (1 if new_rules else 0)


def test_loss_makers_have_no_price_earnings_ratio_and_turn_special(bars, valuation):
    rows = bars.merge(valuation)
    losing = rows["pe_ttm"].isna().groupby(rows["trading_status"]).mean()
    assert 0.08 < rows["pe_ttm"].isna().mean() < 0.25
    assert losing["star_st"] > 0.6 > 0.3 > losing["normal"]
    assert (rows["pe_ttm"].dropna() > 0).all()
    assert (rows["float_mv"] <= rows["total_mv"]).all()
    assert (rows["pb_lf"] > 0).all()


def test_one_price_limit_days_occur(traded):
    prices = [traded[name] for name in ("open", "high", "low", "close")]
    up = is_one_price_limit(*prices, traded["up_limit"])
    down = is_one_price_limit(*prices, traded["down_limit"])
    assert 0.0005 < up.mean() < 0.01
    assert 0.0002 < down.mean() < 0.01
    assert traded.loc[up, "turnover_rate"].median() < 0.5 * traded["turnover_rate"].median()


def test_turnover_is_volume_over_float_shares(traded, valuation):
    rows = traded.merge(valuation)
    float_shares = (rows["float_mv"] / rows["close"]).round()
    np.testing.assert_allclose(rows["turnover_rate"], rows["volume"] / float_shares, rtol=1e-9)
    assert 0.008 < rows["turnover_rate"].median() < 0.025


def test_boards_and_list_dates(market, bars, calendar):
    security = market.table("security").to_pandas()
    listed = pd.to_datetime(security["list_date"])
    for board, since in (("chinext", "2009-10-30"), ("star", "2019-07-22"), ("bse", "2021-11-15")):
        assert (listed[security["board"] == board] >= since).all()
        assert (security["board"] == board).sum() >= 3
    assert np.isin(listed.to_numpy().astype("datetime64[D]"), calendar.sessions).all()
    first_row = bars.groupby("symbol")["date"].min()
    new = security[listed >= pd.Timestamp(market.sessions[0])].set_index("symbol")
    assert len(new) > 40
    assert (first_row[new.index] == pd.to_datetime(new["list_date"])).all()
    assert (bars.groupby("date").size() > 250).all()


def test_returns_look_like_returns_of_stocks(market, traded):
    returns = wide(traded.assign(earned=traded["close"] / traded["pre_close"] - 1), "earned")
    index = wide(market.table("index_bar").to_pandas(), "close")
    daily = index["csi_all"].pct_change().dropna()
    assert 0.18 < daily.std() * np.sqrt(243) < 0.34
    assert daily.abs().rolling(20).mean().dropna().autocorr(20) > 0.2  # volatility clusters
    specific = pd.Series(returns.sub(returns.mean(axis=1), axis=0).to_numpy().ravel())
    assert 0.02 < specific.std() < 0.035
    assert specific.kurt() > 2  # fat tails, cut by the limits
    pairs = returns.corr().to_numpy()
    assert 0.15 < np.nanmean(pairs[np.triu_indices_from(pairs, 1)]) < 0.5


def test_industries(market):
    industry = market.table("industry").to_pandas()
    before, after = (
        industry[
            (pd.to_datetime(industry["in_date"]) <= day)
            & ~(pd.to_datetime(industry["out_date"]) <= day)
        ]
        for day in ("2019-11-29", "2019-12-02")
    )  # fmt: skip
    assert "diversified financials" not in set(before["name"])
    assert "diversified financials" in set(after["name"])
    assert not after["symbol"].duplicated().any()
    assert industry["out_date"].notna().sum() > 20
    assert set(industry["sector"]) == {"cyclical", "consumption", "financial", "growth", "stable"}


def test_sectors_agree_with_the_platform(market):
    adjacency = pytest.importorskip("attn_platform.universe.adjacency")
    industry = market.table("industry").to_pandas()
    assert (industry["name"].map(adjacency.CITIC_L1_SECTORS) == industry["sector"]).all()


@pytest.mark.parametrize(
    ("day", "previous", "review"),
    [
        ("2020-06-15", "2020-06-12", True),  # the second Friday is a session
        ("2020-06-12", "2020-06-11", False),
        ("2020-06-16", "2020-06-15", False),
        ("2021-12-13", "2021-12-10", True),
        ("2024-06-17", "2024-06-14", True),
        ("2020-07-01", "2020-06-30", False),
        ("2013-07-01", "2013-06-28", True),
        ("2013-01-04", "2012-12-31", True),
        ("2013-06-17", "2013-06-14", False),
    ],
)
def test_review_dates(day, previous, review):
    assert is_review(np.datetime64(day), np.datetime64(previous)) is review


def test_index_weights(market, bars, valuation):
    table = market.table("index_weight").to_pandas()
    table["date"] = pd.to_datetime(table["date"])
    sums = table.groupby(["index", "date"])["weight"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    assert len(sums) == 2 * len(market.sessions)

    merged = table.merge(valuation[["date", "symbol", "float_mv"]], how="left")
    value = merged["float_mv"] / merged.groupby(["index", "date"])["float_mv"].transform("sum")
    np.testing.assert_allclose(merged["weight"], value, rtol=1e-9)

    last_row = bars.groupby("symbol")["date"].max()
    members = table[table["index"] == "csi500"].groupby("date")["symbol"].agg(frozenset)
    second_fridays = pd.date_range("2019-01-01", "2023-12-31", freq="WOM-2FRI")
    second_fridays = second_fridays[second_fridays.month.isin([6, 12])]
    reviews = {members.index[members.index > friday][0] for friday in second_fridays if friday < members.index[-1]}
    changes = [
        (day, before - now, now - before)
        for day, now, before in zip(members.index[1:], members[1:], members[:-1], strict=True)
        if now != before
    ]
    assert {day for day, _, _ in changes} >= reviews
    for day, left, entered in changes:
        if day not in reviews:
            assert not entered
            assert all(last_row[symbol] < day for symbol in left)
    assert 45 <= members.map(len).min() <= members.map(len).max() <= 75


def test_the_largest_stocks_are_no_members(market, valuation):
    members = market.table("index_weight", "2021-06-15", "2021-06-15").to_pandas()
    year = market.sessions[market.sessions < np.datetime64("2021-06-15")][-252:]
    mean = valuation[valuation["date"].isin(year)].groupby("symbol")["total_mv"].mean()
    largest = mean.nlargest(25).index
    csi500, csi1000 = (set(members.loc[members["index"] == name, "symbol"]) for name in ("csi500", "csi1000"))
    assert not csi500 & set(largest)
    assert not csi500 & csi1000
    assert mean[list(csi500)].min() > mean[list(csi1000)].max()


def test_index_bars_follow_their_members(market, bars, valuation):
    level = market.table("index_bar").to_pandas()
    level["date"] = pd.to_datetime(level["date"])
    close = wide(level, "close")
    weight = market.table("index_weight").to_pandas()
    weight["date"] = pd.to_datetime(weight["date"])
    weight = wide(weight[weight["index"] == "csi500"], "weight")
    total = (wide(bars, "close") * wide(bars, "adj_factor")).pct_change(fill_method=None)
    held = weight.shift(1)
    same_members = (weight.notna() == held.notna()).all(axis=1)
    expected = (held * total[held.columns]).sum(axis=1)[same_members].iloc[1:]
    found = close["csi500"].pct_change()[expected.index]
    difference = expected - found
    # Outside the dividend season both agree up to shares unlocked over night; within it the price index lacks the cash.
    season = expected.index.month.isin([5, 6, 7])
    assert difference[~season].abs().max() < 2e-3
    assert difference[season].mean() > 3 * abs(difference[~season].mean())
    assert np.corrcoef(expected, found)[0, 1] > 0.999

    assert (level["low"] <= level[["open", "close"]].min(axis=1)).all()
    assert (level["high"] >= level[["open", "close"]].max(axis=1)).all()
    whole = level[level["index"] == "csi_all"].set_index("date")
    old = bars[bars["age"] > 0].groupby("date")[["volume", "amount"]].sum()
    np.testing.assert_allclose(whole["amount"], old["amount"], rtol=1e-9)
    np.testing.assert_allclose(whole["volume"], old["volume"], rtol=1e-9)


def test_consensus_covers_a_part_of_the_market(market, valuation):
    consensus = market.table("consensus").to_pandas()
    covered = consensus["net_profit_fy1"].notna()
    assert 0.5 < covered.mean() < 0.8
    assert (consensus[["eps_fy1", "roe_fy1"]].notna().all(axis=1) == covered).all()
    rows = consensus.assign(date=pd.to_datetime(consensus["date"])).merge(valuation)[covered]
    book = rows["total_mv"] / rows["pb_lf"]
    np.testing.assert_allclose(rows["roe_fy1"], rows["net_profit_fy1"] / book, rtol=1e-6)


def test_before_anything_is_traded_nobody_is_left_out_of_an_index_as_least_traded() -> None:
    """Else the first review would exchange most of an index, which no real one does."""
    values, traded = np.arange(100, 0, -1.0), np.arange(1.0, 101.0)
    first = select_members(IndexRules(), np.arange(100), values, np.zeros(100))
    review = select_members(IndexRules(), np.arange(100), values, traded)
    largest = round(IndexRules().csi300_fraction * 100)
    assert first["csi500"].tolist() == list(range(largest, largest + len(first["csi500"])))
    dropped = int(IndexRules().least_traded_fraction * (100 - largest))
    assert review["csi500"].min() == largest + dropped, "the largest are traded least here"
