"""The fence around Dagster's private parts: no other module of the platform imports from `dagster._…`.

A private part may change with any release. So each is handed on together with the plain path that is taken without it,
and the plain path is slower or coarser, never wrong:

| part | what it is for | without it |
|---|---|---|
| `execution` | a data version for each partition of a run | one data version for all partitions of a run |
| `partition_lookups` | the hash of a definition of partitions, once; many keys together | each look-up by itself |
| `staleness` | what Dagster's UI says of inputs of 100 partitions and more | nothing is said of them |
| `sqlite_parts` | the event log that stores in batches | Dagster's own event log (`sqlite_storage`) |

The types are for type checkers only, and are never loaded.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

__all__ = ["DATA_VERSION_TAG", "TRIED", "UnresolvedAssetJobDefinition", "say_plain", "why_plain"]

logger = logging.getLogger(__name__)

# From 1.13.27 to 1.13.29: the versions of Dagster with which the tests of event log, partition versions and fence were
# run, and passed. Add one after they have passed with it.
TRIED = ("1.13.27", "1.13.28", "1.13.29")

# The tag of an event from which Dagster reads its data version
DATA_VERSION_TAG = "dagster/data_version"

Parameters = Mapping[str, tuple[str, ...]]
"""Names of functions, each with the names of its parameters."""


def why_plain(owner: object, functions: Parameters) -> str | None:
    """Why the plain path has to be taken: the version, or a function of `owner` that is not as it was; None if not."""
    if dg.__version__ not in TRIED:
        return f"it was tried with Dagster {TRIED[0]} to {TRIED[-1]} only, and this is {dg.__version__}"
    for name, parameters in functions.items():
        function = getattr(owner, name, None)
        if function is None:
            return f"Dagster {dg.__version__} has no {name}"
        if tuple(inspect.signature(function).parameters) != parameters:
            return f"{name} of Dagster {dg.__version__} takes other parameters"
    return None


def say_plain(part: str, reason: str, instead: str) -> None:
    """Say, where warnings go, that a plain path is taken, and how to avoid that."""
    logger.warning(
        "%s is switched off, for %s; %s. Install dagster==%s to have it back", part, reason, instead, TRIED[-1]
    )
