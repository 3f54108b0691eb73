"""Factor families by session, and the panel that the networks read."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.factors import catalogue
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.engine import lookback
from attn_platform.factors.inputs import MARKET_RETURN
from attn_platform.factors.panel import PANEL, families_of, write_panel
from attn_platform.factors.preprocessing import Exposures
from attn_platform.factors.store import FamilySummary, family_table, write_families
from attn_platform.market.contract import TABLES
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    PICTURED_PARTITIONS,
    code_version,
    column_schema,
    named_values,
    session_keys,
    table_metadata,
)
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.universe.adjacency import industry_at
from attn_platform.universe.store import UNIVERSE, CrossSections

GROUP = "factors"
INPUT_TABLES = ("daily_bar", "valuation", "consensus", "index_bar")


def tables_of(family: str) -> tuple[str, ...]:
    """Raw tables that a family reads; daily_bar says who is listed, whatever the factors."""
    fields = {name for definition in catalogue.family(family) for name in definition.fields}
    return tuple(table for table in INPUT_TABLES if table == "daily_bar" or fields & _inputs_from(table))


def switched_off(home: Home, family: str) -> str | None:
    """Why a family cannot be computed at all: every one of its factors needs a table that the source lacks."""
    absent = [table for table in tables_of(family) if table in home.absent_tables]
    present = [table for table in INPUT_TABLES if table not in home.absent_tables]
    available = frozenset[str]().union(*(_inputs_from(table) for table in present))
    if absent and all(catalogue.unavailable(definition, available) for definition in catalogue.family(family)):
        return f"table {absent[0]} is absent ({home.absent_tables[absent[0]]})"
    return None


def _inputs_from(table: str) -> frozenset[str]:
    """Inputs of factors that come from a raw table; the indices give none but the market's return."""
    if table == "index_bar":
        return frozenset({MARKET_RETURN})
    own = frozenset(column.name for column in TABLES[table].columns)
    return own if table == "daily_bar" else own - _inputs_from("daily_bar")


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """One asset a family (switched off where its table is absent), and the panel."""
    study = home.study
    families = families_of(study.features)
    off = {family: reason for family in families if (reason := switched_off(home, family)) is not None}
    present = [family for family in families if family not in off]
    version = code_version("attn_platform.factors")
    panel_version = code_version("attn_platform.factors", "attn_platform.universe")

    # One op computes all families, so Dagster wants one mapping an input: that of the longest look-back.
    mapping = partitions.back(max(lookback(family) for family in present))

    def deps(family: str) -> list[dg.AssetDep]:
        return [dg.AssetDep(t, partition_mapping=mapping) for t in tables_of(family) if t not in home.absent_tables]

    def description(family: str) -> str:
        return "\n".join(f"- **{d.name}**: {d.formula}" for d in catalogue.family(family))

    @dg.multi_asset(
        name="factor_families",
        specs=[
            dg.AssetSpec(
                family_table(family),
                group_name=GROUP,
                kinds={"parquet", "numba"},
                code_version=version,
                partitions_def=partitions.sessions,
                deps=deps(family),
                description=description(family),
                metadata=column_schema({**KEY_COLUMNS, **_formulas("double", catalogue.family(family))}),
            )
            for family in present
        ],
        check_specs=[spec for family in present for spec in expectations.specs("family", family_table(family))],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def factor_families(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        chosen = [family for family in present if dg.AssetKey(family_table(family)) in context.selected_asset_keys]
        sessions = session_keys(context)
        summaries = write_families(home.lake, home.calendar, chosen, sessions, study.factors)
        for family in chosen:
            table = family_table(family)
            yield dg.MaterializeResult(
                asset_key=table, metadata=_family_metadata(home, family, summaries[family], sessions)
            )
            yield from expectations.results("family", home.lake, table, sessions)

    @dg.asset(
        name=PANEL,
        group_name=GROUP,
        kinds={"parquet", "numba"},
        code_version=panel_version,
        partitions_def=partitions.sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            *(family_table(family) for family in present),
            UNIVERSE,
            "daily_bar",
            "security",
            *(("industry", "valuation") if study.preprocessing.neutralise != "none" else ()),
        ],
        check_specs=expectations.specs("panel", PANEL),
        metadata=column_schema(
            {**KEY_COLUMNS, **_formulas("float", [catalogue.definition(name) for name in study.features])}
        ),
        description=(
            f"The {len(study.features)} factors of each session's cross-section: winsorised at median ± "
            f"{study.preprocessing.mad_multiple:g} MAD, z-scored, missing values filled with 0."
        ),
    )
    def factor_panel(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        members, exposures = cross_sections(home, sessions)
        coverage = write_panel(home.lake, sessions, members, study.features, study.preprocessing, exposures, off)
        shares = pd.Series(coverage)
        missing = [name for name, share in coverage.items() if share == 0]
        pictures = (
            {"coverage by factor": dg.MetadataValue.md(thumbnails.bars(shares, "Share of stocks with a value"))}
            if len(sessions) <= PICTURED_PARTITIONS
            else {}
        )
        yield dg.MaterializeResult(
            metadata={
                "stocks in last session": len(members[sessions[-1]]),
                "mean coverage": float(shares.mean()),
                "factors missing for everybody": ", ".join(missing) or "none",
                "dagster/column_lineage": _lineage(study.features, present),
                **pictures,
            }
        )
        yield from expectations.results("panel", home.lake, PANEL, sessions)

    unavailable = [
        dg.AssetSpec(
            family_table(family),
            group_name=GROUP,
            kinds={"parquet"},
            description=f"Switched off: {reason}.\n\n{description(family)}",
            metadata={"switched off": reason},
        )
        for family, reason in off.items()
    ]
    return [factor_families, factor_panel, *unavailable]


def cross_sections(
    home: Home, sessions: np.ndarray
) -> tuple[dict[np.datetime64, np.ndarray], dict[np.datetime64, Exposures] | None]:
    """Symbols of each session's cross-section, and their exposures where the study neutralises."""
    sections = CrossSections(home.lake, home.calendar, home.study.universe, sessions[0], sessions[-1])
    inside, market = sections.dense(), sections.market
    members = {session: market.symbols[inside[market.position(session)]] for session in sessions}
    if home.study.preprocessing.neutralise == "none":
        return members, None
    industry = home.lake.read("industry").to_pandas()
    scheme = home.study.adjacency.scheme
    exposures = {}
    for session, symbols in members.items():
        names = pd.Categorical(industry_at(industry, symbols.tolist(), session, scheme))
        values = home.lake.read("valuation", session, session, ["symbol", "total_mv"]).to_pandas()
        size = np.log(values.set_index("symbol")["total_mv"].reindex(symbols).to_numpy())
        exposures[session] = Exposures(names.codes.astype(np.int64), size)
    return members, exposures


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


def _lineage(features: tuple[str, ...], present: list[str]) -> dg.TableColumnLineage:
    sources = {d.name: family for family in present for d in catalogue.family(family)}
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=dg.AssetKey(family_table(sources[name])), column_name=name)]
            for name in features
            if name in sources
        }
    )
