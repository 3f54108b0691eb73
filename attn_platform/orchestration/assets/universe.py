"""Universe by quarter and sector adjacency by year, keyed by the period in which they hold."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, session_keys, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.universe.store import ADJACENCY, UNIVERSE, write_adjacency, write_universe

GROUP = "universe"


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The two assets of the group."""
    version = code_version("attn_platform.universe")
    universe_config, adjacency_config = home.study.universe, home.study.adjacency

    @dg.asset(
        name=UNIVERSE,
        group_name=GROUP,
        kinds={"parquet"},
        code_version=version,
        partitions_def=partitions.quarters,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            dg.AssetDep("daily_bar", partition_mapping=partitions.sessions_before_quarter),
            dg.AssetDep("valuation", partition_mapping=partitions.sessions_before_quarter),
            "security",
        ],
        description=(
            f"Members chosen at the last session before the quarter: top {universe_config.top_share:.0%} by mean daily "
            f"amount and by mean market value over {universe_config.liquidity_window} sessions, in both. The daily "
            "drops (ST, newly listed, delisting period) apply on top."
        ),
        check_specs=expectations.specs("list", UNIVERSE),
    )
    def universe(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        periods = write_universe(home.lake, home.calendar, context.partition_keys, universe_config)
        frame = pd.DataFrame([vars(period) for period in periods])
        by_quarter = frame.set_index(pd.DatetimeIndex(frame["period"]))
        yield dg.MaterializeResult(
            metadata={
                "members": int(frame["members"].iloc[-1]),
                "median market value (bn CNY)": float(frame["median_total_mv"].iloc[-1] / 1e9),
                "periods": table_metadata(frame.tail(12)),
                "members by quarter": dg.MetadataValue.md(
                    thumbnails.line({"members": by_quarter["members"]}, "Members by quarter")
                ),
            }
        )
        yield from expectations.results("list", home, UNIVERSE, session_keys(context))

    @dg.asset(
        name=ADJACENCY,
        group_name=GROUP,
        kinds={"parquet"},
        code_version=version,
        partitions_def=partitions.years,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=["industry", dg.AssetDep("daily_bar", partition_mapping=partitions.sessions_before_year)],
        description=(
            "Neighbour groups of every stock (five sectors, level-1 industries) as known at the last session before "
            "the year. Stored as group ids: two stocks are neighbours when theirs are equal."
        ),
        check_specs=expectations.specs("list", ADJACENCY),
    )
    def sector_adjacency(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        written = write_adjacency(home.lake, home.calendar, context.partition_keys, adjacency_config)
        newest = written[max(written)]
        yield dg.MaterializeResult(
            metadata={
                "stocks": len(newest),
                "without industry": int(newest["industry"].isna().sum()),
                "stocks by sector": table_metadata(newest["sector"].value_counts().rename_axis("sector").reset_index()),
            }
        )
        yield from expectations.results("list", home, ADJACENCY, session_keys(context))

    return [universe, sector_adjacency]
