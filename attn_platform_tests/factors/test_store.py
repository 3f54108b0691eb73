"""Factor families in the lake: what a session's rows are, and that no run's extent has a say in them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.factors import catalogue, store
from attn_platform.factors.engine import definitions_of
from attn_platform.factors.store import (
    SHORT_LOOK_BACK,
    WHOLE_MARKET_INDEX,
    compute_session,
    family_table,
    market_return,
    write_families,
)
from attn_platform.market.dense import load_dense
from attn_platform.market.lake import Lake
from attn_platform_tests.homes import linked, with_new_code

FIRST, LAST = "2020-12-24", "2021-01-08"
FAMILIES = catalogue.catalogue().families


@pytest.fixture(scope="module")
def sessions(raw_home):
    return raw_home.calendar.between(FIRST, LAST)


@pytest.fixture(scope="module")
def written(raw_home, sessions, tmp_path_factory):
    """All families over the sessions in one run, and the summaries."""
    lake = linked(raw_home, tmp_path_factory.mktemp("families")).lake
    return lake, write_families(lake, raw_home.calendar, FAMILIES, sessions, raw_home.study.factors)


def frame_of(lake, family: str) -> pd.DataFrame:
    frame = lake.read(family_table(family)).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"])).set_index(["date", "symbol"])


def test_every_stock_with_a_bar_has_a_row_and_no_other(written, sessions):
    lake, summaries = written
    bars = lake.read("daily_bar", FIRST, LAST, ["date", "symbol"]).to_pandas()
    for family in FAMILIES:
        table = lake.read(family_table(family))
        pd.testing.assert_frame_equal(table.select(["date", "symbol"]).to_pandas(), bars)
        assert table.column_names == ["date", "symbol", *(d.name for d in catalogue.catalogue().family(family))]
        assert lake.sessions(family_table(family)).tolist() == sessions.tolist()
        assert summaries[family].rows == len(bars)


def test_values_are_those_of_a_hand_made_computation(written):
    """One factor of each kind with pandas: a return over sessions, a mean over traded ones, a ratio of the day."""
    lake, _ = written
    bars = lake.read("daily_bar").to_pandas()
    wide = {name: bars.pivot(index="date", columns="symbol", values=name) for name in bars.columns[2:]}
    close = wide["close"] * wide["adj_factor"]
    traded = wide["is_suspended"] == False  # noqa: E712
    values = lake.read("valuation").to_pandas()
    expected = {
        ("reversal", "ret_5d"): close / close.shift(5) - 1,
        ("turnover", "turn_1m"): wide["turnover_rate"].where(traded).rolling(21, min_periods=11).mean(),
        ("valuation", "bp_lf"): 1 / values.pivot(index="date", columns="symbol", values="pb_lf"),
    }
    for (family, name), wanted in expected.items():
        found = lake.read(family_table(family)).to_pandas()
        cells = [wanted.loc[row.date, row.symbol] for row in found.itertuples()]
        np.testing.assert_allclose(found[name].to_numpy(dtype=float), cells, rtol=1e-6)
        assert found[name].notna().sum() > 100


def test_coverage_counts_values(written):
    lake, summaries = written
    for family in FAMILIES:
        frame = frame_of(lake, family)
        shares = {name: frame[name].notna().mean() for name in frame.columns}
        assert summaries[family].coverage == pytest.approx(shares)
        assert set(summaries[family].missing) == {name for name, share in shares.items() if share == 0}


@pytest.mark.slow
@pytest.mark.parametrize(("size", "last"), [(1, 2), (4, 11)])
def test_the_extent_of_a_run_has_no_influence(raw_home, copy_of, written, sessions, monkeypatch, size, last):
    """Chunks of a few sessions load other histories and other stocks; the bytes are those of one go."""
    home = copy_of(raw_home)
    monkeypatch.setattr(store, "CHUNK", size)
    write_families(home.lake, home.calendar, FAMILIES, sessions[-last:], home.study.factors)
    for family in FAMILIES:
        for session in sessions[-last:]:
            paths = [lake.path(family_table(family), session) for lake in (home.lake, written[0])]
            assert paths[0].read_bytes() == paths[1].read_bytes(), (family, session)


def test_a_family_alone_is_the_family_among_all(raw_home, copy_of, written, sessions):
    """Alone it loads its own look-back, among all the longest."""
    for family in ("reversal", "volatility"):
        home = copy_of(raw_home, name=family)
        write_families(home.lake, home.calendar, [family], sessions, home.study.factors)
        for session in sessions:
            paths = [lake.path(family_table(family), session) for lake in (home.lake, written[0])]
            assert paths[0].read_bytes() == paths[1].read_bytes(), (family, session)


def test_a_session_straight_from_the_raw_tables_is_the_stored_one(raw_home, written):
    session = np.datetime64("2021-01-06")
    values = compute_session(raw_home.lake, raw_home.calendar, FAMILIES, session, raw_home.study.factors)
    assert list(values) == ["symbol", *(d.name for family in FAMILIES for d in catalogue.catalogue().family(family))]
    for family in FAMILIES:
        stored = written[0].read(family_table(family), session, session).to_pandas()
        assert values["symbol"].tolist() == stored["symbol"].tolist()
        for definition in catalogue.catalogue().family(family):
            assert values[definition.name].tobytes() == stored[definition.name].to_numpy(dtype=np.float32).tobytes()


def test_the_newest_session_needs_its_look_back_and_nothing_else(raw_home, copy_of):
    """A lake that begins with the longest look-back and ends with the session gives the same bits."""
    session, families = np.datetime64("2021-01-06"), [family for family in FAMILIES if family != "turnover"]
    reach = max(definition.lookback for definition in definitions_of(families))
    assert reach == 252
    tables = ["daily_bar", "valuation", "consensus", "index_bar"]
    cut = copy_of(raw_home, tables)
    first = cut.calendar.shift(session, -reach)
    for table in tables:
        for day in cut.lake.sessions(table):
            if not first <= day <= session:
                cut.lake.path(table, day).unlink()
    config = raw_home.study.factors
    expected = compute_session(raw_home.lake, raw_home.calendar, families, session, config)
    found = compute_session(cut.lake, cut.calendar, families, session, config)
    for name, values in expected.items():
        assert values.tobytes() == found[name].tobytes(), name


def test_long_look_backs_are_read_for_the_columns_that_need_them(raw_home, monkeypatch):
    """Two years of turnover for one factor must not make every other column's history be read."""
    reads = []
    original = Lake.read

    def read(lake, table, first=None, last=None, columns=None):
        if table in ("daily_bar", "valuation", "consensus", "index_bar"):
            reads.append((np.datetime64(first), set(columns) - {"date", "symbol"}))
        return original(lake, table, first, last, columns)

    monkeypatch.setattr(Lake, "read", read)
    session = np.datetime64("2021-01-06")
    studies = [f for f in FAMILIES if f not in ("momentum",)]
    compute_session(raw_home.lake, raw_home.calendar, studies, session, raw_home.study.factors)
    quarter = raw_home.calendar.shift(session, -SHORT_LOOK_BACK)
    long = {frozenset(columns) for first, columns in reads if first < quarter and columns}  # none: symbols alone
    assert long == {frozenset({"is_suspended", "turnover_rate"})}
    assert {first for first, columns in reads if first >= quarter and not columns <= max(long)} == {quarter}


def test_an_absent_table_leaves_its_factors_missing_with_the_reason(raw_home, copy_of, sessions):
    home = copy_of(raw_home)
    (home.lake.root / "consensus").unlink()
    summary = write_families(home.lake, home.calendar, ["expectation"], sessions[:2], home.study.factors)["expectation"]
    frame = frame_of(home.lake, "expectation")
    assert frame.isna().all(axis=None)
    assert len(frame) == summary.rows > 0
    assert summary.missing == {
        "con_eps_g": "needs eps_fy1",
        "con_roe_g": "needs roe_fy1",
        "con_np_g": "needs net_profit_fy1",
    }


def test_a_factor_that_nobody_has_says_so(raw_home, copy_of, sessions):
    """The inputs are there, but no stock has been observed long enough."""
    home = copy_of(raw_home, ["daily_bar"])
    for session in home.lake.sessions("daily_bar"):
        if session < sessions[0]:
            home.lake.path("daily_bar", session).unlink()
    summary = write_families(home.lake, home.calendar, ["turnover"], sessions[:2], home.study.factors)["turnover"]
    assert summary.missing["bias_turn_1m"] == "no stock had a value"


def test_market_return_is_the_index_from_close_to_close(raw_home):
    market = load_dense(raw_home.lake, raw_home.calendar, FIRST, LAST, ["is_suspended"])
    bars = raw_home.lake.read("index_bar", FIRST, LAST).to_pylist()
    closes = {str(bar["date"]): bar["close"] for bar in bars if bar["index"] == WHOLE_MARKET_INDEX}
    found = market_return(raw_home.lake, market)
    assert np.isnan(found[0])
    for at in range(1, len(found)):
        today, before = (closes[str(market.sessions[row])] for row in (at, at - 1))
        assert found[at] == pytest.approx(today / before - 1, rel=1e-12)


def test_market_return_is_missing_where_the_lake_lacks_the_index(raw_home, copy_of):
    market = load_dense(raw_home.lake, raw_home.calendar, FIRST, LAST, ["is_suspended"])
    home = copy_of(raw_home, ["index_bar"])
    for session in market.sessions:
        table = home.lake.read("index_bar", session, session)
        keep = pa.array([name != WHOLE_MARKET_INDEX for name in table["index"].to_pylist()])
        home.lake.write("index_bar", table.filter(keep), session)
    assert market_return(home.lake, market) is None
    (home.lake.root / "index_bar").rename(home.root / "elsewhere")
    assert market_return(home.lake, market) is None


CHANGED_ON = "2020-12-31"


@pytest.fixture(scope="module")
def recoded(raw_home, sessions, tmp_path_factory):
    """The same market in which a stock goes on under another code from `CHANGED_ON` on; the two codes, and its lake."""
    former, new = raw_home.lake.read("daily_bar", FIRST, FIRST, ["symbol"])["symbol"][3].as_py(), "600999.SH"
    lake = with_new_code(raw_home, tmp_path_factory.mktemp("recoded"), former, new, CHANGED_ON).lake
    write_families(lake, raw_home.calendar, FAMILIES, sessions, raw_home.study.factors)
    return former, new, lake


@pytest.mark.slow
def test_a_new_code_looks_back_on_what_its_company_did_under_the_former_one(written, recoded, raw_home, sessions):
    former, new, lake = recoded
    for family in FAMILIES:
        plain, changed = frame_of(written[0], family), frame_of(lake, family)
        names = [former if date < pd.Timestamp(CHANGED_ON) else new for date in pd.to_datetime(sessions)]
        ours = changed.loc[list(zip(pd.to_datetime(sessions), names, strict=True))]
        assert set(changed.index.get_level_values("symbol")) - set(plain.index.get_level_values("symbol")) == {new}
        assert len(changed) == len(plain)
        expected = plain.xs(former, level="symbol")
        pd.testing.assert_frame_equal(ours.droplevel("symbol"), expected, check_freq=False)
        others = plain.drop(index=former, level="symbol")
        pd.testing.assert_frame_equal(changed.loc[others.index], others)
        for session in sessions[-2:]:
            found = compute_session(lake, raw_home.calendar, [family], session, raw_home.study.factors)
            at = found["symbol"].tolist().index(new)
            day = changed.loc[(pd.Timestamp(session), new)]
            np.testing.assert_array_equal([found[name][at] for name in day.index], day.to_numpy())
