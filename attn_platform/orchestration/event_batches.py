"""Events of one step are handed over in batches: the switch of it, an environment variable of Dagster's."""

from __future__ import annotations

import os

BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000


def enable_batches() -> None:
    """Make Dagster hand over events in batches, unless the user has said of what size."""
    os.environ.setdefault(BATCH_VARIABLE, str(BATCH_SIZE))
