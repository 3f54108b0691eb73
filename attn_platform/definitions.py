"""The one place where everything meets: `build_defs` makes Dagster's definitions of a home, `defs` is what it loads."""

from __future__ import annotations

import warnings

import dagster as dg

from attn_platform.orchestration import alerting, automation, reloading
from attn_platform.orchestration.asset_modules import build_assets
from attn_platform.orchestration.event_batches import enable_batches
from attn_platform.orchestration.import_jobs import build_imports
from attn_platform.orchestration.jobs import build_jobs
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.provenance import VERSIONS
from attn_platform.remembered import remembering_in
from attn_platform.studies.settings import Home


def build_defs(home: Home) -> dg.Definitions:
    """Assets, checks, jobs and sensors of `home`."""
    enable_batches()
    for announcement in (dg.BetaWarning, dg.SupersessionWarning):  # of interfaces that are chosen knowingly
        warnings.simplefilter("ignore", announcement)
    partitions = partitions_of(home)
    jobs, imports = build_jobs(home), build_imports(home)
    with remembering_in(home.dagster / VERSIONS if home.dagster.is_dir() else None):
        assets = build_assets(home, partitions)
    return dg.Definitions(
        assets=assets,
        jobs=[*jobs.values(), *imports.values()],
        sensors=[
            automation.build_sensor(home, partitions, [*jobs.values(), *imports.values()]),
            alerting.build_sensor(home, partitions),
            reloading.build_sensor(home),
        ],
        # A process a step would load everything again for each: seconds, where most steps take less than one
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of ATTN_HOME (default: ./data), made when Dagster loads them and not when this module is imported."""
    return build_defs(Home.open())
