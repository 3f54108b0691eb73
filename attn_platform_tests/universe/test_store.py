"""Universe and adjacency in the lake, against plain loops over the raw tables."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.universe.adjacency import CITIC_L1_SECTORS
from attn_platform.universe.config import UniverseConfig
from attn_platform.universe.store import (
    ADJACENCY,
    UNIVERSE,
    CrossSections,
    list_dates,
    quarter_of,
    write_adjacency,
    write_universe,
    year_of,
)
from attn_platform_tests.homes import linked, with_new_code

QUARTERS = {"2020-10-01": "2020-09-30", "2021-01-01": "2020-12-31"}
NOT_ADMITTED = {"st", "star_st", "delisting"}


@pytest.fixture(scope="module")
def bars(raw_home):
    frame = raw_home.lake.read("daily_bar").to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


@pytest.fixture(scope="module")
def listed_since(raw_home):
    frame = raw_home.lake.read("security").to_pandas()
    return dict(zip(frame["symbol"], pd.to_datetime(frame["list_date"]), strict=True))


def sessions_listed(calendar, since: pd.Timestamp, session: str) -> int:
    return int(((calendar.sessions >= np.datetime64(since, "D")) & (calendar.sessions <= np.datetime64(session))).sum())


def plain_members(home, bars, listed_since, at: str) -> dict[str, float]:
    """The rule of AI-69, AI-55 stock by stock: members and their market value at the selection."""
    past = home.calendar.sessions[: home.calendar.position(at) + 1][-252:]
    values = home.lake.read("valuation", past[0], past[-1]).to_pandas()
    value = {symbol: list(part["total_mv"]) for symbol, part in values.groupby("symbol")}
    last_value = values[pd.to_datetime(values["date"]) == at].set_index("symbol")["total_mv"]
    window = bars[(bars["date"] >= pd.Timestamp(past[0])) & (bars["date"] <= at)]
    amounts, sizes = {}, {}
    for symbol, rows in window.groupby("symbol"):
        today = rows[rows["date"] == at]
        if today.empty or today["is_suspended"].item() or today["trading_status"].item() in NOT_ADMITTED:
            continue
        if sessions_listed(home.calendar, listed_since[symbol], at) < 63:
            continue
        amounts[symbol] = np.mean([row.amount for row in rows.itertuples() if not row.is_suspended])
        sizes[symbol] = np.mean(value[symbol])
    top = math.ceil(home.study.universe.top_share * len(amounts))
    largest = [set(sorted(means, key=lambda s: -means[s])[:top]) for means in (amounts, sizes)]
    return {symbol: last_value[symbol] for symbol in sorted(largest[0] & largest[1])}


@pytest.fixture
def home(raw_home, copy_of):
    return copy_of(raw_home)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_members_are_those_of_a_plain_loop(home, bars, listed_since, quarter):
    [summary] = write_universe(home.lake, home.calendar, [quarter], home.study.universe)
    expected = plain_members(home, bars, listed_since, QUARTERS[quarter])
    written = home.lake.read(UNIVERSE, quarter, quarter).to_pandas()
    assert written["symbol"].tolist() == list(expected)
    assert written["total_mv"].tolist() == list(expected.values())
    assert set(written["period"].astype(str)) == {quarter}
    at = QUARTERS[quarter]
    assert (summary.period, summary.selected_at, summary.members) == (quarter, at, len(expected))
    assert summary.candidates == (bars["date"] == at).sum()
    assert summary.median_total_mv == pytest.approx(np.median(list(expected.values())))
    assert 20 < len(expected) < summary.candidates


def test_another_choice_of_members_is_a_table_of_its_own(home):
    """The lists and the daily cross-sections of a model with its own universe; the study's stay as they are."""
    quarter, own = next(iter(QUARTERS)), UniverseConfig(top_share=0.5)
    write_universe(home.lake, home.calendar, [quarter], home.study.universe)
    before = home.lake.path(UNIVERSE, quarter).read_bytes()
    write_universe(home.lake, home.calendar, [quarter], own, "universe_own")
    assert home.lake.path(UNIVERSE, quarter).read_bytes() == before
    few, many = (set(home.lake.read(t, quarter, quarter)["symbol"].to_pylist()) for t in ("universe_own", UNIVERSE))
    assert 0 < len(few) < len(many)
    session = home.calendar.on_or_before(np.datetime64(quarter) + 20)
    sections = CrossSections(home.lake, home.calendar, own, session, session, "universe_own")
    inside = set(sections.market.symbols[sections.dense()[0]].tolist())
    assert inside
    assert inside <= few


@pytest.mark.slow
def test_periods_written_together_are_those_written_alone(raw_home, copy_of):
    together, alone = copy_of(raw_home, name="together"), copy_of(raw_home, name="alone")
    write_universe(together.lake, together.calendar, list(QUARTERS), together.study.universe)
    for quarter in QUARTERS:
        write_universe(alone.lake, alone.calendar, [quarter], alone.study.universe)
        paths = [home.lake.path(UNIVERSE, quarter) for home in (together, alone)]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_cross_sections_drop_what_a_day_drops(raw_home, copy_of, listed_since):
    """On one day members turn ST and *ST and enter the delisting period, one is suspended; on the next all is well."""
    home, day = copy_of(raw_home, ["daily_bar"]), "2021-01-08"
    write_universe(home.lake, home.calendar, list(QUARTERS), home.study.universe)
    members = {key: set(home.lake.read(UNIVERSE, key, key)["symbol"].to_pylist()) for key in QUARTERS}
    st, star_st, delisting, suspended = sorted(members["2021-01-01"])[:4]
    table = home.lake.read("daily_bar", day, day)
    frame = table.to_pandas().set_index("symbol")
    frame.loc[[st, star_st, delisting], "trading_status"] = ["st", "star_st", "delisting"]
    frame.loc[suspended, "is_suspended"] = True
    changed = pa.Table.from_pandas(frame.reset_index(), schema=table.schema, preserve_index=False)
    home.lake.write("daily_bar", changed, day)

    first, last = np.datetime64("2020-12-28"), np.datetime64("2021-01-15")
    sections = CrossSections(home.lake, home.calendar, home.study.universe, first, last)
    inside = sections.dense()
    found = {str(day): set(sections.market.symbols[inside[row]]) for row, day in enumerate(sections.market.sessions)}
    for session, symbols in found.items():
        listed = members["2020-10-01" if session < "2021-01-01" else "2021-01-01"]
        expected = {
            bar["symbol"]
            for bar in home.lake.read("daily_bar", session, session).to_pylist()
            if bar["symbol"] in listed
            and bar["trading_status"] not in NOT_ADMITTED
            and sessions_listed(home.calendar, listed_since[bar["symbol"]], session) >= 63
        }
        assert symbols == expected
    assert {st, star_st, delisting}.isdisjoint(found[day])
    assert suspended in found[day]
    assert {st, star_st, delisting, suspended} <= found["2021-01-11"]


@pytest.mark.slow
@pytest.mark.parametrize("since", ["2020-12-15", "2021-01-20"])
def test_a_company_stays_in_the_universe_when_its_code_changes(raw_home, tmp_path, since):
    """Before the quarter's list is chosen the new code looks back on the former one's year; after it, it is in."""
    plain, new = linked(raw_home, tmp_path / "plain"), "600999.SH"
    write_universe(plain.lake, plain.calendar, ["2021-01-01"], plain.study.universe)
    members = plain.lake.read(UNIVERSE, "2021-01-01", "2021-01-01", ["symbol"])["symbol"].to_pylist()
    former = members[len(members) // 2]
    changed = with_new_code(raw_home, tmp_path / "changed", former, new, since)
    write_universe(changed.lake, changed.calendar, ["2021-01-01"], changed.study.universe)
    chosen = changed.lake.read(UNIVERSE, "2021-01-01", "2021-01-01", ["symbol"])["symbol"].to_pylist()
    assert set(chosen) == set(members) - {former} | {new if since < "2021-01-01" else former}

    def sections(of) -> list[set[str]]:
        bounds = map(np.datetime64, ("2021-01-04", "2021-01-29"))
        found = CrossSections(of.lake, of.calendar, of.study.universe, *bounds)
        return [set(found.market.symbols[row]) for row in found.dense()]

    sessions = plain.calendar.between("2021-01-04", "2021-01-29")
    for session, before, after in zip(sessions, sections(plain), sections(changed), strict=True):
        now = new if str(session) >= since else former
        assert after == {now if symbol == former else symbol for symbol in before}
        assert now in after


def small_lake(tmp_path, sessions: list[str], first_bars: dict[str, str], listed: dict[str, str | None]) -> Lake:
    """A lake whose daily_bar has nothing but keys, from each stock's first bar on."""
    lake = Lake(tmp_path / "lake")
    for session in sessions:
        symbols = [symbol for symbol, first in first_bars.items() if first <= session]
        day = pa.array(np.full(len(symbols), np.datetime64(session, "D")))
        lake.write("daily_bar", pa.table({"date": day, "symbol": symbols}), session)
    days = np.array([day or "NaT" for day in listed.values()], dtype="datetime64[D]")
    lake.write("security", pa.table({"symbol": list(listed), "list_date": pa.array(days)}))
    return lake


def test_a_missing_list_date_is_the_first_bar_in_the_lake(tmp_path):
    sessions = ["2021-01-04", "2021-01-05", "2021-01-06"]
    first_bars = {"000001.SZ": "2021-01-04", "000002.SZ": "2021-01-05", "000003.SZ": "2021-01-04"}
    lake = small_lake(tmp_path, sessions, first_bars, {"000001.SZ": None, "000002.SZ": None, "000003.SZ": "1999-05-05"})
    found = list_dates(lake, np.array(["000001.SZ", "000002.SZ", "000003.SZ"]))
    assert found.astype(str).tolist() == ["2021-01-04", "2021-01-05", "1999-05-05"]


def test_a_stock_that_the_security_table_does_not_know_yet_counts_from_its_first_bar(tmp_path):
    lake = small_lake(
        tmp_path, ["2021-01-04"], {"000001.SZ": "2021-01-04", "000002.SZ": "2021-01-04"}, {"000002.SZ": None}
    )
    assert list_dates(lake, np.array(["000001.SZ"])).astype(str).tolist() == ["2021-01-04"]


def test_selection_without_bars_is_an_error_that_names_the_session(raw_home, copy_of):
    home = copy_of(raw_home, ["daily_bar"])
    home.lake.path("daily_bar", "2020-12-31").unlink()
    with pytest.raises(MissingDataError, match=r"2021-01-01.*no row on 2020-12-31"):
        write_universe(home.lake, home.calendar, ["2021-01-01"], home.study.universe)


def test_neighbours_are_those_of_the_year_before(home):
    frame = write_adjacency(home.lake, home.calendar, ["2021-01-01"], home.study.adjacency)["2021-01-01"]
    at = "2020-12-31"
    industry = home.lake.read("industry").to_pandas()
    name = {}
    for row in industry.itertuples():
        if str(row.in_date) <= at and (pd.isna(row.out_date) or str(row.out_date) > at):
            name[row.symbol] = row.name
    assert frame["symbol"].tolist() == sorted(home.lake.read("daily_bar", at, at)["symbol"].to_pylist())
    assert frame["industry"].tolist() == [name[symbol] for symbol in frame["symbol"]]
    for variant, label in (("sector", CITIC_L1_SECTORS), ("industry", {n: n for n in CITIC_L1_SECTORS})):
        group = frame[f"{variant}_group"].to_numpy()
        labels = np.array([label[n] for n in frame["industry"]])
        assert ((group[:, None] == group[None, :]) == (labels[:, None] == labels[None, :])).all()
    stored = home.lake.read(ADJACENCY, "2021-01-01", "2021-01-01").to_pandas()
    pd.testing.assert_frame_equal(stored, frame, check_dtype=False)


def test_a_sector_announced_later_changes_nothing_before(raw_home, copy_of):
    """A vendor moves an industry into another sector in mid-2021; the adjacency of 2021 was made before."""
    home, later = copy_of(raw_home, name="before"), copy_of(raw_home, ["industry"], name="after")
    industry = later.lake.read("industry").to_pandas()
    moved = industry.iloc[[0]].assign(sector="stable", in_date=pd.Timestamp("2021-06-01"), out_date=None)
    industry.loc[0, "out_date"] = pd.Timestamp("2021-06-01").date()
    schema = later.lake.read("industry").schema
    frame = pd.concat([industry, moved.assign(in_date=pd.Timestamp("2021-06-01").date())], ignore_index=True)
    later.lake.write("industry", pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
    for each in (home, later):
        write_adjacency(each.lake, each.calendar, ["2021-01-01"], each.study.adjacency)
    paths = [each.lake.path(ADJACENCY, "2021-01-01") for each in (home, later)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("session", "quarter", "year"),
    [
        ("2021-01-04", "2021-01-01", "2021-01-01"),
        ("2021-03-31", "2021-01-01", "2021-01-01"),
        ("2021-04-01", "2021-04-01", "2021-01-01"),
        ("2020-12-31", "2020-10-01", "2020-01-01"),
        ("1999-08-16", "1999-07-01", "1999-01-01"),
    ],
)
def test_periods_that_hold_a_session(session, quarter, year):
    assert str(quarter_of(np.datetime64(session))) == quarter
    assert str(year_of(np.datetime64(session))) == year
