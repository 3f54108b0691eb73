"""The stock limit: |w − b| ≤ deviation (AI-69 and AI-55: 1 %, relaxed 2 %; Haitong weekly: 1 %).

It is a limit on what can be done: where `holdings` leaves a stock no way into the interval (suspended outside of it, a
large member of the benchmark without a forecast), the interval is the nearest point that it leaves. A held stock that
has drifted out of its interval is traded back into it.
"""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.constraints.base import StockConstraint
from attn_platform.portfolio.constraints.holdings import Holdings
from attn_platform.portfolio.problem import FloatArray, WeeklyProblem


@dataclass(frozen=True)
class BenchmarkDeviation(StockConstraint):
    """b − `deviation` ≤ w ≤ b + `deviation`, inside what `holdings` allows."""

    deviation: float
    holdings: Holdings

    def bounds(self, week: WeeklyProblem) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds [n]."""
        floor, cap = self.holdings.bounds(week)
        return (
            np.clip(week.benchmark - self.deviation, floor, cap),
            np.clip(week.benchmark + self.deviation, floor, cap),
        )
