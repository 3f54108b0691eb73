"""Trading costs: a flat rate a side (AI-69, AI-55), and as options a minimum commission and the statutory charges."""

from dataclasses import dataclass

import numpy as np

from attn_platform.backtest.config import BacktestConfig
from attn_platform.errors import ConfigurationError


@dataclass(frozen=True)
class CostRates:
    """Costs of an order: fractions of the traded value, and the least commission.

    `buy` and `sell` are the whole fractions; of them, `buy_charges` and `sell_charges` are statutory and the rest is
    commission, of which an order pays at least `minimum` (in the currency unit of the amounts, CNY).
    """

    buy: float
    sell: float
    buy_charges: float = 0.0
    sell_charges: float = 0.0
    minimum: float = 0.0

    def flat_costs(self, change: np.ndarray) -> np.ndarray:
        """Cost [n] of trading `change` [n] (negative: selling) in proportion."""
        return np.where(change > 0, self.buy, self.sell) * abs(change)

    def missing_commission(self, change: np.ndarray) -> np.ndarray:
        """What the minimum commission adds to it [n]; no trade pays nothing."""
        commission = np.where(change > 0, self.buy - self.buy_charges, self.sell - self.sell_charges) * abs(change)
        return np.where(change != 0, np.maximum(self.minimum - commission, 0.0), 0.0)

    def order_costs(self, change: np.ndarray) -> np.ndarray:
        """Cost [n] of one order each for `change` [n], before rounding."""
        return self.flat_costs(change) + self.missing_commission(change)


# Each row holds from its session on, until the next row.
DatedRates = tuple[tuple[np.datetime64, CostRates], ...]

# Ministry of Finance and State Taxation Administration.
STAMP_DUTY: DatedRates = (
    (np.datetime64("2007-05-30"), CostRates(buy=0.003, sell=0.003)),
    (np.datetime64("2008-04-24"), CostRates(buy=0.001, sell=0.001)),
    (np.datetime64("2008-09-19"), CostRates(buy=0.0, sell=0.001)),
    (np.datetime64("2023-08-28"), CostRates(buy=0.0, sell=0.0005)),
)

# China Securities Depository and Clearing: 0.02 ‰ of the amount from both sides in Shanghai and Shenzhen from
# 2015-08-01 (before: 0.3 ‰ of the face value in Shanghai), 0.01 ‰ everywhere from 2022-04-29. Beijing paid 0.025 ‰
# until then, which is left out.
TRANSFER_FEE: DatedRates = (
    (np.datetime64("2015-08-01"), CostRates(buy=0.00002, sell=0.00002)),
    (np.datetime64("2022-04-29"), CostRates(buy=0.00001, sell=0.00001)),
)


def stamp_duty(session: np.datetime64) -> CostRates:
    """Statutory stamp duty in a session; ConfigurationError before the first rate that is known here."""
    return _in_force(STAMP_DUTY, session, "stamp_duty", "use the flat cost_per_side alone")


def transfer_fee(session: np.datetime64) -> CostRates:
    """Statutory transfer fee in a session; ConfigurationError before the first rate that is known here."""
    return _in_force(TRANSFER_FEE, session, "transfer_fee", "give the rate as a number")


def cost_rates(config: BacktestConfig, session: np.datetime64) -> CostRates:
    """Costs of buying and of selling in a session."""
    free = CostRates(0.0, 0.0)
    duty = stamp_duty(session) if config.stamp_duty else free
    if config.transfer_fee == "statutory":
        fee = transfer_fee(session)
    else:
        fee = CostRates(buy=config.transfer_fee, sell=config.transfer_fee)
    buy_charges, sell_charges = duty.buy + fee.buy, duty.sell + fee.sell
    return CostRates(
        buy=config.cost_per_side + buy_charges,
        sell=config.cost_per_side + sell_charges,
        buy_charges=buy_charges,
        sell_charges=sell_charges,
        minimum=config.minimum_commission,
    )


def _in_force(table: DatedRates, session: np.datetime64, option: str, instead: str) -> CostRates:
    rates = [rates for start, rates in table if start <= session]
    if not rates:
        raise ConfigurationError(
            f"{option}: no rate is known for {session}; the table starts on {table[0][0]}. "
            f"Start the backtest later, or {instead}."
        )
    return rates[-1]
