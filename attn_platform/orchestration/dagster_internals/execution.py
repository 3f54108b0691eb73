"""Of Dagster's execution of a step: what makes the events of an asset's result, and what a failed check raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import dagster as dg
from dagster._core import errors

from attn_platform.orchestration.dagster_internals import say_plain, why_plain

EventsOfResult = Callable[..., Iterator[dg.AssetMaterialization | dg.AssetObservation]]

EVENTS_OF_RESULT = "_get_output_asset_events"
# Dagster passes them by position; the first three are asset, partitions and the result as an `Output`.
PARAMETERS = (
    "asset_key", "asset_partitions", "output", "output_def", "io_manager_metadata", "step_context", "execution_type",
)  # fmt: skip
FAILED_CHECK = "DagsterAssetCheckFailedError"


def wrap_events_of_result(wrapper: EventsOfResult) -> bool:
    """Let Dagster call `wrapper` with its own function and the arguments of that.

    False, and nothing is changed, where the function is not as it was.
    """
    try:
        from dagster._core.execution.plan import execute_step

        reason = why_plain(execute_step, {EVENTS_OF_RESULT: PARAMETERS})
    except ImportError as error:
        reason = str(error)
    if reason is None:
        setattr(execute_step, EVENTS_OF_RESULT, partial(wrapper, getattr(execute_step, EVENTS_OF_RESULT)))
        return True
    say_plain(
        "A data version for each partition",
        reason,
        "all partitions of a run get one, and what was made of them may be called out of date for nothing",
    )
    return False


def is_failed_check(error: dg.DagsterError) -> bool:
    """Whether a blocking check that failed has ended the run; never so where Dagster calls that by another name."""
    return isinstance(error, getattr(errors, FAILED_CHECK, ()))
