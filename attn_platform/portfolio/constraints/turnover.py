"""The turnover limit: Σ |w − w_prev| / 2 ≤ limit, one-way (AI-69 and AI-55: 15 %, relaxed 20 %; Haitong weekly: 30 %).

w_prev is what is really held, drifted to the day. The first portfolio has no turnover limit. It is the one limit that
is linear only in buys and sells, which is why HiGHS solves for those (see `split`).
"""

from dataclasses import dataclass

import cvxpy as cp

from attn_platform.portfolio.constraints.base import Constraint
from attn_platform.portfolio.problem import WeeklyProblem

TURNOVER = "turnover"


@dataclass(frozen=True)
class Turnover(Constraint):
    """One-way turnover of at most `limit`."""

    limit: float

    def cvxpy(self, weights: cp.Variable, week: WeeklyProblem) -> list[cp.Constraint]:
        """Nothing where there is no previous portfolio."""
        if week.previous is None:
            return []
        return [cp.norm1(weights - week.previous) / 2 <= self.limit]
