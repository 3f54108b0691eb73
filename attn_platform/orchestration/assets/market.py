"""Raw tables: simulated, or found where `attn import` has put them."""

from collections.abc import Iterator

import dagster as dg

from attn_platform.market.contract import INTRADAY_TABLES, TABLES
from attn_platform.market.simulation import PLANTED_SIGNALS
from attn_platform.market.simulation.signals import COMPOSITE, SEEN_BY, SIGNALS
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.checks import data_quality, expectations
from attn_platform.orchestration.partitions import Partitions, sessions_in_runs
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    code_version,
    column_schema,
    configured,
    data_version,
    data_versions,
    session_keys,
    switched_off,
)
from attn_platform.studies.settings import Home
from attn_platform.workflows.raw_tables import (
    SESSION_TABLES,
    STATIC_TABLES,
    present_tables,
    provide_sessions,
    provide_table,
    write_planted_signals,
)

GROUP = "market"
CHECK_KINDS = {"daily_bar": "bars", "valuation": "bars"}


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {
        MadeAt.STATIC: (*present_tables(home, STATIC_TABLES), *planted_assets(home)),
        MadeAt.RAW: present_tables(home, SESSION_TABLES),
        MadeAt.INTRADAY: present_tables(home, INTRADAY_TABLES),
    }


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Assets of all raw tables; those that the source lacks are there to be seen, switched off with the reason."""
    kinds = {"parquet", "simulation" if home.settings.source.kind == "simulated" else "vendor"}
    version = configured(code_version("attn_platform.market"), home.settings.source.simulation)

    def spec(name: str, partitioned: bool) -> dg.AssetSpec:
        return dg.AssetSpec(
            name,
            group_name=GROUP,
            kinds=kinds,
            code_version=version,
            description=f"{TABLES[name].title}. Source: {home.settings.source.description}.",
            metadata=_contract_schema(name),
            partitions_def=partitions.sessions if partitioned else None,
        )

    present_static = present_tables(home, STATIC_TABLES)
    present = present_tables(home, (*SESSION_TABLES, *INTRADAY_TABLES))

    @dg.multi_asset(
        name="static_tables",
        specs=[spec(name, False) for name in present_static],
        check_specs=data_quality.specs(present_static),
        can_subset=True,
    )
    def static_tables(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        chosen = [name for name in present_static if dg.AssetKey(name) in context.selected_asset_keys]
        for name in chosen:
            rows = provide_table(home, name)
            yield dg.MaterializeResult(
                asset_key=name, metadata={"dagster/row_count": rows}, data_version=data_version(home.lake, name)
            )
        yield from data_quality.static_results(home, chosen)

    @dg.multi_asset(
        name="session_tables",
        specs=[spec(name, True) for name in present],
        check_specs=[
            *(spec for name in present if name in CHECK_KINDS for spec in expectations.specs(CHECK_KINDS[name], name)),
            *data_quality.specs(present),
        ],
        can_subset=True,
        backfill_policy=sessions_in_runs(),
    )
    def session_tables(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        sessions = session_keys(context)
        chosen = [name for name in present if dg.AssetKey(name) in context.selected_asset_keys]
        for name in chosen:
            rows = provide_sessions(home, name, sessions)
            context.log.info("%s: %d rows in %d sessions", name, sum(rows.values()), len(rows))
            yield dg.MaterializeResult(
                asset_key=name,
                data_version=data_versions(home.lake, sessions, name),
                metadata={
                    "rows in run": sum(rows.values()),
                    "sessions in run": len(rows),
                    "first session": str(sessions[0]),
                    "last session": str(sessions[-1]),
                },
            )
            if name in CHECK_KINDS:
                yield from expectations.results(CHECK_KINDS[name], home, name, sessions)
        # Once all tables of the run are there: a check reads several.
        yield from data_quality.results(home, chosen, sessions)

    off = [
        switched_off(name, GROUP, kinds, reason, TABLES[name].title, _contract_schema(name))
        for name, reason in home.absent_tables.items()
        if name in (*STATIC_TABLES, *SESSION_TABLES, *INTRADAY_TABLES)
    ]
    planted = [_planted_signals(home)] if planted_assets(home) else []
    return [static_tables, session_tables, *planted, *off]


def planted_assets(home: Home) -> tuple[str, ...]:
    """The asset of the planted signals, where the market is a simulated one."""
    return () if home.settings.source.simulation is None else (PLANTED_SIGNALS,)


def _planted_signals(home: Home) -> dg.AssetsDefinition:
    @dg.asset(
        name=PLANTED_SIGNALS,
        group_name=GROUP,
        kinds={"parquet", "simulation"},
        code_version=configured(code_version("attn_platform.market"), home.settings.source.simulation),
        description=(
            "The signals that the simulated returns hide, and the return that they promise. Evaluations set them "
            "beside the forecasts, nothing else reads them."
        ),
        metadata=column_schema(
            {
                **KEY_COLUMNS,
                **{name: ("float", f"signal, in standard deviations: {SEEN_BY[name]}") for name in SIGNALS},
                COMPOSITE: ("float", "expected log return over ten sessions"),
            }
        ),
    )
    def planted_signals() -> dg.MaterializeResult:
        rows = write_planted_signals(home)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": rows}, data_version=data_version(home.lake, PLANTED_SIGNALS)
        )

    return planted_signals


def _contract_schema(name: str) -> dict[str, dg.TableSchema]:
    return column_schema({column.name: (str(column.type), column.unit) for column in TABLES[name].columns})
