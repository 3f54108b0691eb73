"""A data version for each partition of a run over many.

Dagster gives all partitions that a step makes one data version, derived from the range of the run: a session made alone
and the same session made among a thousand others would differ, and everything after it be out of date for nothing. Here
an asset's result brings `PartitionVersions`, and each partition's event is recorded with its own version. Dagster has
no interface for that (a remark in its `execute_step` calls for one), so the function that makes the events of a result
is wrapped when this module is imported; a test holds it to the event log. Where it cannot be wrapped,
`PartitionVersions` is one data version like any other, of all that the run has made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import dagster as dg

from attn_platform.orchestration.dagster_internals import DATA_VERSION_TAG
from attn_platform.orchestration.dagster_internals.execution import EventsOfResult, wrap_events_of_result
from attn_platform.orchestration.freshness import WHOLE, Lineage, record


class PartitionVersions(dg.DataVersion):
    """Data versions by partition key; of a single partition it is that one's."""

    by_key: Mapping[str, str]

    def __new__(cls, by_key: Mapping[str, str]) -> Self:
        """Its value, where one is asked for all of them, is a hash over them."""
        values = list(by_key.values())
        whole = values[0] if len(values) == 1 else hashlib.blake2b("".join(values).encode(), digest_size=16).hexdigest()
        made = super().__new__(cls, whole)
        made.by_key = dict(by_key)
        return made


def _events_with_own_versions(
    events_of_result: EventsOfResult, asset_key: dg.AssetKey, asset_partitions: Any, output: Any, *rest: Any
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """The events of a result, each with the version of its partition where the result brings them.

    What the partitions were made by and from goes on record (`freshness`).
    """
    versions, made = getattr(output, "data_version", None), {}
    for event in events_of_result(asset_key, asset_partitions, output, *rest):
        if isinstance(versions, PartitionVersions) and isinstance(event, dg.AssetMaterialization) and event.partition:
            event = dg.AssetMaterialization(
                asset_key=event.asset_key,
                description=event.description,
                metadata=event.metadata,
                partition=event.partition,
                tags={**(event.tags or {}), DATA_VERSION_TAG: versions.by_key[event.partition]},
            )
        if isinstance(event, dg.AssetMaterialization):
            made[event.partition or WHOLE] = (event.tags or {}).get(DATA_VERSION_TAG, "")
        yield event
    if made:
        _, _, step, *_ = rest
        record(Lineage(step.job_def.asset_layer.asset_graph, step.instance), asset_key.to_user_string(), made)


wrap_events_of_result(_events_with_own_versions)
