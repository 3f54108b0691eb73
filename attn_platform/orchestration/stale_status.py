"""What Dagster's UI shows as stale: also what follows from inputs that Dagster does not look at, by the recipes.

The webserver asks in its own process, which loads the home's event log from `dagster.yaml`, and that imports this
module. Dagster compares inputs of up to 99 partitions one by one; for those of more the digests of `freshness` are
compared, and the versions of an input are read once a request. So the UI and `attn run --plan` know the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attn_platform.orchestration.dagster_internals.staleness import add_causes

if TYPE_CHECKING:
    import pandas as pd

    from attn_platform.orchestration.freshness import Lineage


# As the UI goes on behind an asset's name, and before that of the input
OTHER_VERSIONS, NO_RECORD = "has new data versions of the dependency", "was made without a record of the dependency"


class _Request:
    """What is known of assets while Dagster answers one request."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.changed: dict[tuple[str, frozenset[str]], pd.DataFrame] = {}


_requests: WeakKeyDictionary[Any, _Request] = WeakKeyDictionary()  # by Dagster's resolver, which is one a request


def _changed(resolver: Any, asset: str, partition: str | None, inputs: Collection[str]) -> Iterable[tuple[str, str]]:
    """Of the inputs that Dagster leaves out those that make a partition stale, and why."""
    if not inputs:
        return
    from attn_platform.orchestration.freshness import UNRECORDED, WHOLE, Lineage, changed_inputs

    if resolver not in _requests:
        _requests[resolver] = _Request(Lineage(resolver.asset_graph, resolver.instance_queryer.instance))
    request, asked = _requests[resolver], (asset, frozenset(inputs))
    if asked not in request.changed:
        request.changed[asked] = changed_inputs(request.lineage, asset, inputs)
    for source, matter in request.changed[asked].loc[partition or WHOLE].items():
        if matter:
            yield str(source), NO_RECORD if matter == UNRECORDED else OTHER_VERSIONS


add_causes(_changed)
