"""The turnover limit: Σ |w − w_prev| / 2 ≤ limit, one-way (AI-69 and AI-55: 15 %, relaxed 20 %; Haitong weekly: 30 %).

w_prev is what is really held, drifted to the day. The first portfolio has no turnover limit. It is the one limit that
is linear only in buys and sells, which is why HiGHS solves for those (see `solver.linear_program`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from attn_platform.portfolio.limits.base import SumLimit
from attn_platform.portfolio.problem import WeeklyProblem

if TYPE_CHECKING:
    import cvxpy as cp


class TurnoverLimit(SumLimit):
    """One-way turnover of at most `turnover`."""

    kind = "turnover"
    rank = 1
    relaxed: ClassVar = {"turnover": 0.20}  # AI-69, exhibit 24
    excess_label = "Turnover over limit"

    turnover: float = Field(0.15, gt=0, le=1, description="Σ |w − w_prev| / 2. Haitong: 0.30")

    def upper(self, problem: WeeklyProblem) -> float:
        """The most that may be turned over; infinite where there is no previous portfolio."""
        return np.inf if problem.previous is None else self.turnover

    def cvxpy(self, weights: cp.Variable, problem: WeeklyProblem) -> list[cp.Constraint]:
        """Nothing where there is no previous portfolio."""
        import cvxpy as cp

        if problem.previous is None:
            return []
        return [cp.norm1(weights - problem.previous) / 2 <= self.turnover]

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """Half of what is bought or sold of each stock."""
        return {"": (portfolio["weight"] - portfolio["held_weight"]).abs() / 2}
