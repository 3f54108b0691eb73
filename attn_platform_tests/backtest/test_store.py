"""The backtest in the lake: the simulator's result as tables, beside the index as it was."""

import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from attn_platform.backtest import store
from attn_platform.backtest.benchmark import benchmark_returns
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MixConfig
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.store import PARTS, backtest_table, write_backtest, write_mix
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import load_dense, shared_dense
from attn_platform.market.lake import from_columns
from attn_platform_tests.homes import linked

FIRST, LAST = "2020-12-10", "2021-01-15"
CONFIG = BacktestConfig()


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory):
    """Raw tables and weekly targets of twenty stocks at equal weights, among rows that are not wanted."""
    made = linked(raw_home, tmp_path_factory.mktemp("backtest"))
    rng = np.random.default_rng(6)
    for session in made.calendar.between(FIRST, LAST)[::5]:
        listed = made.lake.read("daily_bar", session, session)["symbol"].to_numpy().astype(str)
        symbols = np.sort(rng.choice(listed, 30, replace=False))
        weights = np.where(np.arange(30) < 20, 0.05, 0.0)
        made.lake.write(
            "portfolio_x",
            from_columns({"date": np.full(30, session), "symbol": symbols, "weight": weights}),
            session,
        )
    return made


@pytest.fixture(scope="module")
def result(home):
    return write_backtest(home.lake, home.calendar, "x", "portfolio_x", "csi500", np.datetime64(LAST), CONFIG)


def stored(home, part=None, strategy="x") -> pd.DataFrame:
    frame = home.lake.read(backtest_table(strategy, part)).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


def test_tables_are_the_simulators_result(home, result):
    for part, frame in ((None, result.daily), *((part, getattr(result, part)) for part in PARTS)):
        pd.testing.assert_frame_equal(stored(home, part), frame, check_dtype=False)
    sessions = home.calendar.between(FIRST, LAST)
    assert stored(home)["date"].to_numpy().astype("datetime64[D]").tolist() == sessions.tolist()


@pytest.fixture
def growing(home, copy_of):
    """A copy of the lake with portfolios of its own, in which a backtest goes on from week to week."""
    return copy_of(home, ["portfolio_x"], name="growing")


def made(home, last, name="grown", config=CONFIG):
    return write_backtest(home.lake, home.calendar, name, "portfolio_x", "csi500", np.datetime64(last), config)


def markets_read(monkeypatch) -> list[str]:
    """The first session of the market of each backtest from now on."""
    firsts = []

    def noted(lake, calendar, first, last, fields):
        firsts.append(str(first))
        return shared_dense(lake, calendar, first, last, fields)

    monkeypatch.setattr(store, "shared_dense", noted)
    return firsts


def assert_whole(home, last, found) -> None:
    """What was added to is, bit for bit, what is made at once, in the lake and in the result."""
    name = f"whole_{last}"
    shutil.rmtree(home.lake.root / backtest_table(name, "origins"), ignore_errors=True)
    whole = made(home, last, name)
    for part in (None, *PARTS):
        pd.testing.assert_frame_equal(
            getattr(found, part or "daily"), getattr(whole, part or "daily"), check_exact=True
        )
        grown, at_once = (home.lake.read(backtest_table(each, part)) for each in ("grown", name))
        assert grown.equals(at_once), part
    assert found.account.to_record() == whole.account.to_record()
    assert [each.account.to_record() for each in found.states[-1:]] == [whole.states[-1].account.to_record()]


def test_a_new_week_is_added_to_a_backtest(growing, monkeypatch):
    """Wherever it ends: with a signal, the session after, or days later; and a second time with nothing new."""
    sessions = growing.calendar.between(FIRST, LAST)
    cuts = [str(sessions[at]) for at in (11, 15, 16, 23, -1, -1)]
    firsts = markets_read(monkeypatch)
    for before, last in zip([str(sessions[0]), *cuts], cuts, strict=False):
        found = made(growing, last)
        assert firsts[-1] == before
        assert_whole(growing, last, found)


def test_what_changed_before_is_made_again(growing, monkeypatch):
    sessions = growing.calendar.between(FIRST, LAST)
    early, last = str(sessions[13]), str(sessions[22])
    made(growing, early)
    firsts = markets_read(monkeypatch)
    # The target of the last signal comes again, another one: on from the close before it is traded.
    signal = sessions[10]
    held = growing.lake.read("portfolio_x", signal, signal)
    growing.lake.write("portfolio_x", held.filter(pc.field("weight") > 0).slice(1), signal)
    found = made(growing, last)
    assert firsts.pop() == str(signal)
    assert_whole(growing, last, found)
    del firsts[:]
    # An early target is another one, and so is all that follows.
    held = growing.lake.read("portfolio_x", sessions[5], sessions[5])
    growing.lake.write("portfolio_x", held.filter(pc.field("weight") > 0).slice(2), sessions[5])
    found = made(growing, last)
    assert firsts.pop() == str(sessions[0])
    assert_whole(growing, last, found)
    del firsts[:]
    other = CONFIG.model_copy(update={"cost_per_side": 0.003})
    assert made(growing, last, config=other).daily["cost"].sum() > found.daily["cost"].sum()
    assert firsts == [str(sessions[0])]


def test_a_backtest_that_was_half_written_is_made_again(growing, monkeypatch):
    sessions = growing.calendar.between(FIRST, LAST)
    made(growing, str(sessions[15]))

    def fails(*arguments):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_state_record", fails)
        with pytest.raises(OSError, match="no space left"):
            made(growing, str(sessions[20]))
    firsts = markets_read(monkeypatch)
    found = made(growing, LAST)
    assert firsts == [str(sessions[0])]
    assert_whole(growing, LAST, found)


def test_the_first_purchase_by_hand(home, result):
    """Bought at the vwap of the session after the signal, at 0.2 % a side, valued at the close."""
    signal, session = home.calendar.between(FIRST, LAST)[:2]
    target = home.lake.read("portfolio_x", signal, signal).to_pandas()
    wanted = target[target["weight"] > 0]["symbol"]
    bars = home.lake.read("daily_bar", session, session).to_pandas().set_index("symbol").reindex(wanted)
    traded = bars[~bars["is_suspended"].astype(bool)]
    assert (traded["up_limit"].isna() | (traded["low"] < traded["up_limit"])).all(), "a one-price board; choose others"
    invested = len(traded) * 0.05
    scale = min(1 / invested / (1 + CONFIG.cost_per_side), 1)
    growth = (traded["close"] / traded["vwap"]).sum() * 0.05 * scale
    cash = 1 - invested * scale * (1 + CONFIG.cost_per_side)
    first = stored(home).iloc[1]
    assert first["net_value"] == pytest.approx(growth + cash, rel=1e-9)
    assert first["cost"] == pytest.approx(invested * scale * CONFIG.cost_per_side, rel=1e-9)
    assert first["return"] == first["net_value"] - 1


def test_benchmark_is_the_index_from_close_to_close(home, result):
    bars = home.lake.read("index_bar", FIRST, LAST).to_pandas()
    closes = bars[bars["index"] == "csi500"]["close"].to_numpy()
    daily = stored(home)
    np.testing.assert_allclose(daily["benchmark_return"].iloc[1:], closes[1:] / closes[:-1] - 1, rtol=1e-12)
    assert np.isnan(daily["benchmark_return"].iloc[0])
    np.testing.assert_allclose(daily["excess_return"], daily["return"] - daily["benchmark_return"], rtol=1e-12)


def test_targets_after_the_last_session_wait(home):
    last = home.calendar.between(FIRST, LAST)[7]
    early = write_backtest(home.lake, home.calendar, "early", "portfolio_x", "csi500", last, CONFIG)
    whole = stored(home).set_index("date")
    np.testing.assert_array_equal(early.daily["net_value"], whole["net_value"].iloc[:8])
    assert len(early.trades["date"].unique()) == 2


def test_empty_parts_keep_their_types(home, result):
    assert len(result.delistings) == 0, "a stock is delisted in this range; choose another"
    schema = home.lake.read(backtest_table("x", "delistings")).schema
    assert schema.field("date").type == pa.date32()
    assert schema.field("weight").type == pa.float64()
    assert home.lake.read(backtest_table("x", "dividends")).schema.names == [
        "date",
        "symbol",
        "shares",
        "new_shares",
        "cash",
    ]


def test_whole_shares_of_the_lakes_market_are_in_lots_and_their_dividends_in_a_table(home):
    config = BacktestConfig(whole_shares=True, initial_capital=1e7)
    write_backtest(home.lake, home.calendar, "whole", "portfolio_x", "csi500", np.datetime64(LAST), config)
    trades = stored(home, "trades", "whole")
    bought = trades[trades["units"] > 0]
    lots = bought[~bought["symbol"].str.startswith("688") & ~bought["symbol"].str.endswith(".BJ")]
    assert len(lots) > 20
    assert (lots["units"] % 100 == 0).all()
    assert (trades["fee"] == trades["fee"].round(2)).all()
    value, last = stored(home, None, "whole")["net_value"], stored(home)["net_value"]
    assert 0 < abs(value - last).max() < 0.01


def test_a_mix_has_the_tables_of_a_strategy(home, result):
    targets = home.lake.read("portfolio_x").to_pandas()
    for session, rows in targets.groupby("date"):
        other = rows.assign(weight=rows["weight"].to_numpy()[::-1])
        home.lake.write("portfolio_y", pa.Table.from_pandas(other, preserve_index=False), str(session))
    write_backtest(home.lake, home.calendar, "y", "portfolio_y", "csi500", np.datetime64(LAST), CONFIG)
    mix = MixConfig(reset_sessions=10)
    mixed = write_mix(home.lake, home.calendar, "half", ("x", "y"), mix, CONFIG)
    for part in (None, *PARTS):
        own, of_part = (home.lake.read(backtest_table(name, part)).schema for name in ("half", "x"))
        assert [(f.name, f.type) for f in own if f.name != "part"] == [(f.name, f.type) for f in of_part]
    pd.testing.assert_frame_equal(stored(home, "trades", "half"), mixed.trades, check_dtype=False)
    daily = [stored(home, None, name)["net_value"].to_numpy() for name in ("x", "y", "half")]
    np.testing.assert_allclose(daily[2][:10], (daily[0] + daily[1])[:10] / 2, rtol=1e-12)
    reset = mixed.trades[mixed.trades["date"] == mixed.daily["date"].iloc[10]]
    assert set(reset["part"]) == {"x", "y"}


def test_an_index_without_bars_is_named(home):
    market = load_dense(home.lake, home.calendar, FIRST, LAST, BACKTEST_FIELDS)
    with pytest.raises(MissingDataError, match=f"index_bar has no csi2000 from {FIRST}"):
        benchmark_returns(home.lake, market, "csi2000", CONFIG)


def test_an_index_with_a_hole_is_an_error_of_the_backtest(home, copy_of):
    hole = copy_of(home, ["index_bar"])
    hole.lake.path("index_bar", "2020-12-16").unlink()
    with pytest.raises(MissingDataError, match="no benchmark return on 2020-12-16"):
        write_backtest(hole.lake, hole.calendar, "x", "portfolio_x", "csi500", np.datetime64(LAST), CONFIG)
