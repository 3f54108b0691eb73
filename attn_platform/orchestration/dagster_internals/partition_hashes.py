"""Of Dagster's partitions by time: their hash, which every look-up of a key asks for.

It is that of a text with all days that are excluded, and written anew each time: milliseconds on twenty years of
sessions, at each of the hundreds of look-ups that definitions and runs make.
"""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from attn_platform.orchestration.dagster_internals import say_plain, why_plain

HASH = "__hash__"
REMEMBERED = "_attn_hash"


def remember_hashes() -> bool:
    """Let each definition compute its hash once; False, and nothing is changed, where it is not as it was."""
    reason = why_plain(dg.TimeWindowPartitionsDefinition, {HASH: ("self",)})
    if reason is None:
        setattr(dg.TimeWindowPartitionsDefinition, HASH, _once(dg.TimeWindowPartitionsDefinition.__hash__))
        return True
    say_plain("Remembering the hashes of partitions", reason, "definitions are slower by fractions of a second")
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
