"""All of the money is invested, but for the share that is kept in cash: Σ w = 1 − cash. It never gives way."""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.constraints.base import LinearConstraint, Rows
from attn_platform.portfolio.problem import WeeklyProblem

BUDGET = "budget"


@dataclass(frozen=True)
class Budget(LinearConstraint):
    """Σ w = 1 − `cash`."""

    cash: float = 0.0

    def rows(self, week: WeeklyProblem) -> Rows:
        """The one sum."""
        invested = np.array([1.0 - self.cash])
        return Rows(BUDGET, ("",), np.ones((1, len(week.symbols))), np.zeros(1), invested, invested)
