"""Of Dagster's partitions by time: their hash, which every look-up of a key asks for, and the look-up of many keys.

The hash is that of a text with all days that are excluded, and written anew each time: milliseconds on twenty years of
sessions, at each of the hundreds of look-ups that definitions and runs make. And keys are looked up one by one, so that
the UI's first page of an asset with 5,000 partitions took 20 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import cache

import dagster as dg

from attn_platform.orchestration.dagster_internals import say_plain, why_plain

HASH, FILTER = "__hash__", "filter_valid_partition_keys"
METHODS = {HASH: ("self",), FILTER: ("self", "partition_keys")}
REMEMBERED = "_attn_hash"
FEW = 20  # keys that are looked up one by one no slower than all keys are listed


@cache
def quicken_lookups() -> bool:
    """Let each definition compute its hash once, and look many keys up together.

    False, and nothing is changed, where it is not as it was. Once a process, however often it is asked for.
    """
    definition = dg.TimeWindowPartitionsDefinition
    reason = why_plain(definition, METHODS)
    if reason is None:
        setattr(definition, HASH, _once(definition.__hash__))
        setattr(definition, FILTER, _together(definition.filter_valid_partition_keys))
        return True
    say_plain("Quick look-ups of partitions", reason, "definitions and the UI's pages are slower")
    return False


def _once(
    compute: Callable[[dg.TimeWindowPartitionsDefinition], int],
) -> Callable[[dg.TimeWindowPartitionsDefinition], int]:
    def remembered(self: dg.TimeWindowPartitionsDefinition) -> int:
        held = vars(self)  # beside Dagster's own fields, which are fixed once it is made
        if REMEMBERED not in held:
            held[REMEMBERED] = compute(self)
        value: int = held[REMEMBERED]
        return value

    return remembered


Filter = Callable[[dg.TimeWindowPartitionsDefinition, set[str]], Set[str]]


def _together(plain: Filter) -> Filter:
    def filtered(self: dg.TimeWindowPartitionsDefinition, partition_keys: set[str]) -> Set[str]:
        if len(partition_keys) <= FEW:
            return plain(self, partition_keys)
        return partition_keys & set(self.get_partition_keys())

    filtered.plain = plain  # type: ignore[attr-defined]
    return filtered
