"""Universe by quarter and sector adjacency by year, keyed by the period in which they hold."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, configured, data_versions, session_keys, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import Universe
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.universe import choose_members, group_neighbours

GROUP = "universe"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    tables = tuple(universe.table for universe in home.study.universes)
    return {MadeAt.UNIVERSE: tables, MadeAt.ADJACENCY: (ADJACENCY,)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The study's universe and those of models with one of their own, and the adjacency."""
    return [*(_universe(home, partitions, universe) for universe in home.study.universes), _adjacency(home, partitions)]


def _universe(home: Home, partitions: Partitions, universe: Universe) -> dg.AssetsDefinition:
    table, config = universe.table, universe.config

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(code_version("attn_platform.universe"), config),
        partitions_def=partitions.quarters,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            dg.AssetDep("daily_bar", partition_mapping=partitions.sessions_before_quarter),
            dg.AssetDep("valuation", partition_mapping=partitions.sessions_before_quarter),
            "security",
        ],
        description=(
            f"Members chosen at the last session before the quarter: top {config.top_share:.0%} by mean daily amount "
            f"and by mean market value over {config.liquidity_window} sessions, in both. The daily drops (ST, newly "
            "listed, delisting period) apply on top."
        ),
        check_specs=expectations.specs("list", table),
    )
    def members(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        periods = choose_members(home, context.partition_keys, universe)
        frame = pd.DataFrame([vars(period) for period in periods])
        by_quarter = frame.set_index(pd.DatetimeIndex(frame["period"]))
        yield dg.MaterializeResult(
            data_version=data_versions(home.lake, session_keys(context), table),
            metadata={
                "members": int(frame["members"].iloc[-1]),
                "median market value (bn CNY)": round(float(frame["median_total_mv"].iloc[-1] / 1e9), 2),
                "periods": table_metadata(frame.tail(12)),
                "members by quarter": dg.MetadataValue.md(
                    thumbnails.line({"members": by_quarter["members"]}, "Members by quarter")
                ),
            },
        )
        yield from expectations.results("list", home, table, session_keys(context))

    return members


def _adjacency(home: Home, partitions: Partitions) -> dg.AssetsDefinition:
    @dg.asset(
        name=ADJACENCY,
        group_name=GROUP,
        kinds={"parquet"},
        code_version=configured(code_version("attn_platform.universe"), home.study.adjacency),
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
        written = group_neighbours(home, context.partition_keys)
        newest = written[max(written)]
        yield dg.MaterializeResult(
            data_version=data_versions(home.lake, session_keys(context), ADJACENCY),
            metadata={
                "stocks": len(newest),
                "without industry": int(newest["industry"].isna().sum()),
                "stocks by sector": table_metadata(newest["sector"].value_counts().rename_axis("sector").reset_index()),
            },
        )
        yield from expectations.results("list", home, ADJACENCY, session_keys(context))

    return sector_adjacency
