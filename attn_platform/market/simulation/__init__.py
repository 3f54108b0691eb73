"""The embedded default market: A shares as they are, deterministic by seed, with planted and documented signals.

`SimulatedMarket(SimulationConfig.preset("demo"), sessions).table("daily_bar")` gives the raw tables of the data
contract. What the returns hide, and which kind of model can find it, is written in `simulation.signals`.
"""

from attn_platform.market.simulation.config import IntradaySimulation, SignalStrengths, SimulationConfig
from attn_platform.market.simulation.market import SimulatedMarket, simulated_tables
from attn_platform.market.simulation.planted import PLANTED_SIGNALS, planted_table

__all__ = [
    "PLANTED_SIGNALS",
    "IntradaySimulation",
    "SignalStrengths",
    "SimulatedMarket",
    "SimulationConfig",
    "planted_table",
    "simulated_tables",
]
