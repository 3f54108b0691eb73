"""What was planted in a simulated market, as a table that reports set beside a forecast.

No table of the data contract: factors, universes and networks read those alone, so no forecast can know it. It holds
the signals of `simulation.signals` after the close of each session, which read nothing later themselves, and
`composite`, the expected return that they promise: the best forecast that there is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from attn_platform.market.simulation.market import SimulatedMarket
from attn_platform.market.simulation.signals import COMPOSITE

PLANTED_SIGNALS = "planted_signals"


def planted_table(market: SimulatedMarket) -> pa.Table:
    """date, symbol, each of `SIGNALS` (mean 0, standard deviation 1) and `COMPOSITE` (log return of ten sessions).

    One row a listed stock and session.
    """
    signals = market.signals()
    row, column = np.nonzero(np.isfinite(signals[COMPOSITE]))
    keys = {"date": pa.array(market.sessions[row]), "symbol": pa.array(market.symbols[column])}
    return pa.table({**keys, **{name: values[row, column].astype(np.float32) for name, values in signals.items()}})
