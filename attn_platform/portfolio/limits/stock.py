"""The stock limit: |w − b| ≤ deviation (AI-69 and AI-55: 1 %, relaxed 2 %; Haitong weekly: 1 %).

It is a limit on what can be done: where `tradability` leaves a stock no way into the interval (suspended outside of it,
a large member of the benchmark without a forecast), the interval is the nearest point that it leaves. A held stock that
has drifted out of its interval is traded back into it.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from attn_platform.portfolio.limits.base import Bounds, Relaxed, WeightLimit
from attn_platform.portfolio.problem import TOLERANCE, FloatArray, WeeklyProblem


class StockLimit(WeightLimit):
    """b − `stock_deviation` ≤ w ≤ b + `stock_deviation`, inside of what can be traded."""

    kind = "stock"
    rank = 5
    relaxed: ClassVar = {"stock_deviation": 0.02}  # AI-69, exhibit 24
    excess_label = "Stock over limit"

    stock_deviation: float = Field(0.01, ge=0, le=1, description="|w − b| of a stock. Haitong: 0.01")

    def bounds(self, problem: WeeklyProblem, lower: FloatArray, upper: FloatArray) -> Bounds:
        """Lower and upper bounds [n]."""
        return (
            np.clip(problem.benchmark - self.stock_deviation, lower, upper),
            np.clip(problem.benchmark + self.stock_deviation, lower, upper),
        )

    @classmethod
    def failures(cls, portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed) -> Iterator[str]:
        """Weights outside of the interval that is stored with them."""
        weight, lower, upper = portfolio["weight"], portfolio["lower"], portfolio["upper"]
        for row in portfolio[(weight < lower - TOLERANCE) | (weight > upper + TOLERANCE)].itertuples():
            if (row.date, cls.kind, row.symbol) not in relaxed:
                yield f"{row.date}: {row.symbol} has {row.weight:.8f}, limits {row.lower:.8f} to {row.upper:.8f}"
