"""The graph as a user meets it: what every asset says of itself, jobs, tags, and what an absent table switches off."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.workspace.autodiscovery import loadable_targets_from_python_module

from attn_platform.definitions import build_defs
from attn_platform.factors.catalogue import AI55_XGBOOST_FACTORS, AI69_FACTORS, catalogue
from attn_platform.factors.inputs import FactorConfig
from attn_platform.factors.panel import families_of
from attn_platform.indicators.catalogue import indicators_with
from attn_platform.market.simulation import PLANTED_SIGNALS
from attn_platform.orchestration import jobs
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.factors import tables_of
from attn_platform.orchestration.partitions import SESSIONS_IN_RUN, partitions_of
from attn_platform.studies.availability import switched_off
from attn_platform.studies.places import HOME_VARIABLE
from attn_platform.universe.store import ADJACENCY
from attn_platform_tests.homes import ENSEMBLE, GRAPH, IMPORTED, MODEL, STEPS, STRATEGY, TREES, WEEKLY, tiny_home

STATIC = {"security", "industry", "fundamental"}
RAW = STATIC | {"daily_bar", "valuation", "consensus", "index_bar", "index_weight"}
# The tiny market has no intraday tables, and what is made of them is switched off.
OFF = {
    "minute_bar", "transaction", "book_snapshot", "factor_high_frequency",
    *(f"indicator_{family}" for family in indicators_with(()).families),
}  # fmt: skip
FAMILIES = {f"factor_{name}" for name in catalogue().families} - OFF
OF_AI69 = {f"factor_{name}" for name in families_of(AI69_FACTORS)}
MODELS, STRATEGIES = (MODEL, GRAPH, STEPS, TREES), (STRATEGY, ENSEMBLE, WEEKLY)
LISTS = {"universe", f"universe_{TREES}"}
PANELS = {"factor_panel", f"factor_panel_{TREES}"}
CHECKPOINTS = {f"checkpoint_{model}" for model in MODELS}
PREDICTIONS = {f"prediction_{forecaster}" for forecaster in (*MODELS, ENSEMBLE)}
PORTFOLIOS = {f"portfolio_{strategy}" for strategy in STRATEGIES}
# Of a model that is traded: what its network reads.
EXPLANATIONS = {f"explanation_{MODEL}"}
REPORTED = {
    *(f"evaluation_{forecaster}" for forecaster in (*MODELS, ENSEMBLE)),
    *(f"{kind}_{strategy}" for kind in ("backtest", "attribution", "robustness", "report") for strategy in STRATEGIES),
    *(f"seeds_{model}" for model in (MODEL, TREES)),  # ensembles have no seeds of their own
}
COMPUTED = {
    *LISTS, "sector_adjacency", *PANELS, *CHECKPOINTS, *PREDICTIONS, *PORTFOLIOS, *EXPLANATIONS, *REPORTED
}  # fmt: skip
OF_FACTORS = {f"evaluation_{family}" for family in FAMILIES} | {"report_factors"}
PAGES = {"report_data", "report_overview"}
REASON = "the vendor has no analysts"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tiny_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def defs(home):
    return build_defs(home)


@pytest.fixture(scope="module")
def graph(defs):
    return defs.resolve_asset_graph()


@pytest.fixture(scope="module")
def home_without_consensus(tmp_path_factory):
    return tiny_home(tmp_path_factory.mktemp("without"), {**IMPORTED, "absent_tables": {"consensus": REASON}})


@pytest.fixture(scope="module")
def defs_without_consensus(home_without_consensus):
    return build_defs(home_without_consensus)


def names(keys) -> set[str]:
    return {key.to_user_string() for key in keys}


def test_definitions_load(defs):
    dg.Definitions.validate_loadable(defs)


@pytest.mark.slow
def test_definitions_announce_nothing(home):
    """Interfaces of Dagster's that are beta or to be superseded were chosen knowingly; a user's log has none of it."""
    code = f"""
from attn_platform.definitions import build_defs
from attn_platform.studies.settings import Home
defs = build_defs(Home.open({str(home.root)!r}))
defs.resolve_implicit_global_asset_job_def()
for job in defs.jobs:
    defs.resolve_job_def(job.name)
"""
    options = ["-W", "always", "-W", "ignore::DeprecationWarning"]
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_graph_is_the_pipeline(graph):
    assert names(graph.get_all_asset_keys()) == RAW | {PLANTED_SIGNALS} | FAMILIES | COMPUTED | OF_FACTORS | PAGES | OFF
    assert {name for name in COMPUTED if PLANTED_SIGNALS in parents(graph, name)} == {
        f"evaluation_{forecaster}" for forecaster in (*MODELS, ENSEMBLE)
    }


def test_a_report_of_a_strategy_reads_no_market(graph):
    """What needs prices, weights of the index or forecasts is computed before, and a page reads that."""
    reads = parents(graph, f"report_{STRATEGY}")
    assert not reads & {"daily_bar", "index_weight", "valuation", "industry", f"prediction_{MODEL}"}
    assert {f"attribution_{STRATEGY}", f"evaluation_{MODEL}", f"backtest_{STRATEGY}"} <= reads


def parents(graph, asset: str) -> set[str]:
    return names(graph.get(dg.AssetKey(asset)).parent_keys)


def test_every_asset_says_what_it_is(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name != "default", key
        assert node.kinds, key
        assert len(node.description or "") > 20, key
        if key.to_user_string() in OFF:
            assert node.description.startswith("Switched off: "), key
            continue
        assert node.code_version, key
        assert node.is_executable, key


def test_groups_follow_the_pipeline(graph):
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {
        "market", "universe", "factors", "factor_evaluation", "training", "predictions", "explanations", "portfolios",
        "backtests", "robustness", "reports", "indicators",
    }  # fmt: skip


def test_a_holding_can_be_followed_back_to_the_raw_tables(graph):
    portfolio = dg.AssetKey(f"portfolio_{STRATEGY}")
    behind = names(dg.AssetSelection.assets(portfolio).upstream().resolve(graph))
    assert behind >= RAW - {"security", "fundamental"} | OF_AI69 | {"universe", "factor_panel", f"checkpoint_{MODEL}"}
    for strategy, models in ((STRATEGY, [MODEL]), (ENSEMBLE, [MODEL, STEPS])):
        behind = names(dg.AssetSelection.assets(dg.AssetKey(f"report_{strategy}")).upstream().resolve(graph))
        assert behind >= RAW - {"fundamental"} | OF_AI69 | {"universe", "factor_panel"}
        of_models = {f"{kind}_{model}" for kind in ("checkpoint", "prediction") for model in models}
        assert behind & (CHECKPOINTS | PREDICTIONS) - {f"prediction_{ENSEMBLE}"} == of_models
        assert {name for name in behind if name.endswith(f"_{strategy}")} >= {
            f"{kind}_{strategy}" for kind in ("portfolio", "backtest", "report")
        }


def test_every_family_names_its_tables_and_formulas(graph):
    for name in (family.removeprefix("factor_") for family in FAMILIES):
        node = graph.get(dg.AssetKey(f"factor_{name}"))
        assert names(node.parent_keys) == {*tables_of(*catalogue().family(name)), "security"}
        entries = node.description.splitlines()
        columns = {column.name: column for column in node.metadata["dagster/column_schema"].columns}
        for entry, definition in zip(entries, catalogue().family(name), strict=True):
            assert entry.startswith(f"- **{definition.name}**: {definition.formula} (of {definition.reads}; ")
            assert f"look-back {definition.lookback} sessions" in entry
            least = definition.min_observations(FactorConfig())
            assert (f"at least {least} observations" in entry) == bool(definition.window)
            assert definition.source in entry
            assert columns[definition.name].type == "float"
            assert columns[definition.name].description == definition.formula


def test_families_depend_on_the_tables_of_their_inputs(graph):
    expected = {
        "expectation": {"daily_bar", "consensus"},
        "volatility": {"daily_bar", "valuation", "index_bar"},
        "intra_day": {"daily_bar"},
        "growth": {"daily_bar", "fundamental"},
        "momentum": {"daily_bar"},
    }
    for family, tables in expected.items():
        assert parents(graph, f"factor_{family}") == tables | {"security"}, "codes under which companies went on"


def test_a_session_depends_on_the_look_back_into_each_table(defs, home):
    """The longest look-back into a table, of all families that one op computes: Dagster knows one mapping an input."""
    [families] = [a for a in defs.assets if dg.AssetKey("factor_turnover") in getattr(a, "keys", ())]
    sessions = partitions_of(home).sessions
    keys = sessions.get_partition_keys()
    last = len(keys) - 1
    wanted = sessions.subset_with_partition_keys([keys[last]])
    for table, look_back in {"daily_bar": 503, "valuation": 21, "consensus": 63, "index_bar": 21}.items():
        mapping = families.get_partition_mapping(dg.AssetKey(table))
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(wanted, sessions, sessions)
        upstream = sorted(found.partitions_subset.get_partition_keys())
        assert upstream == keys[max(last - look_back, 0) :], table
    assert families.get_partition_mapping(dg.AssetKey("fundamental")) is None, "statements are one file"


def asset_of(defs, name: str) -> dg.AssetsDefinition:
    [asset] = [a for a in defs.assets if dg.AssetKey(name) in getattr(a, "keys", ())]
    return asset


def test_networks_ask_for_a_gpu_and_trees_do_not(defs):
    for model in MODELS:
        checkpoint = asset_of(defs, f"checkpoint_{model}")
        op = checkpoint.op
        assert op.retry_policy.max_retries == 2
        if model == TREES:
            assert op.pool is None
            assert not {"accelerator", "dagster-celery/queue", "dagster-k8s/config"} & set(op.tags)
            continue
        assert op.pool == "gpu"
        assert op.tags["accelerator"] == "gpu"
        assert op.tags["dagster-celery/queue"] == "gpu"
        assert "nvidia.com/gpu" in str(op.tags["dagster-k8s/config"])


def test_a_run_trains_as_many_windows_as_the_model_says(defs):
    lengths = {model: asset_of(defs, f"checkpoint_{model}").backfill_policy for model in MODELS}
    one, three = dg.BackfillPolicy.multi_run(1), dg.BackfillPolicy.multi_run(3)
    assert lengths == {MODEL: one, GRAPH: one, STEPS: three, TREES: one}


def test_windows_that_start_warm_are_trained_one_by_one(tmp_path):
    """Whatever the configuration says of windows together: each starts from the one before it."""
    training = {"warm_start": True, "windows_together": 3}
    model = {
        "name": "one",
        "network": {"name": "multi_task_baseline"},
        "labels": {"horizons": [3]},
        "training": training,
    }
    strategies = [{"name": "weekly", "model": "one", "horizon": "3d"}]
    defs = build_defs(tiny_home(tmp_path, models=[model], ensembles=[], strategies=strategies))
    assert asset_of(defs, "checkpoint_one").backfill_policy == dg.BackfillPolicy.multi_run(1)
    assert "checkpoint_one" in parents(defs.resolve_asset_graph(), "checkpoint_one")


def test_checkpoints_depend_on_what_their_model_reads(graph):
    prices = {"daily_bar", "security"}
    assert parents(graph, f"checkpoint_{MODEL}") == prices | {"factor_panel"}
    assert parents(graph, f"checkpoint_{STEPS}") == prices | {"factor_panel"}
    assert parents(graph, f"checkpoint_{GRAPH}") == prices | {"factor_panel", ADJACENCY, f"checkpoint_{GRAPH}"}
    assert parents(graph, f"checkpoint_{TREES}") == prices | {f"factor_panel_{TREES}"}
    assert parents(graph, f"prediction_{MODEL}") == {"factor_panel", f"checkpoint_{MODEL}"}
    assert parents(graph, f"prediction_{GRAPH}") == {"factor_panel", f"checkpoint_{GRAPH}", ADJACENCY}
    assert parents(graph, f"prediction_{ENSEMBLE}") == {f"prediction_{MODEL}", f"prediction_{STEPS}"}
    assert parents(graph, f"portfolio_{ENSEMBLE}") >= {f"prediction_{ENSEMBLE}"}
    assert "universe" in parents(graph, "factor_panel")
    assert f"universe_{TREES}" in parents(graph, f"factor_panel_{TREES}")


def mapped(graph, asset: str, parent: str, key: str) -> list[str]:
    """Keys of the parent that a key of the asset is made from."""
    of_asset, of_parent = (graph.get(dg.AssetKey(name)) for name in (asset, parent))
    subset = of_asset.partitions_def.subset_with_partition_keys([key])
    mapping = graph.get_partition_mapping(dg.AssetKey(asset), dg.AssetKey(parent))
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        subset, of_asset.partitions_def, of_parent.partitions_def
    )
    return sorted(found.partitions_subset.get_partition_keys())


def test_each_model_depends_on_the_sessions_of_its_own_samples(graph, home):
    sessions = partitions_of(home).sessions.get_partition_keys()
    window, at = "2021-01-04", sessions.index("2021-01-04")
    for model, panel, length in ((MODEL, "factor_panel", 64), (TREES, f"factor_panel_{TREES}", 48)):
        assert mapped(graph, f"checkpoint_{model}", panel, window) == sessions[at - length : at]
    assert mapped(graph, f"prediction_{MODEL}", "factor_panel", window) == [window]
    assert mapped(graph, f"prediction_{STEPS}", "factor_panel", window) == sessions[at - 3 : at + 1]
    assert mapped(graph, f"checkpoint_{GRAPH}", ADJACENCY, window) == ["2020-01-01", "2021-01-01"]
    assert mapped(graph, f"checkpoint_{GRAPH}", f"checkpoint_{GRAPH}", window) == ["2020-12-10"]
    assert mapped(graph, f"prediction_{GRAPH}", ADJACENCY, window) == ["2021-01-01"]


def test_sessions_are_made_some_hundreds_to_a_run_and_everything_else_in_single_runs(graph):
    for key in graph.get_all_asset_keys():
        node, name = graph.get(key), key.to_user_string()
        if not node.is_partitioned or name in CHECKPOINTS:
            continue
        is_by_session = name in RAW - STATIC or name.startswith(("factor_", "prediction_"))
        policy = dg.BackfillPolicy.multi_run(SESSIONS_IN_RUN) if is_by_session else dg.BackfillPolicy.single_run()
        assert node.backfill_policy == policy, key


def test_checks_block_unless_they_only_warn(graph):
    checks = {key: graph.get(key) for key in graph.asset_check_keys}
    warning = {key.name for key, node in checks.items() if not node.blocking}
    assert warning == {"chain"}
    checked = names(key.asset_key for key in checks)
    assert checked == FAMILIES | {
        "daily_bar", "valuation", "index_bar", "index_weight", "security", "industry", "fundamental",
        "sector_adjacency", *LISTS, *PANELS, *PREDICTIONS, *PORTFOLIOS,
    }  # fmt: skip


def test_jobs_select_what_their_partitions_allow(defs, home):
    made = assets_made_at(home)
    expected = {
        "static": STATIC | {PLANTED_SIGNALS},
        jobs.SESSION_JOB: {*made[MadeAt.RAW], *made[MadeAt.FACTORS]},
        jobs.CROSS_SECTION_JOB: {*made[MadeAt.PANELS], *made[MadeAt.PREDICTIONS]},
        jobs.QUARTER_JOB: LISTS,
        jobs.YEAR_JOB: {"sector_adjacency"},
        jobs.WINDOW_JOB: {f"checkpoint_{MODEL}", f"checkpoint_{GRAPH}"},
        "window_3_together": {f"checkpoint_{STEPS}"},
        "window_8": {f"checkpoint_{TREES}"},
        jobs.WEEK_JOB: set(made[MadeAt.PORTFOLIOS]) - {f"portfolio_{WEEKLY}"},
        "portfolio_every_week": {f"portfolio_{WEEKLY}"},
        jobs.REPORT_JOB: {*made[MadeAt.REPORTS], *PAGES, "report_factors"},
    }
    for name, assets in expected.items():
        job = defs.resolve_job_def(name)
        assert names(job.asset_layer.executable_asset_keys) == assets
        assert job.description
    assert defs.resolve_job_def(jobs.WINDOW_JOB).run_tags["accelerator"] == "gpu"
    assert set().union(*expected.values()) == RAW | {PLANTED_SIGNALS} | FAMILIES | COMPUTED | OF_FACTORS | PAGES


def test_an_absent_table_switches_off_its_family_with_the_reason(defs_without_consensus, home_without_consensus):
    dg.Definitions.validate_loadable(defs_without_consensus)
    graph = defs_without_consensus.resolve_asset_graph()
    for name in ("consensus", "factor_expectation"):
        node = graph.get(dg.AssetKey(name))
        assert not node.is_executable
        assert node.description.startswith("Switched off: ")
        assert REASON in node.description
        assert REASON in node.metadata["switched off"]
    panel = graph.get(dg.AssetKey("factor_panel"))
    assert dg.AssetKey("factor_expectation") not in panel.parent_keys
    everything = names(graph.get_all_asset_keys())
    everything_else = (OF_FACTORS | PAGES) - {"evaluation_factor_expectation"}
    assert everything == RAW | FAMILIES | COMPUTED | everything_else | OFF, "what is switched off can still be seen"
    made = assets_made_at(home_without_consensus)
    assert "consensus" not in made[MadeAt.RAW]
    assert "factor_expectation" not in made[MadeAt.FACTORS]
    job = defs_without_consensus.resolve_job_def(jobs.SESSION_JOB)
    assert not {"consensus", "factor_expectation"} & names(job.asset_layer.executable_asset_keys)


def test_a_family_that_only_partly_needs_an_absent_table_stays_on(tmp_path):
    """Without valuation the volatility family lacks one of its three factors, the valuation family all of them.

    The market's return alone would not help: size and value portfolios need the market values.
    """
    home = tiny_home(tmp_path, {**IMPORTED, "absent_tables": {"valuation": "none"}})
    assert switched_off(home, "volatility") is None
    assert switched_off(home, "valuation") == "table valuation is absent (none)"
    assert switched_off(home, "reversal") is None
    graph = build_defs(home).resolve_asset_graph()
    assert names(graph.get(dg.AssetKey("factor_volatility")).parent_keys) == {"daily_bar", "index_bar", "security"}


@pytest.mark.parametrize(
    ("features", "families"),
    [
        (["bp_lf", "ret_5d"], {"valuation", "reversal"}),
        (
            list(AI55_XGBOOST_FACTORS),
            {
                "valuation", "expectation", "reversal", "volatility", "turnover", "intra_day", "growth",
                "profitability", "stability", "quality", "momentum",
            },
        ),
    ],
)  # fmt: skip
def test_every_family_is_there_and_the_panel_reads_those_of_the_study(tmp_path, features, families):
    home = tiny_home(tmp_path, features=features)
    graph = build_defs(home).resolve_asset_graph()
    found = {name for name in names(graph.get_all_asset_keys()) if name.startswith("factor_")}
    assert found == FAMILIES | PANELS | {"factor_high_frequency"}
    of_panel = names(graph.get(dg.AssetKey("factor_panel")).parent_keys)
    assert {name for name in of_panel if name.startswith("factor_")} == {f"factor_{name}" for name in families}
    made = assets_made_at(home)
    assert set(made[MadeAt.FACTORS]) | set(made[MadeAt.PANELS]) == FAMILIES | PANELS


def test_a_neutralised_panel_depends_on_what_is_regressed_out(graph, tmp_path):
    panel = dg.AssetKey("factor_panel")
    more = {"industry", "valuation"}
    assert not names(graph.get(panel).parent_keys) & more
    neutralised = build_defs(tiny_home(tmp_path, preprocessing={"neutralise": "industry_and_size"}))
    assert names(neutralised.resolve_asset_graph().get(panel).parent_keys) >= more


def test_a_model_may_read_a_panel_of_its_own(tmp_path):
    """AI-55: networks on the 42 factors, XGBoost on its own set net of industry and size."""
    own = {"features": "ai55_xgboost", "preprocessing": {"neutralise": "industry_and_size"}}
    network = {"name": "multi_task_baseline"}
    models = [
        {"name": name, "network": network, "labels": {"horizons": [3]}, **more}
        for name, more in (("one", {}), ("two", own), ("three", {}), ("four", own))
    ]
    strategies = [{"name": "weekly", "model": "two", "horizon": "3d"}]
    home = tiny_home(tmp_path, models=models, ensembles=[], strategies=strategies)
    graph = build_defs(home).resolve_asset_graph()
    panels = {"one": "factor_panel", "two": "factor_panel_two", "three": "factor_panel", "four": "factor_panel_two"}
    for model, panel in panels.items():
        for asset in (f"checkpoint_{model}", f"prediction_{model}"):
            assert {name for name in parents(graph, asset) if name.startswith("factor_")} == {panel}
    columns = graph.get(dg.AssetKey("factor_panel_two")).metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == ["date", "symbol", *AI55_XGBOOST_FACTORS]
    assert names(graph.get(dg.AssetKey("factor_panel_two")).parent_keys) >= {"industry", "valuation", "factor_growth"}
    assert {"factor_panel", "factor_panel_two"} <= set(assets_made_at(home)[MadeAt.PANELS])


def test_two_models_and_strategies_are_two_branches(tmp_path):
    network = {"name": "multi_task_baseline"}
    models = [{"name": name, "network": network, "labels": {"horizons": [3]}} for name in ("one", "two")]
    strategies = [{"name": f"on_{model['name']}", "model": model["name"], "horizon": "3d"} for model in models]
    defs = build_defs(tiny_home(tmp_path, models=models, ensembles=[], strategies=strategies))
    graph = defs.resolve_asset_graph()
    assert dg.AssetKey("prediction_one") in graph.get(dg.AssetKey("portfolio_on_one")).parent_keys
    assert dg.AssetKey("prediction_two") not in graph.get(dg.AssetKey("portfolio_on_one")).parent_keys
    week = defs.resolve_job_def(jobs.WEEK_JOB)
    assert names(week.asset_layer.executable_asset_keys) == {"portfolio_on_one", "portfolio_on_two"}


def test_dagster_finds_the_definitions_of_the_home(home, monkeypatch):
    """As `dagster dev --module-name attn_platform.definitions` does; nothing is made before it asks."""
    home.save()
    monkeypatch.setenv(HOME_VARIABLE, str(home.root))
    [target] = loadable_targets_from_python_module("attn_platform.definitions", working_directory=None)
    assert target.attribute == "defs"
    found = names(target.target_definition().resolve_asset_graph().get_all_asset_keys())
    assert found == RAW | {PLANTED_SIGNALS} | FAMILIES | COMPUTED | OF_FACTORS | PAGES | OFF
