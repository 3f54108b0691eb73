"""Daily indicators of intraday tables, a table a family, by session."""

import dagster as dg

from attn_platform.indicators.catalogue import IndicatorDefinition, indicator_table
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.partitions import Partitions, sessions_in_runs
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    code_version,
    column_schema,
    configured,
    data_versions,
    named_values,
    session_keys,
    switched_off,
    with_files,
)
from attn_platform.studies.availability import absent_input, indicator_families_off
from attn_platform.studies.settings import Home
from attn_platform.workflows.indicators import compute_indicators

GROUP = "indicators"


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    off = indicator_families_off(home)
    families = (family for family in home.study.indicator_catalogue.families if family not in off)
    return {MadeAt.INDICATORS: tuple(map(indicator_table, families))}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """One asset a family, switched off where the source lacks all of its tables."""
    off = indicator_families_off(home)
    known = home.study.indicator_catalogue
    computed = [_family(home, partitions, family) for family in known.families if family not in off]
    unavailable = [
        switched_off(indicator_table(family), GROUP, {"parquet"}, reason, _description(home, family))
        for family, reason in off.items()
    ]
    return [*computed, *unavailable]


def _family(home: Home, partitions: Partitions, family: str) -> dg.AssetsDefinition:
    """One op a family: its tables are read by session, and share nothing with those of another one."""
    known, config = home.study.indicator_catalogue, home.study.indicators
    members, table = known.family(family), indicator_table(family)
    tables = dict.fromkeys(name for each in members for name in each.tables if name not in home.absent_tables)
    read_before = (known.definition(name).family for each in members for name in each.history)
    before = partitions.before(config.large_order_sessions)
    version = configured(code_version("attn_platform.indicators"), config)

    @dg.asset(
        name=table,
        group_name=GROUP,
        kinds={"parquet", "numba"},
        code_version=with_files(version, sorted({each.file for each in members if each.file})),
        partitions_def=partitions.sessions,
        backfill_policy=sessions_in_runs(),
        deps=[
            *tables,
            *(dg.AssetDep(name, partition_mapping=before) for name in dict.fromkeys(map(indicator_table, read_before))),
        ],
        description=_description(home, family),
        metadata=column_schema({**KEY_COLUMNS, **{each.name: ("float", each.formula) for each in members}}),
    )
    def indicator_family(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        sessions = session_keys(context)
        summary = compute_indicators(home, family, sessions)
        coverage = {name: f"{share:.1%}" for name, share in summary.coverage.items()}
        return dg.MaterializeResult(
            data_version=data_versions(home.lake, sessions, table),
            metadata={
                "stocks in run": summary.stocks,
                "sessions in run": len(sessions),
                "coverage": named_values(coverage, ("indicator", "coverage")),
                "missing indicators": ", ".join(f"{name} ({why})" for name, why in summary.missing.items()) or "none",
            },
        )

    return indicator_family


def _description(home: Home, family: str) -> str:
    """What each indicator of the family is, a line an indicator."""
    return "\n".join(_entry(home, each) for each in home.study.indicator_catalogue.family(family))


def _entry(home: Home, definition: IndicatorDefinition) -> str:
    longest = f"bars of at most {definition.longest_bar} minutes" if definition.longest_bar else ""
    reason = absent_input(home, definition)
    parts = [f"of {definition.reads}", longest, definition.source, str(definition.file or "")]
    missing = f"missing: {reason}" if reason else ""
    return f"- **{definition.name}**: {definition.formula} ({'; '.join(filter(None, [*parts, missing]))})"
