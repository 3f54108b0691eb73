"""Why a stock has no forecast: every stock of a day, against the universe's own lists and ranks taken by pandas."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.lake import from_columns
from attn_platform.portfolio.explanation.missing_forecast import why_no_forecast
from attn_platform.universe.config import UniverseConfig
from attn_platform.universe.store import CrossSections, write_universe
from attn_platform_tests.homes import linked

SESSION, QUARTER, CHOSEN = np.datetime64("2021-01-18"), "2021-01-01", np.datetime64("2020-12-31")
CONFIG = UniverseConfig(top_share=0.7)


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory):
    made = linked(raw_home, tmp_path_factory.mktemp("absence"))
    write_universe(made.lake, made.calendar, [QUARTER], CONFIG)
    return made


def reason(home, symbol: str, session=SESSION, config=CONFIG) -> str:
    return why_no_forecast(home.lake, home.calendar, session, symbol, config)


def bars_of(home, session) -> pd.DataFrame:
    return home.lake.read("daily_bar", session, session).to_pandas().set_index("symbol")


@pytest.fixture(scope="module")
def answers(home):
    """What every third stock of the day is told."""
    return {symbol: reason(home, symbol) for symbol in bars_of(home, SESSION).index[::3]}


def test_every_stock_is_told_what_the_universe_says(home, answers):
    sections = CrossSections(home.lake, home.calendar, CONFIG, SESSION, SESSION)
    inside = set(sections.market.symbols[sections.dense()[0]])
    members = set(home.lake.read("universe", QUARTER, QUARTER)["symbol"].to_pylist())
    bars, chosen = bars_of(home, SESSION), bars_of(home, CHOSEN)
    seen = set()
    for symbol, words in answers.items():
        assert (symbol in inside) == words.startswith("in the day's cross-section"), words
        assert (symbol not in members) == words.startswith("not in the universe's list"), words
        if symbol in members and symbol not in inside:
            assert words.startswith("in the universe's list of 2021-01-01, but dropped")
            assert bars.loc[symbol, "trading_status"] in words or "listed for" in words
        if symbol not in members and symbol not in chosen.index:
            assert "not listed on 2020-12-31" in words
        seen.add(words.split(":")[-1].split(" ")[1] if symbol not in members else words)
    assert len(seen) > 3, seen


def test_ranks_that_failed_are_named(home, answers):
    """Of the eligible stocks not in the list, those named for amount or value are below the top share in it."""
    window = home.calendar.between("2019-07-01", CHOSEN)[-CONFIG.liquidity_window :]
    rows = home.lake.read("daily_bar", window[0], CHOSEN, ["symbol", "amount", "is_suspended"]).to_pandas()
    values = home.lake.read("valuation", window[0], CHOSEN, ["symbol", "total_mv"]).to_pandas()
    means = pd.DataFrame({"mean daily amount": rows.groupby("symbol")["amount"].mean()})
    means["mean market value"] = values.groupby("symbol")["total_mv"].mean()
    ranked = {symbol: words for symbol, words in answers.items() if "top 70%" in words}
    ruled_out = ("not listed on", "status ", "listed for", "suspended on")
    candidates = [
        s for s, words in answers.items() if not any(each in words.split(": ")[-1][:14] for each in ruled_out)
    ]
    assert len(ranked) > 3
    for symbol, words in ranked.items():
        for name in means:
            above = (means.loc[candidates, name] > means.loc[symbol, name]).mean()
            if f"its {name}" in words:
                assert above > 0.6, (symbol, name, above)
            else:
                assert above < 0.8, (symbol, name, above)


def test_stocks_that_are_not_there(home):
    security = home.lake.read("security").to_pandas().set_index("symbol")
    assert "no such stock" in reason(home, "999999.SH")
    later = security.index[pd.to_datetime(security["list_date"]) > pd.Timestamp(SESSION)]
    gone = security.index[pd.to_datetime(security["delist_date"]) <= pd.Timestamp(SESSION)]
    for symbol in later[:2]:
        assert f"listed only on {security.loc[symbol, 'list_date']:%Y-%m-%d}" in reason(home, symbol)
    for symbol in gone[:2]:
        assert f"delisted on {security.loc[symbol, 'delist_date']:%Y-%m-%d}" in reason(home, symbol)
    assert len(later) + len(gone)


def test_a_new_listing_is_told_its_age(home):
    strict = UniverseConfig(top_share=0.7, min_listed_sessions=10_000)
    member = home.lake.read("universe", QUARTER, QUARTER)["symbol"][0].as_py()
    assert "fewer than 10000" in reason(home, member, config=strict)


def test_a_suspended_member_is_dropped_where_the_universe_says_so(home):
    members = set(home.lake.read("universe", QUARTER, QUARTER)["symbol"].to_pylist())
    dropping = CONFIG.model_copy(update={"keep_suspended": False})
    for session in home.calendar.between("2021-01-04", "2021-02-05"):
        bars = bars_of(home, session)
        for symbol in bars.index[bars["is_suspended"]]:
            if symbol in members and bars.loc[symbol, "trading_status"] == "normal":
                assert "suspended on the day" in reason(home, symbol, session, dropping)
                assert "in the day's cross-section" in reason(home, symbol, session)
                return
    pytest.fail("no member is suspended in the quarter")


def test_imported_forecasts_have_no_universe(home):
    symbol = bars_of(home, SESSION).index[0]
    assert "imported forecasts do not name it" in why_no_forecast(home.lake, home.calendar, SESSION, symbol, None)


@pytest.mark.slow
def test_nothing_after_the_session_is_read(home, copy_of):
    """With noise in every later row the answers stay."""
    cut = copy_of(home, ["daily_bar", "valuation"])
    for table in ("daily_bar", "valuation"):
        for session in cut.lake.sessions(table):
            if session > SESSION:
                cut.lake.path(table, session).unlink()
    symbols = bars_of(home, SESSION).index[::9]
    assert [reason(cut, symbol) for symbol in symbols] == [reason(home, symbol) for symbol in symbols]
    cut.lake.write("universe", from_columns({"symbol": np.array(["000001.SZ"])}), np.datetime64("2021-04-01"))
    assert [reason(cut, symbol) for symbol in symbols] == [reason(home, symbol) for symbol in symbols]
