"""The modules of assets. Each file of `assets/` builds its own, and says at which stage of the pipeline they are made.

`build(home, partitions)` gives the definitions of a module, `made_at(home)` the names of those that can be made, by
stage; switched-off ones are left out. Jobs and runs are put together from these, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

import dagster as dg

from attn_platform.orchestration import assets
from attn_platform.orchestration.partitions import Partitions
from attn_platform.studies.settings import Home


class MadeAt(StrEnum):
    """Stages of the pipeline, in order."""

    STATIC = auto()
    RAW = auto()
    INTRADAY = auto()  # raw tables of bars, trades and books: some vendors bring them on the next day
    INDICATORS = auto()
    INTRADAY_FACTORS = auto()  # families that read indicators
    UNIVERSE = auto()
    ADJACENCY = auto()
    FACTORS = auto()
    PANELS = auto()
    TRAINING = auto()
    PREDICTIONS = auto()
    PORTFOLIOS = auto()
    REPORTS = auto()
    SUMMARIES = auto()  # of all strategies together: after, not among, what can be made side by side
    PAGES = auto()  # of the report job only: `attn run` does not make them


class AssetModule(Protocol):
    """What a module of `assets/` has."""

    def build(self, home: Home, partitions: Partitions) -> list[Any]:
        """Its definitions."""

    def made_at(self, home: Home) -> Mapping[MadeAt, tuple[str, ...]]:
        """Names of its assets that can be made, by stage."""


@cache
def asset_modules() -> tuple[AssetModule, ...]:
    """All modules of `assets/`, by name."""
    found = iter_modules(assets.__path__, f"{assets.__name__}.")
    return tuple(cast(AssetModule, import_module(module.name)) for module in found)


def build_assets(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The definitions of all assets of a home."""
    return [each for module in asset_modules() for each in module.build(home, partitions)]


def assets_made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the assets that a home can make, by stage."""
    by_module = [module.made_at(home) for module in asset_modules()]
    return {stage: tuple(name for made in by_module for name in made.get(stage, ())) for stage in MadeAt}
