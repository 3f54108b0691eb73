"""What is stale because an import has corrected raw rows: the partitions of everything made that are behind them.

`stale_by` says all of it, for people; `to_be_made_again` what unattended work makes again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

import dagster as dg
import pandas as pd

from attn_platform.market.corrections import TABLE as CORRECTIONS
from attn_platform.market.corrections import corrected_sessions
from attn_platform.orchestration.freshness import (
    Lineage,
    dependents,
    stale_by_data,
    stale_of_made,
    state_of_records,
)
from attn_platform.orchestration.outputs import held_of
from attn_platform.orchestration.rebuilds import sent_weeks
from attn_platform.studies.settings import Home


def stale_by(home: Home, lineage: Lineage, changed: Mapping[str, Collection[str]]) -> dict[str, pd.Series]:
    """Of all that was made, partitions that are stale and are made from `changed` ones, and why, by asset.

    `changed` are sessions (`WHOLE` for a table without) by raw table, those tables among the result.
    """
    behind = dependents(lineage, changed)
    stale = stale_of_made(lineage, partial(held_of, home, lineage.graph))
    found = {
        asset: causes[causes.index.isin(behind[asset].index)] for asset, causes in stale.items() if asset in behind
    }
    return {asset: causes for asset, causes in found.items() if len(causes)}


def to_be_made_again(
    home: Home, instance: dg.DagsterInstance, lineage: Callable[[], Lineage], since: str
) -> dict[str, pd.Series]:
    """What corrected rows of sessions from `since` on have made stale, and why, by asset and key.

    Weeks whose orders were sent are left out, and nothing follows from them. So is what is stale for another reason: by
    other code, by corrected rows of sessions before, by tables without sessions, of which each import may bring new
    ones. That takes a hand on `attn run`. `lineage` is asked for where anything was corrected, and where anything has
    been made, corrected or sent since the answer was last looked for in this process.
    """
    changed = corrected_sessions(home.lake, since)
    if not changed:
        return {}
    sent = sent_weeks(home)
    corrected = tuple((table, *sessions) for table, sessions in sorted(changed.items()))
    weeks = tuple((table, *sorted(keys)) for table, keys in sorted(sent.items()))
    state = (home.root, home.lake.stamp(CORRECTIONS), corrected, weeks, *state_of_records(instance))

    def ask() -> dict[str, pd.Series]:
        known = lineage()
        return stale_by_data(known, changed, partial(held_of, home, known.graph), sent)

    return _answer(_Question(state, ask))


@dataclass(frozen=True)
class _Question:
    """What an answer depends on, and how it is found."""

    state: tuple[object, ...]
    ask: Callable[[], dict[str, pd.Series]] = field(compare=False)


@lru_cache(maxsize=1)  # two sensors ask each half minute, mostly while nothing happens
def _answer(question: _Question) -> dict[str, pd.Series]:
    return question.ask()
