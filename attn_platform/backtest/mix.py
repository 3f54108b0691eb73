"""Mixes of portfolios: equal money each, set back to equal every 60 sessions (AI-55, `gat_xgboost_mix`).

Each part runs in its own account. A reset moves money from the parts that did better to the others at the close of its
session: what one part sells and the other buys is traded and pays costs; nothing is netted between the parts.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.backtest.allocation import allocate
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import cost_rates
from attn_platform.backtest.simulator import daily_frame
from attn_platform.errors import SimulationError


class MixConfig(BaseModel):
    """How a mix is kept at equal parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reset_sessions: int = Field(default=60, ge=1)  # AI-55


def mix_backtests(parts: Sequence[pd.DataFrame], mix: MixConfig, config: BacktestConfig) -> pd.DataFrame:
    """Daily frame of a mix from the daily frames of its parts (the columns of `BacktestResult.daily`).

    The parts must have the same sessions and benchmark. turnover, cost and cash_share are the parts' own, weighted by
    money, plus those of the resets; holding_count counts a stock once a part.
    """
    if not parts:
        raise SimulationError("a mix needs at least one portfolio")
    first = parts[0].reset_index(drop=True)
    for part in parts[1:]:
        same = part.reset_index(drop=True)[["date", "benchmark_return"]].equals(first[["date", "benchmark_return"]])
        if not same:
            raise SimulationError("the portfolios of a mix have different sessions or benchmarks; backtest them alike")

    returns, turnover, cost, cash_share = (
        np.column_stack([part[name].to_numpy() for part in parts])
        for name in ("return", "turnover", "cost", "cash_share")
    )
    equal = np.full(len(parts), 1.0 / len(parts))
    free = np.ones(len(parts), dtype=bool)
    values = equal.copy()
    rows = [(1.0, 0.0, 0.0, float(cash_share[0] @ equal))]
    for at in range(1, len(first)):
        shares = values / values.sum()
        traded, paid = float(turnover[at] @ shares), float(cost[at] @ shares)
        values = values * (1.0 + returns[at])
        if at % mix.reset_sessions == 0:
            equity = float(values.sum())
            rates = cost_rates(config, first["date"].to_numpy()[at])
            reset, _ = allocate(values, equal, free, free, equity, rates)
            traded += float(abs(reset - values).sum()) / equity
            paid += 1.0 - float(reset.sum()) / equity
            values = reset
        rows.append((float(values.sum()), traded, paid, float(cash_share[at] @ (values / values.sum()))))

    net_value, *others = (np.array(column) for column in zip(*rows, strict=True))
    records = first[["date"]].copy()
    records["turnover"], records["cost"], records["cash_share"] = others
    records["holding_count"] = sum(part["holding_count"].to_numpy() for part in parts)
    return daily_frame(net_value, first["benchmark_return"].to_numpy(), records)
