"""The fence around Dagster's private parts: all of them are behind it, mean what we rely on, and may be missing."""

import ast
import inspect
import pickle
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import FunctionType

import dagster as dg
import pytest
from dagster._core.definitions import data_version, unresolved_asset_job_definition
from dagster._core.execution.plan import execute_step
from packaging.requirements import Requirement
from packaging.version import Version

import attn_platform
from attn_platform.orchestration import event_log
from attn_platform.orchestration.batching_event_log import BatchingSqliteEventLogStorage
from attn_platform.orchestration.dagster_internals import (
    DATA_VERSION_TAG,
    TRIED,
    execution,
    partition_lookups,
    sqlite_parts,
    staleness,
    why_plain,
)
from attn_platform.orchestration.dagster_internals.sqlite_storage import SqliteEventLogStorage
from attn_platform.orchestration.jobs import build_jobs
from attn_platform_tests.homes import tiny_home
from attn_platform_tests.orchestration.event_logs import DAILY, RUNS, open_log, record

PACKAGE = Path(attn_platform.__file__).parent
METHOD_TYPES = (FunctionType, classmethod)
FENCE = PACKAGE / "orchestration" / "dagster_internals"
DAYS = dg.StaticPartitionsDefinition(["one", "two"])


def private_parts(source: str) -> list[str]:
    """What a module reaches for of Dagster's that is private."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            found.append(ast.unparse(node))
    private = []
    for name in found:
        first, *rest = name.split(".")
        inner = any(part.startswith("_") and not part.endswith("__") for part in rest)
        if first == "dagster_shared" or (first in ("dagster", "dg") and inner):
            private.append(name)
    return private


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from dagster._core.errors import DagsterError", ["dagster._core.errors.DagsterError"]),
        ("def f():\n    import dagster._utils as u", ["dagster._utils"]),
        ("from dagster import _core", ["dagster._core"]),
        ("import dagster as dg\ndg._core", ["dg._core"]),
        ("from dagster_shared.serdes import pack_value", ["dagster_shared.serdes.pack_value"]),
        ("import dagster as dg\nfrom dagster import asset\ndg.asset, dg.__version__, self._dagster, x.dagster", []),
    ],
)
def test_private_parts_are_found(source, expected):
    assert private_parts(source) == expected


@pytest.mark.slow
def test_nothing_but_the_fence_reaches_for_private_parts():
    modules = {path: private_parts(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {path: found for path, found in modules.items() if found and FENCE not in path.parents} == {}
    assert any(found for path, found in modules.items() if FENCE in path.parents)


def test_the_versions_that_are_installed_by_default_were_tried():
    root = PACKAGE.parent
    [pinned] = [line for line in (root / "constraints.txt").read_text().splitlines() if line.startswith("dagster==")]
    assert pinned.removeprefix("dagster==") in TRIED
    assert dg.__version__ in TRIED
    [bound] = [line for line in (root / "pyproject.toml").read_text().splitlines() if '"dagster>=' in line]
    allowed = Requirement(bound.split('"')[1]).specifier
    assert all(version in allowed for version in TRIED)
    assert list(TRIED) == sorted(TRIED, key=Version)


# What each part means


def test_the_tag_of_a_data_version_is_dagsters():
    assert DATA_VERSION_TAG == data_version.DATA_VERSION_TAG


def test_a_job_of_assets_is_of_the_type_that_the_fence_names(tmp_path):
    assert {type(job) for job in build_jobs(tiny_home(tmp_path)).values()} == {
        unresolved_asset_job_definition.UnresolvedAssetJobDefinition
    }


@pytest.fixture
def undone(monkeypatch):
    """Whatever a test puts into the place of Dagster's function is gone after it."""
    monkeypatch.setattr(execute_step, execution.EVENTS_OF_RESULT, before := plain_function())
    return before


def plain_function():
    """Dagster's own function, without the wrapper that the platform put around it."""
    return getattr(execute_step, execution.EVENTS_OF_RESULT).args[0]


def test_the_wrapped_function_is_dagsters_and_takes_what_it_took():
    assert plain_function().__module__ == execute_step.__name__
    assert tuple(inspect.signature(plain_function()).parameters) == execution.PARAMETERS


def test_events_of_a_result_are_made_of_asset_partitions_and_output(undone):
    seen = []

    def wrapper(original, asset_key, asset_partitions, output, *rest):
        made = list(original(asset_key, asset_partitions, output, *rest))
        seen.append((asset_key, set(asset_partitions), output.data_version, made))
        return iter(made)

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def prices():
        return dg.MaterializeResult(data_version=dg.DataVersion("v"))

    assert execution.wrap_events_of_result(wrapper)
    tags = {"dagster/asset_partition_range_start": "one", "dagster/asset_partition_range_end": "two"}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([prices], instance=instance, tags=tags).success
    [(key, partitions, version, made)] = seen
    assert (key, partitions, version) == (prices.key, {"one", "two"}, dg.DataVersion("v"))
    assert {(type(event), event.partition) for event in made} == {
        (dg.AssetMaterialization, "one"),
        (dg.AssetMaterialization, "two"),
    }


def sessions(first=datetime(2021, 1, 4), excluded=("0 0 * * 6", datetime(2021, 1, 6))):
    return dg.TimeWindowPartitionsDefinition(
        start=first, cron_schedule="0 0 * * *", fmt="%Y-%m-%d", exclusions=list(excluded)
    )


@pytest.fixture
def own_hash(monkeypatch):
    """Dagster's own hash, counted, and set back after the test."""
    written = []

    def own(self):
        written.append(self)
        return hash(tuple(repr(self)))

    definition = dg.TimeWindowPartitionsDefinition
    monkeypatch.setattr(definition, "__hash__", own)
    monkeypatch.setattr(definition, partition_lookups.FILTER, plain_filter())
    partition_lookups.quicken_lookups.cache_clear()
    yield written
    partition_lookups.quicken_lookups.cache_clear()


def plain_filter():
    """Dagster's own look-up of many keys."""
    return getattr(dg.TimeWindowPartitionsDefinition, partition_lookups.FILTER).plain


def test_the_hash_of_partitions_is_dagsters_own_and_computed_once(own_hash):
    partitions, equal, others = sessions(), sessions(), sessions(excluded=("0 0 * * 6",))
    before = hash(partitions), hash(others)
    assert partition_lookups.quicken_lookups()
    own_hash.clear()
    assert [hash(partitions), hash(others), hash(equal)] == [*before, before[0]]
    assert [hash(partitions) for _ in range(3)] == [before[0]] * 3
    assert len(own_hash) == 3, "one for each definition"
    assert partitions == equal
    assert len({partitions, equal, others}) == 2
    assert partition_lookups.REMEMBERED not in vars(pickle.loads(pickle.dumps(partitions))), "it is of one process"


def test_the_hash_of_partitions_is_left_alone_where_it_is_not_as_it_was(own_hash, monkeypatch, caplog):
    without_version(monkeypatch)
    before = dg.TimeWindowPartitionsDefinition.__hash__
    assert not partition_lookups.quicken_lookups()
    assert dg.TimeWindowPartitionsDefinition.__hash__ is before
    assert "Quick look-ups of partitions is switched off" in caplog.text


@pytest.mark.slow
def test_keys_that_are_looked_up_together_are_those_that_dagster_finds_one_by_one():
    partitions = sessions()
    held = partitions.get_partition_keys()
    assert len(held) > partition_lookups.FEW
    others = {"2021-01-02", "2021-01-06", "2020-12-31", "2121-01-01", "2021-01-04 00:00", "no day", ""}
    for asked in ({*held, *others}, others, set(held[-3:]), set()):
        found = partitions.filter_valid_partition_keys(asked)
        assert found == plain_filter()(partitions, asked) == asked - others


def failing_check():
    @dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="prices", blocking=True)])
    def prices():
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=False)

    return prices


def test_a_blocking_check_that_fails_is_told_from_other_errors(monkeypatch):
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterError) as caught:
        dg.materialize([failing_check()], instance=instance)
    assert execution.is_failed_check(caught.value)
    assert not execution.is_failed_check(dg.DagsterInvariantViolationError("another"))
    monkeypatch.delattr(execution.errors, execution.FAILED_CHECK)
    assert not execution.is_failed_check(caught.value), "then Dagster's own error comes out"


def test_kinds_of_events_are_those_that_the_index_holds():
    kinds = dg.DagsterEventType
    assert {kinds.ASSET_MATERIALIZATION, kinds.ASSET_MATERIALIZATION_PLANNED, kinds.ASSET_OBSERVATION} <= set(
        sqlite_parts.ASSET_EVENTS
    )
    assert set(sqlite_parts.ASSET_CHECK_EVENTS) == {
        kinds.ASSET_CHECK_EVALUATION, kinds.ASSET_CHECK_EVALUATION_PLANNED,
    }  # fmt: skip
    assert {kinds.RUN_START, kinds.RUN_SUCCESS, kinds.RUN_FAILURE} <= set(
        sqlite_parts.EVENT_TYPE_TO_PIPELINE_RUN_STATUS
    )
    sets = (sqlite_parts.ASSET_EVENTS, sqlite_parts.ASSET_CHECK_EVENTS, sqlite_parts.EVENT_TYPE_TO_PIPELINE_RUN_STATUS)
    assert sum(map(len, sets)) == len(set().union(*sets)), "an event is of one kind"


def test_a_planned_check_is_known_without_its_partitions():
    planned = sqlite_parts.AssetCheckEvaluationPlanned(asset_key=dg.AssetKey("prices"), check_name="sound")
    assert planned.partitions_subset is None
    assert planned.asset_check_key == dg.AssetCheckKey(dg.AssetKey("prices"), "sound")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with open_log(tmp_path_factory.mktemp("stock"), SqliteEventLogStorage) as instance:
        record(instance, RUNS[0], DAILY, 0)
        yield instance


def test_dagsters_storage_is_what_ours_was_written_for(recorded):
    storage = recorded.event_log_storage
    assert type(storage) is SqliteEventLogStorage
    assert why_plain(SqliteEventLogStorage, sqlite_parts.METHODS) is None
    assert {path.stem for path in (Path(recorded.root_directory) / "events").glob("*.db")} == {
        sqlite_parts.INDEX_SHARD_NAME, *RUNS[:1],
    }  # fmt: skip
    assert isinstance(storage._db_lock, type(threading.Lock()))
    assert storage._initialized_dbs >= {RUNS[0], sqlite_parts.INDEX_SHARD_NAME}
    assert 1 <= sqlite_parts.SQLITE_BUSY_TIMEOUT_SECONDS <= 600
    methods = {name for name, value in vars(BatchingSqliteEventLogStorage).items() if isinstance(value, METHOD_TYPES)}
    assert {name for name in methods if hasattr(SqliteEventLogStorage, name)} <= set(sqlite_parts.METHODS)


def test_a_row_is_all_that_the_table_of_events_holds_but_its_id(recorded):
    [event] = recorded.all_logs(RUNS[0], of_type=dg.DagsterEventType.RUN_SUCCESS)
    row = recorded.event_log_storage._event_to_row(event)
    assert {"id", *row} == set(sqlite_parts.SqlEventLogStorageTable.columns.keys())
    assert row == recorded.event_log_storage._event_to_row(event), "an event is written the same each time"


def test_executions_of_checks_name_the_event_in_the_index():
    columns = set(sqlite_parts.AssetCheckExecutionsTable.columns.keys())
    assert {"id", "asset_key", "check_name", "run_id", "evaluation_event_storage_id"} <= columns


# Without them


def without_version(patch):
    patch.setattr(dg, "__version__", "1.14.0")


def without_function(patch):
    patch.delattr(execute_step, execution.EVENTS_OF_RESULT)


def with_other_parameters(patch):
    patch.setattr(execute_step, execution.EVENTS_OF_RESULT, lambda asset_key, output: iter([]))


def without_module(patch):
    patch.setitem(sys.modules, execute_step.__name__, None)
    patch.delattr("dagster._core.execution.plan.execute_step")


@pytest.mark.parametrize("change", [without_version, without_function, with_other_parameters, without_module])
def test_what_makes_events_is_left_alone_where_it_is_not_as_it_was(undone, monkeypatch, caplog, change):
    change(monkeypatch)
    before = getattr(execute_step, execution.EVENTS_OF_RESULT, None)
    assert not execution.wrap_events_of_result(lambda *arguments: iter([]))
    assert getattr(execute_step, execution.EVENTS_OF_RESULT, None) is before
    assert "A data version for each partition is switched off" in caplog.text
    assert f"Install dagster=={TRIED[-1]}" in caplog.text


def without_parts(patch):
    patch.setitem(sys.modules, sqlite_parts.__name__, None)
    patch.delattr("attn_platform.orchestration.dagster_internals.sqlite_parts")


def without_method(patch):
    patch.delattr("dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage._store_asset_event")


def with_another_method(patch):
    patch.setattr(SqliteEventLogStorage, "_connect", lambda self, shard, read_only: None)


@pytest.mark.parametrize("change", [without_version, without_parts, without_method, with_another_method])
def test_the_event_log_is_dagsters_own_where_its_parts_are_not_as_they_were(monkeypatch, caplog, change):
    assert event_log.storage_class() is event_log.BatchingSqliteEventLogStorage is BatchingSqliteEventLogStorage
    change(monkeypatch)
    assert event_log.storage_class() is SqliteEventLogStorage
    assert "The batching event log is switched off" in caplog.text


def without_resolver(patch):
    patch.delattr(data_version, staleness.RESOLVER)


def with_another_resolver(patch):
    patch.setattr(data_version.CachingStaleStatusResolver, "_get_partition_dependencies", lambda self, key, depth: [])


@pytest.mark.parametrize("change", [without_version, without_resolver, with_another_resolver])
def test_staleness_is_dagsters_own_where_it_is_not_as_it_was(monkeypatch, caplog, change):
    resolver = data_version.CachingStaleStatusResolver
    monkeypatch.setattr(resolver, staleness.CAUSES, before := getattr(resolver, staleness.CAUSES).plain)
    change(monkeypatch)
    assert not staleness.add_causes(lambda *arguments: [])
    assert getattr(resolver, staleness.CAUSES) is before
    assert "Staleness by many partitions is switched off" in caplog.text


UNTRIED = """
import sys
from pathlib import Path
import dagster as dg
dg.__version__ = "1.13.999"
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.dagster_internals import DATA_VERSION_TAG
from attn_platform.orchestration.partition_versions import PartitionVersions
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform_tests.homes import tiny_home

days = dg.StaticPartitionsDefinition(["one", "two"])

@dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
def prices(context):
    return dg.MaterializeResult(data_version=PartitionVersions({key: key for key in context.partition_keys}))

with open_instance(tiny_home(Path(sys.argv[1]))) as instance:
    for stage in (Stage("both", ("prices",), "one", "two"), Stage("alone", ("prices",), "one", "one")):
        run_stage(dg.Definitions(assets=[prices]), instance, stage)
        made = instance.fetch_materializations(prices.key, limit=len({stage.first, stage.last})).records
        print(sorted(record.partition_key for record in made), len({
            record.asset_materialization.tags[DATA_VERSION_TAG] for record in made
        }))
    print(made[0].asset_materialization.tags[DATA_VERSION_TAG])
    print(type(instance.event_log_storage).__name__)
"""


@pytest.mark.slow
def test_a_home_works_with_a_dagster_that_was_never_tried(tmp_path):
    """One version for both partitions, none of them another's; alone each has its own; Dagster's own event log."""
    done = subprocess.run(
        [sys.executable, "-c", UNTRIED, str(tmp_path)], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.splitlines()[-4:] == ["['one', 'two'] 1", "['one'] 1", "one", "SqliteEventLogStorage"]
    assert done.stderr.count("and this is 1.13.999") == 4
