"""What a home holds of an asset at this moment: its files, whatever Dagster's log says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from attn_platform.evaluation.explanation_tables import STOCKS
from attn_platform.evaluation.store import robustness_tables
from attn_platform.orchestration.freshness import WHOLE, is_external
from attn_platform.orchestration.provenance import data_version, data_versions
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home

CHECKPOINT, EXPLANATION, REPORT, ROBUSTNESS = (
    "checkpoint_",
    "explanation_",
    "report_",
    "robustness_",
)  # beginnings of assets' names


def held_of(home: Home, graph: Any, asset: str, keys: Sequence[str]) -> Mapping[str, str]:
    """Of the partitions `keys` those that have a file, by key.

    With the versions of files that come from outside, for which the log is no witness; else with nothing.
    """
    if is_external(graph, asset):
        if list(keys) == [WHOLE]:
            return {WHOLE: data_version(home.lake, asset).value} if home.lake.has(asset) else {}
        return data_versions(home.lake, np.array(keys, dtype="datetime64[D]"), asset).by_key
    kinds = graph.get(dg.AssetKey(asset)).kinds
    return dict.fromkeys(_present(home, asset, kinds, list(keys) == [WHOLE]), "")


def _present(home: Home, asset: str, kinds: Iterable[str], is_whole: bool) -> list[str]:
    if "safetensors" in kinds:
        folder = home.checkpoints / asset.removeprefix(CHECKPOINT)
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if "html" in kinds:
        is_there = page_file(home, asset.removeprefix(REPORT)).exists()
    elif asset.startswith(ROBUSTNESS):
        is_there = all(map(home.lake.has, robustness_tables(asset.removeprefix(ROBUSTNESS))))
    elif asset.startswith(EXPLANATION):
        is_there = home.lake.has(f"{asset}_{STOCKS}")
    elif is_whole:
        is_there = home.lake.has(asset)
    else:
        return [str(session) for session in home.lake.sessions(asset)]
    return [WHOLE] if is_there else []
