"""Definitions whose assets read more partitions than Dagster looks at: a code location for tests."""

import dagster as dg

from attn_platform.orchestration.partition_versions import PartitionVersions

DAYS = dg.DailyPartitionsDefinition("2021-01-01", end_date="2021-06-30")
BACK = dg.TimeWindowPartitionMapping(start_offset=-120, end_offset=0)
SHORT = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0)
SINGLE_RUN = dg.BackfillPolicy.single_run()


def _versions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=PartitionVersions(dict.fromkeys(context.partition_keys, "same")))


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, code_version="1")
def prices(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return _versions(context)


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    code_version="1",
    deps=[dg.AssetDep("prices", partition_mapping=BACK)],
)
def network(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return _versions(context)


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    code_version="1",
    deps=[dg.AssetDep("prices", partition_mapping=SHORT)],
)
def change(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return _versions(context)


@dg.asset(code_version="1", deps=[dg.AssetDep("prices", partition_mapping=dg.AllPartitionMapping())])
def page() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("same"))


defs = dg.Definitions([prices, network, change, page])
