"""Data versions in Dagster's event log: a partition's own, whatever run made it."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import (
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    CachingStaleStatusResolver,
    StaleStatus,
)
from dagster._core.loader import LoadingContextForTest

from attn_platform.definitions import build_defs
from attn_platform.orchestration.partition_versions import PartitionVersions
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform_tests.homes import FIRST_WINDOW, GRAPH, MODEL, SECOND_WINDOW, STEPS, STRATEGY, THIRD_WINDOW

DAYS = ("2020-12-21", "2020-12-30")
# Assets of one run, its range, and the partition that is made alone as well
RUNS = {
    "raw": (("daily_bar", "valuation", "index_weight"), DAYS, "2020-12-24"),
    "factors": (("factor_reversal", "factor_volatility", "factor_panel"), DAYS, "2020-12-24"),
    "universe": (("universe",), ("2020-10-01", "2021-01-01"), "2020-10-01"),
    "adjacency": (("sector_adjacency",), ("2020-01-01", "2021-01-01"), "2020-01-01"),
    "predictions": ((f"prediction_{MODEL}", f"prediction_{GRAPH}"), DAYS, "2020-12-24"),
    "portfolios": ((f"portfolio_{STRATEGY}",), ("2020-12-10", "2020-12-31"), None),
}


def versions(instance: dg.DagsterInstance, asset: str) -> dict[str, str]:
    """The data version of each partition, of its newest materialisation."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    assert len({record.partition_key for record in records}) == len(records), "a partition is recorded twice"
    return {record.partition_key: record.asset_materialization.tags[DATA_VERSION_TAG] for record in records}


def made(home, assets: tuple[str, ...], first: str, last: str) -> dict[str, dict[str, str]]:
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("made", assets, first, last))
        return {asset: versions(instance, asset) for asset in assets}


@pytest.mark.parametrize("name", RUNS)
def test_a_partition_has_one_version_alone_and_among_others(pipeline, copy_of, name):
    assets, (first, last), key = RUNS[name]
    tables = {folder.name for folder in pipeline.home.lake.root.iterdir() if not folder.name.startswith(".")}
    home = copy_of(pipeline.home, sorted(tables))
    together = made(home, assets, first, last)
    for asset, found in together.items():
        assert len(found) > 1, asset
        assert len(set(found.values())) == len(found), f"{asset}: partitions share a version"
    key = key or sorted(together[assets[0]])[-1]
    alone = made(home, assets, key, key)
    assert alone == {asset: {key: together[asset][key]} for asset in assets}


def test_a_checkpoint_has_one_version_alone_and_among_others(pipeline, monkeypatch):
    folder = pipeline.home.checkpoints / STEPS
    monkeypatch.setattr(
        "attn_platform.training.train_windows",
        lambda _, windows: {w.key: load_checkpoint(folder / w.key) for w in windows},
    )
    asset = f"checkpoint_{STEPS}"
    together = made(pipeline.home, (asset,), FIRST_WINDOW, THIRD_WINDOW)[asset]
    assert together == {
        key: load_checkpoint(folder / key).manifest.fingerprint for key in (FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW)
    }
    assert made(pipeline.home, (asset,), SECOND_WINDOW, SECOND_WINDOW)[asset] == {
        SECOND_WINDOW: together[SECOND_WINDOW]
    }


def test_versions_of_a_multi_asset_are_each_ones_own():
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")

    @dg.multi_asset(
        specs=[dg.AssetSpec(name, partitions_def=days) for name in ("one", "two", "plain")],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def several(context):
        for name in ("one", "two"):
            own = {key: f"{name} of {key}" for key in context.partition_keys}
            yield dg.MaterializeResult(name, data_version=PartitionVersions(own), metadata={"rows": 1}, tags={"a": "b"})
        yield dg.MaterializeResult("plain", data_version=dg.DataVersion("the same"))

    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-03"}
        assert dg.materialize([several], instance=instance, tags=tags).success
        keys = days.get_partition_keys()
        for name in ("one", "two"):
            assert versions(instance, name) == {key: f"{name} of {key}" for key in keys}
        assert set(versions(instance, "plain").values()) == {"the same"}
        newest = instance.get_latest_materialization_event(dg.AssetKey("one")).asset_materialization
        assert newest.metadata["rows"].value == 1
        assert newest.tags["a"] == "b"
        assert newest.tags[DATA_VERSION_IS_USER_PROVIDED_TAG] == "true"


def test_a_partition_made_again_puts_what_was_made_of_it_out_of_date_only_where_it_has_changed():
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")
    content = dict.fromkeys(days.get_partition_keys(), "as it was")
    settings = {"partitions_def": days, "backfill_policy": dg.BackfillPolicy.single_run(), "code_version": "1"}

    def result(context):
        return dg.MaterializeResult(
            data_version=PartitionVersions({key: content[key] for key in context.partition_keys})
        )

    @dg.asset(**settings)
    def prices(context):
        return result(context)

    @dg.asset(deps=[prices], **settings)
    def factors(context):
        return result(context)

    defs = dg.Definitions(assets=[prices, factors])
    with dg.DagsterInstance.ephemeral() as instance:

        def stale() -> set[str]:
            resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
            statuses = {key: resolver.get_status(factors.key, key) for key in content}
            return {key for key, status in statuses.items() if status != StaleStatus.FRESH}

        run_stage(defs, instance, Stage("all", ("prices", "factors"), "2024-01-01", "2024-01-03"))
        assert not stale()
        run_stage(defs, instance, Stage("one", ("prices",), "2024-01-02", "2024-01-02"))
        assert not stale()
        content["2024-01-02"] = "another close"
        run_stage(defs, instance, Stage("all", ("prices",), "2024-01-01", "2024-01-03"))
        assert stale() == {"2024-01-02"}
