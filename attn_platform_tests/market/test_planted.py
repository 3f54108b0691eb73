"""The table of planted signals: every listed stock, and the return that signals and strengths promise."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig, planted_table

STRENGTHS = {"linear": 9.0, "interaction": 0.0, "sector": 6.0, "path": 4.0}


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    config = SimulationConfig.preset("demo").model_copy(update={"initial_stocks": 60})
    config = config.model_copy(update={"signals": config.signals.model_copy(update=STRENGTHS)})
    sessions = exchange_calendar().between(np.datetime64(config.start), "2019-05-31")
    return SimulatedMarket(config, sessions)


@pytest.fixture(scope="module")
def planted(market: SimulatedMarket) -> pd.DataFrame:
    return planted_table(market).to_pandas().set_index(["date", "symbol"])


def test_a_row_for_every_listed_stock_and_session(market: SimulatedMarket, planted: pd.DataFrame) -> None:
    bars = market.table("daily_bar").to_pandas().set_index(["date", "symbol"])
    assert planted.index.equals(bars.index)
    assert not planted.isna().any(axis=None)


def test_the_composite_is_what_signals_and_strengths_promise(planted: pd.DataFrame) -> None:
    """Ten sessions of each signal by its strength in basis points, less what fades (see simulation.signals)."""
    kept = {"linear": 7.2, "interaction": 6.8, "sector": 9.6, "path": np.sqrt(170 / 10)}
    expected = sum(1e-4 * STRENGTHS[name] * sessions * planted[name] for name, sessions in kept.items())
    np.testing.assert_allclose(planted["composite"], expected, rtol=1e-4, atol=1e-8)
    assert planted["composite"].std() > 1e-3
