"""A user's indicator and the factor that reads it, from one file: assets of a home that has minute bars."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError
from attn_platform.market.contract import MINUTE_BAR
from attn_platform.orchestration.pipeline import run_stage, stages_of_selection
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import IMPORTED, CopyOf, tiny_home
from attn_platform_tests.indicators.intraday_data import random_bars, rows_of
from attn_platform_tests.test_project import EXTENDING_PAGE, blocks

FIRST, LAST = "2020-12-01", "2021-01-08"
FILE = "my_factors.py"
STOCKS = 4
SELECTION = "indicator_mine, factor_mine_intraday"


def page_code() -> str:
    [code] = [code for code in blocks(EXTENDING_PAGE, "python") if "@indicator(" in code]
    return code


@pytest.fixture
def home(raw_home: Home, copy_of: CopyOf) -> Home:
    """Raw tables as if they were imported, minute bars of four stocks, and the page's file."""
    made = copy_of(tiny_home(raw_home.root, IMPORTED))
    day = made.calendar.between(FIRST, LAST)
    listed = made.lake.read("daily_bar", day[0], day[0])["symbol"].to_pylist()
    for number, session in enumerate(day):
        bars = random_bars(number, 15, tuple(listed[:STOCKS]))
        dates = pa.array([session.item()] * bars.num_rows)
        made.lake.write(MINUTE_BAR.name, bars.set_column(0, "date", dates), session)
    (made.root / FILE).write_text(page_code(), encoding="utf-8")
    return made.with_settings(made.settings.model_copy(update={"changes": {"factor_files": [FILE]}}))


def run(home: Home, instance: dg.DagsterInstance, selection: str = SELECTION) -> None:
    defs = build_defs(home)
    for stage in stages_of_selection(defs, selection, f"{FIRST}...{LAST}"):
        run_stage(defs, instance, stage)


def plain_share(home: Home, session: str, symbol: str) -> float:
    rows = rows_of(home.lake.read(MINUTE_BAR.name, session, session), symbol)
    midday = sum(row["amount"] for row in rows if 660 < row["end"] <= 810)
    return float(midday / sum(row["amount"] for row in rows))


def factor_of(home: Home) -> dict[str, float]:
    rows = home.lake.read("factor_mine_intraday", LAST, LAST).to_pandas().set_index("symbol")["midday_share_1m"]
    return rows.dropna().astype(float).to_dict()


def test_from_bars_to_a_factor(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(home, instance)
        sessions = [str(day) for day in home.calendar.between(FIRST, LAST)][-20:]
        found = factor_of(home)
        assert len(found) == STOCKS
        for symbol, value in found.items():
            expected = np.mean([plain_share(home, session, symbol) for session in sessions])
            assert value == pytest.approx(expected, rel=1e-6)


def test_bars_after_a_session_change_nothing_there(home: Home) -> None:
    """The future is poisoned: the last session's bars turn round; what was made of the days before stays as it is."""
    with dg.DagsterInstance.ephemeral() as instance:
        run(home, instance)
        days = home.calendar.between(FIRST, LAST)
        before = home.lake.read("factor_mine_intraday", FIRST, days[-2])
        bars = home.lake.read(MINUTE_BAR.name, LAST, LAST)
        at = bars.column_names.index("amount")
        home.lake.write(MINUTE_BAR.name, bars.set_column(at, "amount", bars["amount"].combine_chunks()[::-1]), LAST)
        last = factor_of(home)
        run(home, instance)
        assert home.lake.read("factor_mine_intraday", FIRST, days[-2]).equals(before)
        assert factor_of(home) != last


def test_a_factor_follows_its_indicator(home: Home) -> None:
    graph = build_defs(home).resolve_asset_graph()
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey("factor_mine_intraday")).parent_keys}
    assert parents == {"daily_bar", "security", "indicator_mine"}
    assert {key.to_user_string() for key in graph.get(dg.AssetKey("indicator_mine")).parent_keys} == {MINUTE_BAR.name}
    version = graph.get(dg.AssetKey("indicator_mine")).code_version
    (home.root / FILE).write_text(page_code().replace("11 * 60", "10 * 60"), encoding="utf-8")
    again = build_defs(Home(home.root, home.settings)).resolve_asset_graph()
    assert again.get(dg.AssetKey("indicator_mine")).code_version != version


def test_bars_that_are_too_long_are_said(home: Home) -> None:
    """Hourly bars cannot tell the half hours around noon."""
    session = home.calendar.between(FIRST, LAST)[0]
    symbols = tuple(sorted(set(home.lake.read(MINUTE_BAR.name, session, session)["symbol"].to_pylist())))
    bars = random_bars(1, 60, symbols)
    home.lake.write(MINUTE_BAR.name, bars.set_column(0, "date", pa.array([session.item()] * bars.num_rows)), session)
    with dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(home)
        [stage] = stages_of_selection(defs, "indicator_mine", str(session))
        run_stage(defs, instance, stage)
        [record] = instance.fetch_materializations(dg.AssetKey("indicator_mine"), limit=1).records
    said = record.asset_materialization.metadata["missing indicators"].value
    assert said == "midday_amount_share (bars of 60 minutes are too long for it (at most 30))"


def test_a_mistake_in_it_names_the_file(home: Home) -> None:
    (home.root / FILE).write_text(page_code().replace('x.bars["amount"]', 'x.bars["volume"]'), encoding="utf-8")
    again = Home(home.root, home.settings)
    said = r"midday_amount_share: .*my_factors.py .*minute_bar.volume is not there"
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(ConfigurationError, match=said):
        run(again, instance)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"minute_bar.amount"', '"minute_bar.amout"', "no intraday table has 'minute_bar.amout'; the nearest are "),
        (
            '("indicator_mine.midday_amount_share",)',
            '("indicator_mine.midday_share",)',
            "there is no indicator 'indicator_mine.midday_share'; the nearest are indicator_mine.midday_amount_share",
        ),
        ('name="midday_amount_share"', 'name="close"', "a column of the data contract has that name"),
    ],
)
def test_what_it_names_must_be_there(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / FILE).write_text(page_code().replace(old, new, 1), encoding="utf-8")
    made = tiny_home(tmp_path)
    named = made.settings.model_copy(update={"changes": {"factor_files": [FILE]}})
    with pytest.raises(ConfigurationError) as raised:
        made.with_settings(named).study.catalogue  # noqa: B018
    assert said in str(raised.value)
    assert FILE in str(raised.value)
