"""Trading costs: a flat rate a side (AI-69, AI-55), and the statutory stamp duty as an option."""

from dataclasses import dataclass

import numpy as np

from attn_platform.backtest.config import BacktestConfig
from attn_platform.errors import ConfigurationError


@dataclass(frozen=True)
class CostRates:
    """Costs as fractions of the traded value."""

    buy: float
    sell: float


# Each row holds from its session on, until the next row.
STAMP_DUTY: tuple[tuple[np.datetime64, CostRates], ...] = (
    (np.datetime64("2007-05-30"), CostRates(buy=0.003, sell=0.003)),
    (np.datetime64("2008-04-24"), CostRates(buy=0.001, sell=0.001)),
    (np.datetime64("2008-09-19"), CostRates(buy=0.0, sell=0.001)),
    (np.datetime64("2023-08-28"), CostRates(buy=0.0, sell=0.0005)),
)


def stamp_duty(session: np.datetime64) -> CostRates:
    """Statutory stamp duty in a session; ConfigurationError before the first rate that is known here."""
    in_force = [rates for start, rates in STAMP_DUTY if start <= session]
    if not in_force:
        raise ConfigurationError(
            f"stamp_duty: no rate is known for {session}; the table starts on {STAMP_DUTY[0][0]}. "
            "Start the backtest later, or use the flat cost_per_side alone."
        )
    return in_force[-1]


def cost_rates(config: BacktestConfig, session: np.datetime64) -> CostRates:
    """Costs of buying and of selling in a session."""
    duty = stamp_duty(session) if config.stamp_duty else CostRates(0.0, 0.0)
    return CostRates(buy=config.cost_per_side + duty.buy, sell=config.cost_per_side + duty.sell)
