"""Statements of the simulated market: accounting, deadlines, restatements, and that nothing else depends on them."""

import datetime

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig
from attn_platform.market.simulation.config import EventRates
from attn_platform.market.simulation.streams import Purpose

CALENDAR = exchange_calendar()
SMALL = SimulationConfig(
    seed=11, start=datetime.date(2019, 10, 8), initial_stocks=60, events=EventRates(listings_per_year=40)
)
FLOWS = ["revenue", "net_profit_parent", "operating_cash_flow", "gross_profit", "ebit_after_tax"]


def small_market(sessions: int, **changes: object) -> SimulatedMarket:
    days = CALENDAR.between("2019-10-08", "2021-12-31")[:sessions]
    return SimulatedMarket(SMALL.model_copy(update=changes), days)


def frame(market: SimulatedMarket, name: str) -> pd.DataFrame:
    table = market.table(name).to_pandas()
    for column in ("date", "report_period", "announced", "list_date", "delist_date"):
        if column in table:
            table[column] = pd.to_datetime(table[column])
    return table


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    config = SimulationConfig.preset("demo")
    return SimulatedMarket(config, CALENDAR.between(np.datetime64(config.start), "2023-07-31"))


@pytest.fixture(scope="module")
def rows(market: SimulatedMarket) -> pd.DataFrame:
    return frame(market, "fundamental")


@pytest.fixture(scope="module")
def first(market: SimulatedMarket, rows: pd.DataFrame) -> pd.DataFrame:
    """First announcements, each with its stock's listing and the flows of the single quarter."""
    table = rows.sort_values("announced").drop_duplicates(["symbol", "report_period"])
    table = table.sort_values(["symbol", "report_period"], ignore_index=True)
    table = table.merge(frame(market, "security")[["symbol", "list_date", "delist_date"]])
    quarter = table["report_period"].dt.quarter
    for name in FLOWS:
        before = table.groupby("symbol")[name].shift(1).where(quarter > 1, 0.0)
        table[f"single_{name}"] = table[name] - before
    return table.assign(quarter=quarter)


# --- determinism, and independence of everything else ---


@pytest.mark.parametrize("profile", ["demo", "study"])
def test_the_table_obeys_the_contract(profile: str) -> None:
    config = SimulationConfig.preset(profile)
    sessions = CALENDAR.between(np.datetime64(config.start), f"{config.start.year}-05-10")
    market = SimulatedMarket(config, sessions)
    table = market.table("fundamental")
    assert conform(table, TABLES["fundamental"], "simulated", CALENDAR).equals(table)
    assert table.num_rows > 20 * config.initial_stocks
    assert not any(table[name].null_count for name in table.column_names)


def test_same_configuration_gives_the_same_statements_and_another_seed_others() -> None:
    one, two, other = (small_market(40, seed=seed).table("fundamental") for seed in (11, 11, 12))
    assert one.equals(two)
    assert not one.equals(other)


def test_more_sessions_add_rows_and_change_none() -> None:
    # The longer market brings new listings, annual reports, another year.
    short, long = small_market(130), small_market(420)
    held, later = frame(short, "fundamental"), frame(long, "fundamental")
    known = later[later["announced"] <= pd.Timestamp(short.sessions[-1])]
    pd.testing.assert_frame_equal(held, known.reset_index(drop=True), check_exact=True)
    assert len(later) > len(held)


def test_the_streams_of_the_other_tables_keep_their_numbers() -> None:
    assert [purpose.name for purpose in Purpose][:11] == [
        "LISTING", "TRAITS", "LIFECYCLE", "CORPORATE_ACTION", "ACCOUNTS", "CONSENSUS", "INDUSTRY", "COMMON_RETURN",
        "SPECIFIC_RETURN", "BAR", "TURNOVER",
    ]  # fmt: skip


def test_reading_the_statements_changes_no_other_table() -> None:
    read, unread = small_market(60), small_market(60)
    read.table("fundamental")
    for name in ("daily_bar", "valuation", "consensus", "index_bar", "index_weight", "security", "industry"):
        assert read.table(name).equals(unread.table(name)), name


# --- what is announced when ---


def test_reports_come_out_within_their_deadlines(first: pd.DataFrame) -> None:
    own = first[first["announced"] > first["list_date"]]
    year = own["report_period"].dt.year
    for quarter, opens, due in (
        (1, "04-08", "04-30"),
        (2, "07-15", "08-31"),
        (3, "10-12", "10-31"),
        (4, "03-15", "04-30"),
    ):
        mine = own["quarter"] == quarter
        in_year = year[mine] + (quarter == 4)
        assert (own.loc[mine, "announced"] <= pd.to_datetime(in_year.astype(str) + "-" + due)).all()
        assert (own.loc[mine, "announced"] >= pd.to_datetime(in_year.astype(str) + "-" + opens)).all()
        assert own.loc[mine, "announced"].dt.day_of_year.nunique() > 15, "not all on one day"
    assert own["announced"].dt.day_of_week.ge(5).any(), "also on days without trading"


def test_a_first_quarter_report_never_comes_before_the_annual_one(first: pd.DataFrame) -> None:
    before = first.groupby("symbol")["announced"].shift(1)
    opening = first[(first["quarter"] == 1) & before.notna()]
    assert (opening["announced"] >= before[opening.index]).all()
    same_day = (opening["announced"] == before[opening.index]) & (opening["announced"] > opening["list_date"])
    assert 0.01 < same_day.mean() < 0.3


def test_what_a_listing_brings_is_known_from_its_day_on_and_gives_growth(
    market: SimulatedMarket, first: pd.DataFrame
) -> None:
    assert (first["announced"] >= first["list_date"]).all()
    new = first[first["list_date"] > pd.Timestamp(market.sessions[0])]
    brought = new[new["announced"] == new["list_date"]]
    assert set(brought["symbol"]) == set(new["symbol"])
    counts = brought.groupby("symbol").size()
    assert 11 <= counts.min() <= counts.max() <= 15


def test_five_years_are_known_of_seasoned_stocks_on_the_first_session(
    market: SimulatedMarket, first: pd.DataFrame
) -> None:
    on_first = first[first["announced"] <= pd.Timestamp(market.sessions[0])]
    seasoned = on_first[on_first["list_date"] < "2013-01-01"].groupby("symbol").size()
    assert len(seasoned) > 50
    assert seasoned.min() >= 21


def test_every_period_is_reported_as_long_as_the_stock_is_listed(market: SimulatedMarket, first: pd.DataFrame) -> None:
    months = first["report_period"].dt.year * 4 + first["quarter"]
    steps = months.groupby(first["symbol"]).diff().dropna()
    assert (steps == 1).all()
    assert first["announced"].max() <= pd.Timestamp(market.sessions[-1])
    gone = first[first["delist_date"].notna()]
    assert gone["symbol"].nunique() >= 3
    assert (gone["announced"] < gone["delist_date"]).all()
    staying = first[first["delist_date"].isna()].groupby("symbol")["report_period"].max()
    assert (staying >= "2023-03-31").all()


def test_a_few_rows_are_restated_later(rows: pd.DataFrame, first: pd.DataFrame) -> None:
    both = rows.merge(first, on=["symbol", "report_period"], suffixes=("", "_first"))
    again = both[both["announced"] > both["announced_first"]]
    assert len(rows) == len(first) + len(again)
    assert 0.02 < len(again) / len(first) < 0.06
    assert (again["revenue"] != again["revenue_first"]).all()
    change = again["net_profit_parent"] / again["net_profit_parent_first"] - 1
    assert 0.01 < change.abs().mean() < change.abs().max() <= 0.1 + 1e-12
    delay = (again["announced"] - again["announced_first"]).dt.days
    assert delay.min() >= 5
    assert (delay < 90).any()
    assert (delay > 300).any()


# --- accounting ---


def test_balance_sheets_add_up(rows: pd.DataFrame) -> None:
    assert (rows["equity_parent"] > 0).all()
    np.testing.assert_allclose(rows["total_assets"], rows["equity_parent"] + rows["total_liabilities"], rtol=1e-12)
    assert rows["current_liabilities"].between(0, rows["total_liabilities"], inclusive="neither").all()
    assert rows["invested_capital"].between(rows["equity_parent"], rows["total_assets"], inclusive="neither").all()


def test_cumulative_figures_grow_within_the_year(first: pd.DataFrame) -> None:
    for name in ("single_revenue", "single_gross_profit"):
        assert (first[name] > 0).all(), name
    share = first["single_gross_profit"] / first["single_revenue"]
    assert share.max() <= 0.9 + 1e-9
    assert 0.15 < share.median() < 0.4
    assert (first["single_ebit_after_tax"] > first["single_net_profit_parent"]).all()
    assert 0.05 < (first["single_net_profit_parent"] < 0).mean() < 0.3
    assert 0.02 < (first["single_net_profit_parent"] / first["single_revenue"]).median() < 0.15


def test_figures_have_seasons(first: pd.DataFrame) -> None:
    mean = first.groupby("quarter")[["single_revenue", "single_operating_cash_flow"]].mean()
    part = mean / mean.sum()
    assert part.loc[4, "single_revenue"] > 1.2 * part.loc[1, "single_revenue"]
    assert part.loc[4, "single_operating_cash_flow"] > 3 * part.loc[1, "single_operating_cash_flow"]


def test_growth_persists(first: pd.DataFrame) -> None:
    growth = np.log(first["single_revenue"] / first.groupby("symbol")["single_revenue"].shift(4))
    earlier = growth.groupby(first["symbol"]).shift(1)
    assert 0.0 < growth.median() < 0.2
    assert growth.corr(earlier) > 0.5


def test_statements_agree_with_the_valuation_on_their_day(market: SimulatedMarket, first: pd.DataFrame) -> None:
    first = first.copy()
    for name in FLOWS[1:3]:
        first[f"trailing_{name}"] = first.groupby("symbol")[f"single_{name}"].transform(lambda x: x.rolling(4).sum())
    valuation = frame(market, "valuation").sort_values("date")
    announced = first[first["announced"] >= "2019-03-01"].sort_values("announced")
    both = pd.merge_asof(announced, valuation, left_on="announced", right_on="date", by="symbol").dropna(
        subset="total_mv"
    )
    assert len(both) > 4_000
    book = both["total_mv"] / both["pb_lf"]
    np.testing.assert_allclose((both["equity_parent"] / book).quantile([0.1, 0.5, 0.9]), 1, atol=0.15)
    for flow, ratio, least in (("net_profit_parent", "pe_ttm", 0.7), ("operating_cash_flow", "pcf_ocf_ttm", 0.6)):
        seen, reported = 1 / both[ratio], both[f"trailing_{flow}"] / both["total_mv"]
        assert seen.corr(reported, method="spearman") > least, flow
        positive = seen.notna()
        assert 0.75 < (reported[positive] / seen[positive]).median() < 1.1
