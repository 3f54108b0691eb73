"""Where a home's edition of a study differs from the package's: setting by setting, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

# What a study says of all results, and what a model of its own says but for its training.
OF_STUDY = (
    "universe",
    "adjacency",
    "features",
    "factors",
    "preprocessing",
    "windows",
    "benchmark",
    "rebalance_every",
    "evaluation_horizon",
    "backtest",
    "evaluation",
)
OF_MODEL = ("network", "labels", "features", "preprocessing", "universe", "windows")


def setting_differences(own: BaseModel, reference: BaseModel, names: tuple[str, ...] | None = None) -> list[str]:
    """Settings that differ, each as "windows: train 504 (study: 1512)"; of the fields `names`, or of all."""
    ours, theirs = own.model_dump(mode="json", include=_chosen(names)), reference.model_dump(mode="json")
    return [
        f"{place} {_text(value)} (study: {_text(other)})"
        for place, value, other in _differing(ours, {name: theirs.get(name) for name in ours})
    ]


def _chosen(names: tuple[str, ...] | None) -> set[str] | None:
    return None if names is None else set(names)


def _differing(own: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Places whose values differ, and both values; lists are compared as a whole."""
    for name in dict.fromkeys([*own, *other]):
        place, ours, theirs = f"{path}{name}", own.get(name), other.get(name)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _differing(ours, theirs, f"{place}: ")
        elif ours != theirs:
            yield place, ours, theirs


def _text(value: Any) -> str:
    if isinstance(value, list | Mapping):
        return f"{len(value)} entries" if len(value) > 3 else str(value)
    return "none" if value is None else str(value)
