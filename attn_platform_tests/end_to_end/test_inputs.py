"""What an asset reads is what it says it is made from: else it would be called fresh when that has changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from attn_platform.definitions import build_defs
from attn_platform.market.lake import Lake
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import plan, run_stage
from attn_platform_tests.homes import ENSEMBLE, STRATEGY, tiny_home
from attn_platform_tests.pipelines import instance_of

MIX = {"name": "half_and_half", "parts": [STRATEGY, ENSEMBLE], "reset_sessions": 5}
# Tables that are written with those of an asset
WRITTEN_WITH = {
    "account_": "portfolio_",
    "limits_": "portfolio_",
    "exposures_": "attribution_",
    "contributors_": "attribution_",
}


def asset_of(table: str, assets: Sequence[str]) -> str:
    """The asset that writes a table: it has its name, or begins with it."""
    for prefix, of_asset in WRITTEN_WITH.items():
        if table.startswith(prefix):
            return table.replace(prefix, of_asset, 1)
    return max((asset for asset in assets if f"{table}_".startswith(f"{asset}_")), key=len, default=table)


@pytest.mark.slow
def test_what_an_asset_reads_is_among_its_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: set[str] = set()

    def noting(method: str) -> None:
        original = getattr(Lake, method)

        def noted(self: Lake, *tables: Any, **options: Any) -> Any:
            reads.update(tables if method == "connect" else tables[:1])
            return original(self, *tables, **options)

        monkeypatch.setattr(Lake, method, noted)

    for method in ("read", "read_sessions", "connect"):
        noting(method)
    home = tiny_home(tmp_path / "home", mixes=[MIX])
    defs, partitions, made = build_defs(home), partitions_of(home), assets_made_at(home)
    graph = defs.resolve_asset_graph()
    order = [key.to_user_string() for key in graph.toposorted_asset_keys]
    # Raw tables come from the source, and their checks of data quality read all of them.
    raw = {*made[MadeAt.STATIC], *made[MadeAt.RAW]}
    undeclared: dict[str, list[str]] = {}
    with instance_of(home) as instance:
        for stage in plan(home, partitions, partitions.windows.get_partition_keys()):
            for asset in (name for name in order if name in stage.assets):
                reads.clear()
                run_stage(defs, instance, replace(stage, assets=(asset,)))
                assert reads or asset in raw or asset.startswith(("checkpoint_", "prediction_")), asset
                inputs = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys} | {asset}
                if asset not in raw and (beyond := {asset_of(table, order) for table in reads} - inputs):
                    undeclared[asset] = sorted(beyond)
    assert undeclared == {}


def test_what_is_read_of_an_asset_has_a_version_of_its_own(pipeline) -> None:
    """Dagster's own is made of inputs, but for those of many partitions: it may stay when the content changes."""
    graph = pipeline.defs.resolve_asset_graph()
    read = {parent for key in graph.get_all_asset_keys() for parent in graph.get(key).parent_keys}
    for key in read:
        [record] = pipeline.instance.fetch_materializations(key, limit=1).records
        assert record.asset_materialization.tags["dagster/data_version_is_user_provided"] == "true", key
