"""The raw tables of a home: simulated, or found where an import has put them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.market.contract import TABLES
from attn_platform.market.simulation import PLANTED_SIGNALS, SimulatedMarket, SimulationConfig, planted_table
from attn_platform.market.sources import ImportedSource, SimulatedSource, Source
from attn_platform.studies.settings import Home

STATIC_TABLES = tuple(table.name for table in TABLES.values() if not table.by_session)
SESSION_TABLES = tuple(table.name for table in TABLES.values() if table.by_session and not table.is_intraday)


def present_tables(home: Home, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the raw tables that the source does not lack."""
    return tuple(name for name in names if name not in home.absent_tables)


def provide_table(home: Home, name: str) -> int:
    """See that a table without sessions is in the lake; returns its rows."""
    return _source(home).provide(name)


def provide_sessions(home: Home, name: str, sessions: np.ndarray) -> Mapping[str, int]:
    """See that these sessions of a table are in the lake; returns rows by session.

    `MissingDataError` names the first session that an import would have to bring.
    """
    return _source(home).provide_sessions(name, sessions)


def write_planted_signals(home: Home) -> int:
    """Write the signals that the simulated returns hide; returns their rows. `ConfigurationError` for real data."""
    simulation = home.settings.source.simulation
    if simulation is None:
        raise ConfigurationError(f"{home.root} has no simulated market, so nothing is planted in its returns")
    return home.lake.write(PLANTED_SIGNALS, planted_table(_simulated(simulation, home)))


def _source(home: Home) -> Source:
    simulation = home.settings.source.simulation
    if simulation is None:
        return ImportedSource(home.lake)
    return SimulatedSource(_simulated(simulation, home), home.lake, home.calendar)


@cache
def _simulated(config: SimulationConfig, home: Home) -> SimulatedMarket:
    """One simulation a process: the tables of a run come from the same one."""
    return SimulatedMarket(config, home.calendar.between(home.first_session, home.horizon))
