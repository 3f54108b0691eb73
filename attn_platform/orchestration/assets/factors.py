"""Factor families by session, and the panel that the networks read."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

import attn_platform
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.engine import definitions_of, look_back
from attn_platform.factors.input_columns import INPUT_TABLES, is_qualified, table_of
from attn_platform.factors.panel import families_of
from attn_platform.factors.store import FamilySummary, family_table
from attn_platform.indicators.catalogue import indicator_table
from attn_platform.market.contract import TABLES
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions, sessions_in_runs
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    PICTURED_PARTITIONS,
    code_version,
    column_schema,
    configured,
    data_versions,
    named_values,
    session_keys,
    switched_off,
    table_metadata,
    with_files,
)
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.availability import families_off, families_present, indicator_families_off, lacking
from attn_platform.studies.settings import Home
from attn_platform.studies.study import Panel
from attn_platform.workflows.factors import compute_factors, compute_panel

GROUP = "factors"
NEUTRALISED = {
    "none": "",
    "industry": "net of industry, ",
    "industry_and_size": "net of industry and log market value, ",
}
PACKAGE_ROOT = Path(attn_platform.__file__).parent


def tables_of(*definitions: FactorDefinition) -> tuple[str, ...]:
    """Tables that factors read; daily_bar says who is listed, whatever the factors."""
    tables = {table_of(name) for definition in definitions for name in definition.fields}
    raw = [table for table in INPUT_TABLES if table in tables]
    return (*raw, *sorted(tables.difference(raw)))


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    families = families_present(home)
    intraday = [family for family in families if reads_indicators(home, family)]
    return {
        MadeAt.FACTORS: tuple(family_table(family) for family in families if family not in intraday),
        MadeAt.INTRADAY_FACTORS: tuple(map(family_table, intraday)),
        MadeAt.PANELS: tuple(panel.table for panel in home.study.panels),
    }


def reads_indicators(home: Home, family: str) -> bool:
    """Whether a family is made of intraday data: any of its factors reads an indicator."""
    return any(is_qualified(name) for definition in home.study.catalogue.family(family) for name in definition.fields)


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """One asset a family of the catalogue (switched off where the source lacks its inputs), and the panels.

    Families that are all a user's own are an op of their own: what breaks them leaves the others as they are.
    """
    catalogue = home.study.catalogue
    off = families_off(home)
    own = {f for f in catalogue.families if all(definition.file for definition in catalogue.family(f))}
    computed = [
        _families(home, partitions, name, families)
        for name, families in (
            ("factor_families", [f for f in catalogue.families if f not in off and f not in own]),
            ("own_factor_families", [f for f in catalogue.families if f not in off and f in own]),
        )
        if families
    ]
    unavailable = [
        switched_off(family_table(family), GROUP, {"parquet"}, reason, _description(home, family))
        for family, reason in off.items()
    ]
    return [*computed, *(_panel(home, partitions, panel, off) for panel in home.study.panels), *unavailable]


def _families(home: Home, partitions: Partitions, name: str, families: Sequence[str]) -> dg.AssetsDefinition:
    """One op for several families: they share what is read of the raw tables."""
    catalogue = home.study.catalogue
    version = configured(code_version("attn_platform.factors"), home.study.factors)
    reach = look_back(definitions_of(families, catalogue))
    absent = {*home.absent_tables, *map(indicator_table, indicator_families_off(home))}

    def dep(table: str) -> dg.AssetDep:
        if table in TABLES and not TABLES[table].by_session:
            return dg.AssetDep(table)
        # Dagster wants one mapping for each input of an op: that of the longest look-back into the table.
        longest = max(sessions for name, sessions in reach.items() if table_of(name) == table)
        return dg.AssetDep(table, partition_mapping=partitions.back(longest))

    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                family_table(family),
                group_name=GROUP,
                kinds={"parquet", "numba"},
                code_version=with_files(version, _files_outside(catalogue.family(family))),
                partitions_def=partitions.sessions,
                deps=[
                    *(dep(t) for t in tables_of(*catalogue.family(family)) if t not in absent),
                    "security",  # under which codes companies went on
                ],
                description=_description(home, family),
                metadata=column_schema({**KEY_COLUMNS, **_formulas("float", catalogue.family(family))}),
            )
            for family in families
        ],
        check_specs=[spec for family in families for spec in expectations.specs("family", family_table(family))],
        can_subset=True,
        backfill_policy=sessions_in_runs(),
    )
    def factor_families(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        chosen = [family for family in families if dg.AssetKey(family_table(family)) in context.selected_asset_keys]
        sessions = session_keys(context)
        summaries = compute_factors(home, chosen, sessions)
        for family in chosen:
            table = family_table(family)
            yield dg.MaterializeResult(
                asset_key=table,
                data_version=data_versions(home.lake, sessions, table),
                metadata=_family_metadata(home, family, summaries[family], sessions),
            )
            yield from expectations.results("family", home, table, sessions)

    return factor_families


def _panel(home: Home, partitions: Partitions, panel: Panel, off: Mapping[str, str]) -> dg.AssetsDefinition:
    """The pre-processed features of some models; families in `off` are missing for everybody."""
    catalogue, config = home.study.catalogue, panel.preprocessing
    present = [family for family in families_of(panel.features, catalogue) if family not in off]

    @dg.asset(
        name=panel.table,
        group_name=GROUP,
        kinds={"parquet", "numba"},
        code_version=configured(
            code_version("attn_platform.factors", "attn_platform.universe"),
            [panel.features, home.study.adjacency.scheme, sorted(off)],
            config,
            panel.universe.config,
        ),
        partitions_def=partitions.cross_sections,
        backfill_policy=sessions_in_runs(),
        deps=[
            *(family_table(family) for family in present),
            panel.universe.table,
            "daily_bar",
            "security",
            *(("industry", "valuation") if config.neutralise != "none" else ()),
        ],
        check_specs=expectations.specs("panel", panel.table),
        metadata=column_schema(
            {**KEY_COLUMNS, **_formulas("float", [catalogue.definition(name) for name in panel.features])}
        ),
        description=(
            f"The {len(panel.features)} factors of each session's cross-section: winsorised at median ± "
            f"{config.mad_multiple:g} MAD, {NEUTRALISED[config.neutralise]}z-scored, missing values filled with 0."
        ),
    )
    def factor_panel(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        summary = compute_panel(home, panel, sessions)
        shares = pd.Series(summary.coverage)
        missing = [name for name, share in summary.coverage.items() if share == 0]
        pictures = (
            {"coverage by factor": dg.MetadataValue.md(thumbnails.bars(shares, "Share of stocks with a value"))}
            if len(sessions) <= PICTURED_PARTITIONS
            else {}
        )
        yield dg.MaterializeResult(
            data_version=data_versions(home.lake, sessions, panel.table),
            metadata={
                "stocks in last session": len(summary.members[sessions[-1]]),
                "mean coverage": formatting.figure("coverage", float(shares.mean())),
                "factors missing for everybody": ", ".join(missing) or "none",
                "dagster/column_lineage": _lineage([catalogue.definition(name) for name in panel.features], off),
                **pictures,
            },
        )
        yield from expectations.results("panel", home, panel.table, sessions)

    return factor_panel


def _family_metadata(home: Home, family: str, summary: FamilySummary, sessions: np.ndarray) -> dict[str, Any]:
    few = len(sessions) <= PICTURED_PARTITIONS
    return {
        "rows in run": summary.rows,
        "sessions in run": len(sessions),
        "coverage": named_values(
            {name: f"{share:.1%}" for name, share in summary.coverage.items()}, ("factor", "coverage")
        ),
        "missing factors": ", ".join(f"{name} ({why})" for name, why in summary.missing.items()) or "none",
        **({"last session": _statistics(home, family, sessions[-1])} if few else {}),
    }


def _statistics(home: Home, family: str, session: np.datetime64) -> dg.MarkdownMetadataValue:
    frame = home.lake.read(family_table(family), session, session).to_pandas().drop(columns=["date", "symbol"])
    return table_metadata(frame.astype(float).describe().T.rename_axis("factor").reset_index())


def _formulas(kind: str, definitions: Sequence[FactorDefinition]) -> dict[str, tuple[str, str]]:
    return {definition.name: (kind, definition.formula) for definition in definitions}


def _lineage(features: Sequence[FactorDefinition], off: Collection[str]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            each.name: [dg.TableColumnDep(asset_key=dg.AssetKey(family_table(each.family)), column_name=each.name)]
            for each in features
            if each.family not in off
        }
    )


def _description(home: Home, family: str) -> str:
    """What each factor of the family is, a line a factor."""
    return "\n".join(_entry(home, definition) for definition in home.study.catalogue.family(family))


def _entry(home: Home, definition: FactorDefinition) -> str:
    parts = [
        f"of {definition.reads}",
        f"look-back {definition.lookback} sessions",
        f"at least {definition.min_observations(home.study.factors)} observations" if definition.window else "",
        definition.source,
        str(definition.file or ""),
        f"missing: {reason}" if (reason := lacking(home, definition)) else "",
    ]
    return f"- **{definition.name}**: {definition.formula} ({'; '.join(filter(None, parts))})"


def _files_outside(definitions: Sequence[FactorDefinition]) -> list[Path]:
    """Files that define factors outside of this package: a user's, and modules of packages that joined."""
    files = {d.file or Path(inspect.getfile(d.function)).resolve() for d in definitions}
    return sorted(file for file in files if not file.is_relative_to(PACKAGE_ROOT))
