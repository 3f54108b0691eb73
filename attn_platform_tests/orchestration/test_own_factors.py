"""A user's factor file in a home: its family is an asset like the others, with its table, checks and code version."""

import dagster as dg
import numpy as np
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError
from attn_platform.factors.store import compute_session
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.pipeline import run_stage, stages_of_selection
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import tiny_home

FIRST, LAST = "2020-12-24", "2021-01-08"
FILE = "my_factors.py"
FACTOR = """\
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="ret_2d", family="{family}", inputs=("close", "adj_factor"), lookback=2,
        formula="close[T] / close[T−2] − 1", source="our own")
def ret_2d(x):
    return ratio(x.last_close, lag(x.last_close, 2)) - 1
"""
BROKEN = """

@factor(name="broken", family="mine", inputs=("close", "adj_factor"), lookback=600, formula="?", source="our own")
def broken(x):
    return x.close + x.nothing
"""


def with_factor(home: Home, text: str) -> Home:
    """The home with a factor file beside its settings, named by a path relative to them."""
    (home.root / FILE).write_text(text, encoding="utf-8")
    return home.with_settings(home.settings.model_copy(update={"changes": {"factor_files": [FILE]}}))


@pytest.fixture
def home(tmp_path):
    return with_factor(tiny_home(tmp_path), FACTOR.format(family="mine"))


def test_its_family_is_an_asset_with_checks_in_the_session_job(home):
    defs = build_defs(home)
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey("factor_mine"))
    assert {key.to_user_string() for key in node.parent_keys} == {"daily_bar", "security"}
    assert node.group_name == "factors"
    assert node.partitions_def == graph.get(dg.AssetKey("factor_reversal")).partitions_def
    assert "ret_2d" in node.description
    assert str(home.root / FILE) in node.description
    assert {key.name for key in node.check_keys} == {
        key.name for key in graph.get(dg.AssetKey("factor_reversal")).check_keys
    }
    assert "factor_mine" in assets_made_at(home)[MadeAt.FACTORS]
    assert dg.AssetKey("factor_mine") not in graph.get(dg.AssetKey("factor_panel")).parent_keys


def test_a_feature_of_a_users_family_is_in_the_panel(home):
    changes = {"factor_files": [FILE], "features": ["ret_5d", "ret_2d"]}
    named = home.with_settings(home.settings.model_copy(update={"changes": changes}))
    panel = build_defs(named).resolve_asset_graph().get(dg.AssetKey("factor_panel"))
    assert {dg.AssetKey("factor_mine"), dg.AssetKey("factor_reversal")} <= panel.parent_keys
    assert [c.name for c in panel.metadata["dagster/column_schema"].columns] == ["date", "symbol", "ret_5d", "ret_2d"]


def test_the_code_version_holds_the_code_of_the_file(tmp_path):
    def versions(text: str) -> dict[str, str]:
        graph = build_defs(with_factor(tiny_home(tmp_path), text)).resolve_asset_graph()
        return {
            name: graph.get(dg.AssetKey(f"factor_{name}")).code_version for name in ("mine", "reversal", "turnover")
        }

    own, joined = FACTOR.format(family="mine"), FACTOR.format(family="reversal")
    plain, changed = versions(own), versions(f"{own}\n\nLEVEL = 1\n")
    assert plain["mine"] != changed["mine"]
    assert plain == versions(f"{own}\n\n\n# a comment\n")
    assert plain["reversal"] == changed["reversal"] == plain["turnover"]
    graph = build_defs(with_factor(tiny_home(tmp_path), joined)).resolve_asset_graph()
    assert graph.get(dg.AssetKey("factor_reversal")).code_version != plain["reversal"]
    assert graph.get(dg.AssetKey("factor_turnover")).code_version == plain["turnover"]


def test_two_homes_do_not_see_each_others_factors(home, tmp_path):
    other = tiny_home(tmp_path / "other")
    keys = build_defs(other).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey("factor_mine") not in keys
    assert dg.AssetKey("factor_mine") in build_defs(home).resolve_asset_graph().get_all_asset_keys()
    with pytest.raises(ConfigurationError, match="no factor 'ret_2d'"):
        other.study.catalogue.definition("ret_2d")


@pytest.fixture
def computed(raw_home, copy_of):
    """Runs a selection of a home with a factor file; returns the home and the instance that recorded the run."""

    def run(text: str, selection: str, instance: dg.DagsterInstance) -> Home:
        made = with_factor(copy_of(raw_home), text)
        defs = build_defs(made)
        for stage in stages_of_selection(defs, selection, f"{FIRST}...{LAST}"):
            run_stage(defs, instance, stage)
        return made

    return run


def test_its_table_holds_its_formula_and_its_checks_are_recorded(computed):
    with dg.DagsterInstance.ephemeral() as instance:
        home = computed(FACTOR.format(family="mine"), "factor_mine", instance)
        event = instance.get_latest_materialization_event(dg.AssetKey("factor_mine"))
        graph = build_defs(home).resolve_asset_graph()
        checks = {
            key.name: instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].status.value
            for key in graph.get(dg.AssetKey("factor_mine")).check_keys
        }
    table = home.lake.read("factor_mine").to_pandas()
    bars = home.lake.read("daily_bar").to_pandas()
    close = (bars["close"] * bars["adj_factor"]).set_axis([bars["date"], bars["symbol"]]).unstack()
    expected = (close / close.shift(2) - 1).stack(future_stack=True)
    found = table.set_index(["date", "symbol"])["ret_2d"].astype(float)
    np.testing.assert_allclose(found, expected.reindex(found.index), rtol=1e-6, atol=1e-9)
    assert found.notna().sum() > 100
    assert "ret_2d" in event.asset_materialization.metadata["coverage"].value
    assert checks == dict.fromkeys(("one_row_a_bar", "unique_keys", "point_in_time"), "SUCCEEDED")


def test_a_factor_in_an_existing_family_is_a_column_of_its_table(computed):
    with dg.DagsterInstance.ephemeral() as instance:
        home = computed(FACTOR.format(family="reversal"), "factor_reversal", instance)
    table = home.lake.read("factor_reversal")
    assert table.column_names == ["date", "symbol", "ret_5d", "ret_1m", "exp_wgt_return_3m", "ret_2d"]
    session = np.datetime64(LAST)
    study = home.study
    alone = compute_session(home.lake, home.calendar, ["reversal"], session, study.factors, study.catalogue)
    stored = home.lake.read("factor_reversal", session, session).to_pandas()["ret_2d"].astype(float)
    np.testing.assert_array_equal(alone["ret_2d"].astype(float), stored)


@pytest.mark.slow
def test_a_broken_factor_of_a_users_own_family_leaves_the_others_as_they_are(computed, tmp_path):
    """It is computed by an op of its own, and its long look-back is that op's alone."""
    text = FACTOR.format(family="mine") + BROKEN
    made = with_factor(tiny_home(tmp_path / "graph"), text)
    defs = build_defs(made)
    reach = {
        asset.op.name: -asset.get_partition_mapping(dg.AssetKey("daily_bar")).start_offset
        for asset in defs.assets
        if isinstance(asset, dg.AssetsDefinition) and asset.op.name.endswith("factor_families")
    }
    assert reach == {"factor_families": 503, "own_factor_families": 600}
    with dg.DagsterInstance.ephemeral() as instance:
        failure = r"fails \(.*'nothing'; the inputs are: .*close.*\)"
        message = rf"factor broken: .*{FILE} \(broken\) {failure}; .* attn factors broken --check"
        with pytest.raises(ConfigurationError, match=message):
            computed(text, "factor_intra_day,factor_mine", instance)
        done = [instance.get_latest_materialization_event(dg.AssetKey(f"factor_{f}")) for f in ("intra_day", "mine")]
    assert done[0] is not None
    assert done[1] is None
