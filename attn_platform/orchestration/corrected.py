"""What is stale because an import has corrected raw rows: the partitions of everything made that are behind them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

import pandas as pd

from attn_platform.orchestration.freshness import Lineage, dependents, stale_of_made
from attn_platform.orchestration.outputs import held_of
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
