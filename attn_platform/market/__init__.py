"""Market data: the calendar, the contract of the raw tables, the lake that holds them, and where they come from."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.market.calendar import Calendar, exchange_calendar
    from attn_platform.market.contract import TABLES
    from attn_platform.market.dense import DenseMarket, load_dense
    from attn_platform.market.lake import Lake
    from attn_platform.market.quality.examine import examine, survey
    from attn_platform.market.schema import Column, Table
    from attn_platform.market.simulation import SimulatedMarket, SimulationConfig
    from attn_platform.market.sources import ImportedSource, SimulatedSource
    from attn_platform.market.vendors import ImportReport, importer_of, importers, vendor

__all__ = [
    "TABLES",
    "Calendar",
    "Column",
    "DenseMarket",
    "ImportReport",
    "ImportedSource",
    "Lake",
    "SimulatedMarket",
    "SimulatedSource",
    "SimulationConfig",
    "Table",
    "examine",
    "exchange_calendar",
    "importer_of",
    "importers",
    "load_dense",
    "survey",
    "vendor",
]
__getattr__ = lazy_attributes(__name__)
