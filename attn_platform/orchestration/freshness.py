"""Which partitions are what their code, configuration and inputs would make them now, and what others wait for.

Whenever an asset is materialised, by whatever run, its recipe is kept in the Dagster home: for each partition the data
version that came out, the code version (configuration included) and, for each input, a digest over the data versions of
the partitions that are read. A partition is fresh where Dagster's log still has that data version, its file is there,
and today's recipe is the same. What was made without a record is made again: never wrong, only slower.

Dagster's own staleness does not look at inputs of 100 partitions and more; this does, for all partitions at once, and
tells Dagster's UI (`stale_status`).
Inputs are read off Dagster's graph: partitions between two offsets, or all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.locks import exclusive
from attn_platform.orchestration.dagster_internals import DATA_VERSION_TAG
from attn_platform.writing import replacing

FOLDER, LOCK = "recipes", ".lock"  # in the Dagster home
PATIENCE_SECONDS = 60.0
PARTITION, VERSION, CODE = "partition", "version", "code"
WHOLE = ""  # the key of an asset without partitions
NEVER, UNRECORDED, GONE = "never made", "made without a record", "its file is gone"
IMPORTED = "other rows were imported"
NEW_CODE = "other code or configuration"
ONE_BEFORE = "one before it is made again"
_DIGEST_BYTES = 8

Versions = Mapping[str, str]
"""Data versions by partition key."""


class Lineage:
    """What each asset is made from, and which versions Dagster's log has of it now.

    `graph` is Dagster's asset graph, of definitions or of a job. Versions are asked for once, until they are forgotten.
    """

    def __init__(self, graph: Any, instance: dg.DagsterInstance) -> None:
        self.graph, self.instance = graph, instance
        self._keys: dict[int, np.ndarray] = {}
        self._versions: dict[str, Versions] = {}

    def keys(self, asset: str) -> np.ndarray:
        """Partition keys, ascending; `WHOLE` alone of an asset without partitions."""
        definition = self.graph.get(dg.AssetKey(asset)).partitions_def
        if definition is None:
            return np.array([WHOLE])
        if id(definition) not in self._keys:
            self._keys[id(definition)] = np.array(definition.get_partition_keys())
        return self._keys[id(definition)]

    def forget(self) -> None:
        """Ask the log again from now on."""
        self._versions.clear()

    def code(self, asset: str) -> str:
        """Code version of the definition."""
        return self.graph.get(dg.AssetKey(asset)).code_version or ""

    def inputs(self, asset: str) -> list[str]:
        """Assets that it is made from, by name; itself among them where a partition follows from the one before."""
        return sorted(key.to_user_string() for key in self.graph.get(dg.AssetKey(asset)).parent_keys)

    def versions(self, asset: str) -> Versions:
        """Data versions of what was made last."""
        if asset not in self._versions:
            self._versions[asset] = _logged_versions(self.instance, dg.AssetKey(asset), self.keys(asset))
        return self._versions[asset]

    def read_between(self, asset: str, source: str) -> tuple[np.ndarray, np.ndarray]:
        """For each partition of an asset the partitions [from, to) of one input that it is made from, by position."""
        own, read = self.keys(asset), self.keys(source)
        mapping = self.graph.get_partition_mapping(dg.AssetKey(asset), parent_asset_key=dg.AssetKey(source))
        if read[0] == WHOLE or not isinstance(mapping, dg.TimeWindowPartitionMapping):
            return np.zeros(len(own), dtype=int), np.full(len(own), len(read))
        places = np.arange(len(own))
        first, last = places + mapping.start_offset, places + mapping.end_offset
        begins = np.where(first < 0, WHOLE, own[np.clip(first, 0, len(own) - 1)])
        if self._rhythm(asset) != self._rhythm(source) and len(read) < len(own):  # the quarter that a session lies in
            ends = np.where(last < 0, WHOLE, own[np.clip(last, 0, len(own) - 1)])
            start = np.maximum(np.searchsorted(read, begins, side="right") - 1, 0)
            return start, np.searchsorted(read, ends, side="right")
        start = np.searchsorted(read, begins)
        if mapping.end_offset == 0 and self._rhythm(asset) == self._rhythm(source):
            return start, np.searchsorted(read, own, side="right")  # a rebalance's day ends before the next rebalance
        bounds = np.array([*own, "~"])  # behind every date
        return start, np.searchsorted(read, bounds[np.clip(last + 1, 0, len(own))])

    def _rhythm(self, asset: str) -> str | None:
        return getattr(self.graph.get(dg.AssetKey(asset)).partitions_def, "cron_schedule", None)

    def recipes(self, asset: str, made: Versions | None = None, inputs: Collection[str] | None = None) -> pd.DataFrame:
        """Today's recipe of each partition: its code version, and a column of digests for each input.

        `made` are versions of the asset's own partitions that the log does not have yet; `inputs` choose some of them.
        """
        keys = self.keys(asset)
        frame = pd.DataFrame({CODE: self.code(asset)}, index=pd.Index(keys, name=PARTITION))
        for source in self.inputs(asset) if inputs is None else sorted(inputs):
            versions = {**self.versions(source), **(made or {})} if source == asset else self.versions(source)
            cells = b"".join(_digest(versions.get(key, "").encode()) for key in self.keys(source).tolist())
            start, end = self.read_between(asset, source)
            frame[source] = [
                _digest(cells[first * _DIGEST_BYTES : last * _DIGEST_BYTES]).hex()
                for first, last in zip(start.tolist(), end.tolist(), strict=True)
            ]
        return frame


def record(lineage: Lineage, asset: str, made: Versions) -> None:
    """Keep the recipes by which partitions of an asset have just been made, in place of older ones."""
    today = lineage.recipes(asset, made).loc[list(made)]
    today.insert(0, VERSION, [made[key] for key in today.index])
    file = _file(lineage.instance, asset)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Runs of other partitions enter theirs at the same moment.
    with exclusive(file.with_suffix(LOCK), f"another run records what {asset} was made from", PATIENCE_SECONDS):
        held = recorded(lineage.instance, asset)
        with replacing(file) as temporary:
            pd.concat([held.drop(index=held.index.intersection(today.index)), today]).sort_index().to_parquet(temporary)


def recorded(instance: dg.DagsterInstance, asset: str) -> pd.DataFrame:
    """The recipes on record, by partition; none where there is no record that can be read."""
    try:
        return pd.read_parquet(_file(instance, asset))
    except (OSError, ValueError):
        return pd.DataFrame({VERSION: [], CODE: []}, index=pd.Index([], name=PARTITION, dtype=object), dtype=object)


def stale_partitions(
    lineage: Lineage,
    assets: Sequence[str],
    first: str | None,
    last: str | None,
    current: Callable[[str, Sequence[str]], Versions],
    upstream: Mapping[str, pd.Series] | None = None,
    kept: Mapping[str, Collection[str]] | None = None,
) -> dict[str, pd.Series]:
    """Of assets that are made in one run, in the order of the graph: partitions to be made again, and why, by key.

    `first` and `last` bound the partitions. `current` gives what is in the lake now of some partitions: their versions
    where the asset's files come from outside, else anything, and nothing of partitions that have no file. What is made
    from a stale partition is stale, be it of these assets or of those `upstream`, and so is every week after a stale
    one. Partitions that are `kept` as they are, whatever they would be now, are not stale, and nothing follows of them.
    """
    found: dict[str, pd.Series] = dict(upstream or {})
    for key in lineage.graph.toposorted_asset_keys:
        if (asset := key.to_user_string()) in assets:
            causes = _causes(lineage, asset, current)
            _follow(lineage, asset, causes, found, causes.index.isin(list((kept or {}).get(asset, ()))))
            if first is not None and lineage.keys(asset)[0] != WHOLE:
                causes = causes[(causes.index >= first) & (causes.index <= (last or first))]
            found[asset] = causes[causes != ""]
    return {asset: found[asset] for asset in assets}


def dependents(lineage: Lineage, changed: Mapping[str, Collection[str]]) -> dict[str, pd.Series]:
    """Of every asset the partitions that are made, directly or not, from some partitions of others, and from which.

    `changed` are keys by asset, without which an asset has no part in the result. Nothing is compared: what comes out
    as it was on the way is followed like everything else.
    """
    found: dict[str, pd.Series] = {}
    for node in (lineage.graph.get(key) for key in lineage.graph.toposorted_asset_keys):
        asset = node.key.to_user_string()
        keys = lineage.keys(asset)
        causes = pd.Series("", index=pd.Index(keys, name=PARTITION), dtype=object)
        causes[causes.index.isin(list(changed.get(asset, ())))] = IMPORTED
        _follow(lineage, asset, causes, found, np.zeros(len(keys), dtype=bool))
        found[asset] = causes[causes != ""]
    return {asset: causes for asset, causes in found.items() if len(causes)}


def stale_of_made(lineage: Lineage, current: Callable[[str, Sequence[str]], Versions]) -> dict[str, pd.Series]:
    """Of all that was ever made: partitions that would be made again, and why; `current` as in `stale_partitions`."""
    nodes = [lineage.graph.get(key) for key in lineage.graph.toposorted_asset_keys]
    assets = [node.key.to_user_string() for node in nodes if node.is_materializable]
    unmade = {asset: set(lineage.keys(asset)) - set(lineage.versions(asset)) for asset in assets}
    return stale_partitions(lineage, assets, None, None, current, kept=unmade)


def stale_by_data(
    lineage: Lineage,
    changed: Mapping[str, Collection[str]],
    current: Callable[[str, Sequence[str]], Versions],
    kept: Mapping[str, Collection[str]],
) -> dict[str, pd.Series]:
    """Of what was made from `changed` partitions: those whose inputs have other values now, and why, by asset and key.

    `changed` and `current` are as in `dependents` and `stale_partitions`. Other code, and inputs that have nothing to
    do with what has changed, make nothing stale here; nor does anything follow from partitions that are `kept`. So a
    partition that is made again leaves the result, whatever else in the home is stale.
    """
    behind = dependents(lineage, changed)
    found: dict[str, pd.Series] = {}
    for node in (lineage.graph.get(key) for key in lineage.graph.toposorted_asset_keys):
        asset = node.key.to_user_string()
        if asset not in behind or not node.is_materializable:
            continue
        keys = pd.Index(lineage.keys(asset), name=PARTITION)
        is_open = keys.isin(behind[asset].index) & keys.isin(list(lineage.versions(asset)))
        is_open &= ~keys.isin(list(kept.get(asset, ())))
        causes = _causes_in_data(lineage, asset, behind)
        if is_external(lineage.graph, asset) and changed.get(asset):
            brought = pd.Series(current(asset, sorted(changed[asset])), dtype=object)
            held = recorded(lineage.instance, asset)[VERSION].reindex(brought.index)
            causes[causes.index.isin(brought.index[held.notna() & (held != brought)])] = IMPORTED
        causes[~is_open] = ""
        _follow(lineage, asset, causes, found, ~is_open)
        found[asset] = causes[causes != ""]
    return {asset: causes for asset, causes in found.items() if len(causes)}


def stale_inputs(lineage: Lineage, asset: str, key: str, stale: Mapping[str, pd.Series]) -> Iterator[tuple[str, str]]:
    """The partitions that one is made from and that are to be made again before it, with their assets."""
    keys = lineage.keys(asset)
    at = int(np.searchsorted(keys, key))
    if at == len(keys) or keys[at] != key:
        return
    for source in lineage.inputs(asset):
        if source in stale:
            start, end = lineage.read_between(asset, source)
            for read in lineage.keys(source)[start[at] : end[at]]:
                if read in stale[source].index and (source, read) != (asset, key):
                    yield source, str(read)


def _causes_in_data(lineage: Lineage, asset: str, behind: Mapping[str, pd.Series]) -> pd.Series:
    """Which of the inputs that are `behind` has other values than a partition was made from; empty where none has."""
    inputs = [source for source in lineage.inputs(asset) if source in behind]
    differs = changed_inputs(lineage, asset, inputs)
    causes = pd.Series("", index=differs.index, dtype=object)
    for source in reversed(inputs):
        reads = _reads_any(lineage, asset, source, behind[source].index)
        causes[reads & (differs[source] == f"other {source}").to_numpy()] = f"other {source}"
    return causes


def _causes(lineage: Lineage, asset: str, current: Callable[[str, Sequence[str]], Versions]) -> pd.Series:
    """Why each partition is to be made again; empty where it is not."""
    today, held = lineage.recipes(asset), recorded(lineage.instance, asset)
    keys = today.index
    logged = pd.Series(lineage.versions(asset), dtype=object).reindex(keys)
    there = current(asset, keys.tolist())
    held = held.reindex(index=keys)
    causes = pd.Series("", index=keys, dtype=object)
    for source in reversed(lineage.inputs(asset)):
        known = held[source] if source in held else pd.Series(None, index=keys, dtype=object)
        causes[known != today[source]] = f"other {source}"
    for source in held.columns.difference([VERSION, CODE, *lineage.inputs(asset)]):
        causes[held[source].notna()] = f"no longer made from {source}"
    causes[held[CODE] != today[CODE]] = NEW_CODE
    differs = held[VERSION] != logged
    if is_external(lineage.graph, asset):
        causes[held[VERSION] != pd.Series(there, dtype=object).reindex(keys)] = IMPORTED
    causes[differs] = UNRECORDED
    causes[logged.isna()] = NEVER
    causes[logged.notna() & ~keys.isin(list(there))] = GONE
    return causes


def changed_inputs(lineage: Lineage, asset: str, inputs: Collection[str]) -> pd.DataFrame:
    """Of some inputs [partition, input] why they make a partition stale; empty where they do not."""
    today, held = lineage.recipes(asset, inputs=inputs), recorded(lineage.instance, asset)
    held = held.reindex(index=today.index, columns=[VERSION, *inputs])
    logged = pd.Series(lineage.versions(asset), dtype=object).reindex(today.index)
    matters = {source: np.where(held[source] == today[source], "", f"other {source}") for source in inputs}
    frame = pd.DataFrame(matters, index=today.index, dtype=object)
    frame[held[VERSION] != logged] = UNRECORDED
    return frame


def is_external(graph: Any, asset: str) -> bool:
    """Whether an asset's files come from outside, and a run only looks at them."""
    return "vendor" in graph.get(dg.AssetKey(asset)).kinds


def _follow(
    lineage: Lineage, asset: str, causes: pd.Series, stale: Mapping[str, pd.Series], is_kept: np.ndarray
) -> None:
    """Enter what follows from partitions that will be made again; those that are kept have no cause."""
    for source in lineage.inputs(asset):
        if source == asset or source not in stale or stale[source].empty:
            continue
        follows = _reads_any(lineage, asset, source, stale[source].index) & (causes == "").to_numpy()
        causes[follows] = f"{source} is made again"
    causes[is_kept] = ""
    if asset in lineage.inputs(asset) and (causes != "").any():
        # What is kept is not made again, so that the chain behind it begins anew.
        after = (causes != "").groupby(is_kept.cumsum()).cummax()
        causes[after & (causes == "")] = ONE_BEFORE


def _reads_any(lineage: Lineage, asset: str, source: str, keys: Collection[str]) -> np.ndarray:
    """Whether each partition of an asset is made from any of some partitions of an input."""
    counts = np.concatenate([[0], np.isin(lineage.keys(source), list(keys)).cumsum()])
    start, end = lineage.read_between(asset, source)
    reads: np.ndarray = counts[end] > counts[start]
    return reads


def _logged_versions(instance: dg.DagsterInstance, key: dg.AssetKey, keys: np.ndarray) -> Versions:
    if keys[0] == WHOLE:
        event = instance.get_latest_materialization_event(key)
        materialization = event.asset_materialization if event else None
        version = (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None
        return {} if version is None else {WHOLE: version}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: of_partition[DATA_VERSION_TAG] for partition, of_partition in tags.items()}


def state_of_records(instance: dg.DagsterInstance) -> tuple[object, ...]:
    """What changes with anything that was made: the newest event, and the files of the recipes."""
    files = sorted((Path(instance.root_directory) / FOLDER).glob("*.parquet"))
    stats = ((file.name, file.stat()) for file in files)
    newest = instance.event_log_storage.get_maximum_record_id()
    return (newest, *((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


def _file(instance: dg.DagsterInstance, asset: str) -> Path:
    return Path(instance.root_directory) / FOLDER / f"{asset}.parquet"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()
