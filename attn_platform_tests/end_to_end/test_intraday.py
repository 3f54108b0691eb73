"""From simulated bars, trades and books to the ten high-frequency factors, by the assets of a home; and the poisoned
future: nothing made for a session changes when intraday rows after it do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from attn_platform.definitions import build_defs
from attn_platform.indicators.catalogue import indicator_table, indicators_with
from attn_platform.market.contract import INTRADAY_TABLES
from attn_platform.market.lake import Lake
from attn_platform.orchestration import jobs
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.owed import owed
from attn_platform.orchestration.partitions import TIMEZONE, partitions_of
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.studies.settings import Home
from attn_platform.workflows.raw_tables import SESSION_TABLES, STATIC_TABLES
from attn_platform_tests.homes import IMPORTED, SIMULATED, linked, tiny_home

FIRST, LAST, KNOWN_UNTIL = "2020-11-02", "2021-01-08", "2020-12-25"
STOCKS = 40
FACTORS = "factor_high_frequency"
INDICATORS = tuple(map(indicator_table, indicators_with(()).families))

pytestmark = pytest.mark.slow


def made_from_intraday(home: Home, tables: tuple[str, ...]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for assets in (tables, INDICATORS, (FACTORS,)):
            run_stage(build_defs(home), instance, Stage(assets[0], assets, FIRST, LAST))


@pytest.fixture(scope="module")
def home(raw_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The tiny market with intraday tables, and what is made of them."""
    intraday = {"stocks": STOCKS, "first_session": FIRST, "last_session": LAST, "book_until": "10:00"}
    source = {**SIMULATED, "simulation": {**SIMULATED["simulation"], "intraday": intraday}}
    root = tmp_path_factory.mktemp("intraday") / "home"
    linked(raw_home, root)
    home = tiny_home(root, source)
    made_from_intraday(home, INTRADAY_TABLES)
    return home


def test_every_factor_has_values_once_its_window_is_filled(home: Home) -> None:
    assert set(assets_made_at(home)[MadeAt.INDICATORS]) == set(INDICATORS)
    rows = home.lake.read(FACTORS, LAST, LAST).to_pandas().set_index("symbol")
    known = rows.drop(columns="date").notna().sum()
    assert (known > STOCKS / 2).all(), known.to_dict()
    assert (known <= STOCKS).all()


def test_bars_sum_to_the_days(home: Home) -> None:
    """To the share and the cent, through the source and the lake."""
    bars = home.lake.read("minute_bar", LAST, LAST).to_pandas().groupby("symbol")[["volume", "amount"]].sum()
    days = home.lake.read("daily_bar", LAST, LAST).to_pandas().set_index("symbol").loc[bars.index]
    np.testing.assert_array_equal(bars["volume"], days["volume"])
    assert np.abs(bars["amount"] - days["amount"]).max() < 0.01


def test_intraday_rows_after_a_session_change_nothing_there(home: Home, tmp_path: Path) -> None:
    linked(home, tmp_path / "poisoned", own=(*INTRADAY_TABLES, *INDICATORS, FACTORS))
    other = tiny_home(tmp_path / "poisoned", IMPORTED)
    for table in (*INDICATORS, FACTORS):
        for session in other.lake.sessions(table):
            other.lake.path(table, session).unlink()
    for session in other.calendar.between(KNOWN_UNTIL, LAST)[1:]:
        poison(other.lake, session)
    made_from_intraday(other, ("daily_bar",))
    days = other.calendar.between(FIRST, LAST)
    for table in (*INDICATORS, FACTORS):
        for session in days[days <= np.datetime64(KNOWN_UNTIL)]:
            assert other.lake.path(table, session).read_bytes() == home.lake.path(table, session).read_bytes(), table
        assert not other.lake.read(table, LAST, LAST).equals(home.lake.read(table, LAST, LAST)), table


def poison(lake: Lake, session: np.datetime64) -> None:
    """Prices, volumes and amounts of a session go to other rows."""
    random = np.random.default_rng(int(session.astype(int)))
    for table in INTRADAY_TABLES:
        rows = lake.read(table, session, session)
        order = pa.array(random.permutation(rows.num_rows))
        for name in rows.column_names:
            if pa.types.is_floating(rows.schema.field(name).type):
                rows = rows.set_column(rows.column_names.index(name), name, rows[name].take(order))
        lake.write(table, rows, session)


def test_other_assets_are_those_of_a_home_without_intraday_tables(home: Home) -> None:
    made = assets_made_at(home)
    assert (set(made[MadeAt.RAW]), set(made[MadeAt.INTRADAY])) == (set(SESSION_TABLES), set(INTRADAY_TABLES))
    assert set(STATIC_TABLES) < set(made[MadeAt.STATIC])
    assert made[MadeAt.INTRADAY_FACTORS] == (FACTORS,)
    assert FACTORS not in made[MadeAt.FACTORS]


def test_intraday_work_is_owed_by_itself(home: Home) -> None:
    """The day's other work waits neither for bars that come on the next morning, nor for what is made of them."""
    partitions = partitions_of(home)
    now = datetime(2021, 1, 5, 7, tzinfo=ZoneInfo(TIMEZONE))
    duties = owed(home, partitions, lambda asset: {"2020-12-30"}, now, catch_up=2)
    assert [duty.key for duty in duties if duty.job == jobs.INTRADAY_JOB] == ["2020-12-31", "2021-01-04"]
    [session] = [duty for duty in duties if (duty.job, duty.key) == (jobs.SESSION_JOB, "2021-01-04")]
    assert not {*INTRADAY_TABLES, *INDICATORS, FACTORS} & {*session.assets}
    [section] = [duty for duty in duties if (duty.job, duty.key) == (jobs.CROSS_SECTION_JOB, "2021-01-04")]
    assert FACTORS not in {table for table, _ in section.needs}
    job = build_defs(home).resolve_job_def(jobs.INTRADAY_JOB)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
        *INTRADAY_TABLES, *INDICATORS, FACTORS
    }  # fmt: skip
