"""A small simulated market in which every kind of fault finds rows, delivered as a vendor's files."""

from pathlib import Path

import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig
from attn_platform.market.sources import SimulatedSource
from attn_platform_tests.faults.delivery import SESSION_TABLES, WHOLE_TABLES, Scope, delivery_of, write_delivery

FIRST, LAST = "2020-01-02", "2020-07-31"
# With this seed a stock is delisted in May, and others change their status and industry.
MARKET = {**SimulationConfig.preset("demo").model_dump(), "seed": 4, "start": FIRST, "initial_stocks": 60}


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The clean tables."""
    calendar = exchange_calendar()
    lake = Lake(tmp_path_factory.mktemp("faults") / "lake")
    sessions = calendar.between(FIRST, LAST)
    source = SimulatedSource(SimulatedMarket(SimulationConfig.model_validate(MARKET), sessions), lake, calendar)
    for name in WHOLE_TABLES:
        source.provide(name)
    for name in SESSION_TABLES:
        source.provide_sessions(name, sessions)
    return delivery_of(lake, Scope(FIRST, LAST))


@pytest.fixture(scope="session")
def clean(frames: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their files."""
    return write_delivery(tmp_path_factory.mktemp("clean") / "files", frames)
