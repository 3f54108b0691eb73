"""Of Dagster's staleness: what says why a partition is out of date, where Dagster itself does not look.

Dagster leaves out inputs of 100 partitions and more, inputs of which all partitions are read, and what follows from its
own partition before where there are 100 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from dagster._core.definitions import data_version

from attn_platform.orchestration.dagster_internals import say_plain, why_plain

MoreCauses = Callable[[Any, str, str | None, Collection[str]], Iterable[tuple[str, str]]]
"""Resolver, asset, partition and the inputs that Dagster has not looked at, to (input, what is the matter with it)."""

RESOLVER = "CachingStaleStatusResolver"
CAUSES = "_get_stale_causes_materialized"
METHODS = {CAUSES: ("self", "key"), "_get_partition_dependencies": ("self", "key")}
"""Methods of Dagster's resolver, which lives as long as one request, each with its parameters."""


def add_causes(more: MoreCauses) -> bool:
    """Let Dagster call `more` about the inputs that it leaves out, each time it asks why a partition is stale.

    False, and nothing is changed, where the resolver is not as it was.
    """
    resolver = getattr(data_version, RESOLVER, None)
    reason = why_plain(resolver, METHODS)
    if reason is None:
        setattr(resolver, CAUSES, _with_more(getattr(resolver, CAUSES), more))
        return True
    say_plain(
        "Staleness by many partitions",
        reason,
        "Dagster's UI leaves out inputs of 100 partitions and more (attn run --plan looks at them)",
    )
    return False


def _with_more(causes: Callable[[Any, Any], Iterator[Any]], more: MoreCauses) -> Callable[[Any, Any], Iterator[Any]]:
    def with_more(self: Any, key: Any) -> Iterator[Any]:
        yield from causes(self, key)
        looked_at = {dependency.asset_key for dependency in self._get_partition_dependencies(key=key)}
        inputs = {each.to_user_string(): each for each in self.asset_graph.get(key.asset_key).parent_keys - looked_at}
        for name, matter in more(self, key.asset_key.to_user_string(), key.partition_key, inputs):
            cause = partial(data_version.StaleCause, category=data_version.StaleCauseCategory.DATA)
            yield cause(key, reason=matter, dependency=inputs[name])

    with_more.plain = causes  # type: ignore[attr-defined]
    return with_more
