"""Raw tables: simulated, or found where `attn import` has put them."""

from collections.abc import Iterator
from functools import cache

import dagster as dg

from attn_platform.market.contract import TABLES
from attn_platform.market.simulation import PLANTED_SIGNALS, SimulatedMarket, SimulationConfig, planted_table
from attn_platform.market.simulation.signals import COMPOSITE, SEEN_BY, SIGNALS
from attn_platform.market.sources import ImportedSource, SimulatedSource, Source
from attn_platform.orchestration.checks import data_quality, expectations
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    KEY_COLUMNS,
    code_version,
    column_schema,
    data_version,
    data_versions,
    session_keys,
)
from attn_platform.studies.settings import Home

GROUP = "market"
STATIC_TABLES = ("security", "industry", "fundamental")
SESSION_TABLES = ("daily_bar", "valuation", "consensus", "index_bar", "index_weight")
CHECK_KINDS = {"daily_bar": "bars", "valuation": "bars"}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Assets of all raw tables; those that the source lacks are there to be seen, switched off with the reason."""
    kinds = {"parquet", "simulation" if home.settings.source.kind == "simulated" else "vendor"}
    version = code_version("attn_platform.market")

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

    present_static, present = present_tables(home, STATIC_TABLES), present_tables(home, SESSION_TABLES)

    @dg.multi_asset(
        name="static_tables",
        specs=[spec(name, False) for name in present_static],
        check_specs=data_quality.specs(present_static),
        can_subset=True,
    )
    def static_tables(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        source = open_source(home)
        chosen = [name for name in present_static if dg.AssetKey(name) in context.selected_asset_keys]
        for name in chosen:
            rows = source.provide(name)
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
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def session_tables(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        source = open_source(home)
        sessions = session_keys(context)
        chosen = [name for name in present if dg.AssetKey(name) in context.selected_asset_keys]
        for name in chosen:
            rows = source.provide_sessions(name, sessions)
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

    switched_off = [
        dg.AssetSpec(
            name,
            group_name=GROUP,
            kinds=kinds,
            description=f"Switched off: {reason}.\n\n{TABLES[name].title}",
            metadata={"switched off": reason, **_contract_schema(name)},
        )
        for name, reason in home.absent_tables.items()
        if name in (*STATIC_TABLES, *SESSION_TABLES)
    ]
    simulation = home.settings.source.simulation
    planted = [] if simulation is None else [_planted_signals(home, simulation)]
    return [static_tables, session_tables, *planted, *switched_off]


def planted_assets(home: Home) -> tuple[str, ...]:
    """The asset of the planted signals, where the market is a simulated one."""
    return () if home.settings.source.simulation is None else (PLANTED_SIGNALS,)


def present_tables(home: Home, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the raw tables that the source does not lack."""
    return tuple(name for name in names if name not in home.absent_tables)


def open_source(home: Home) -> Source:
    """The source that the settings name."""
    config = home.settings.source.simulation
    if config is None:
        return ImportedSource(home.lake)
    return SimulatedSource(_simulated(config, home), home.lake, home.calendar)


def _planted_signals(home: Home, simulation: SimulationConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name=PLANTED_SIGNALS,
        group_name=GROUP,
        kinds={"parquet", "simulation"},
        code_version=code_version("attn_platform.market"),
        description=(
            "The signals that the simulated returns hide, and the return that they promise. Reports set them beside "
            "the forecasts, nothing else reads them."
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
        rows = home.lake.write(PLANTED_SIGNALS, planted_table(_simulated(simulation, home)))
        return dg.MaterializeResult(
            metadata={"dagster/row_count": rows}, data_version=data_version(home.lake, PLANTED_SIGNALS)
        )

    return planted_signals


@cache
def _simulated(config: SimulationConfig, home: Home) -> SimulatedMarket:
    """One simulation a process: the tables of a run come from the same one."""
    return SimulatedMarket(config, home.calendar.between(home.first_session, home.last_session))


def _contract_schema(name: str) -> dict[str, dg.TableSchema]:
    return column_schema({column.name: (str(column.type), column.unit) for column in TABLES[name].columns})
