"""The industry limit: |Σ (w − b)| ≤ deviation in each level-1 industry.

AI-69 and AI-55: 1 %, relaxed 2 %; Haitong weekly: 0.
"""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.constraints.base import LinearConstraint, Rows
from attn_platform.portfolio.problem import WeeklyProblem

INDUSTRY = "industry"


@dataclass(frozen=True)
class IndustryDeviation(LinearConstraint):
    """One sum an industry, by ascending code. Stocks of unknown industry are one group."""

    deviation: float

    def rows(self, week: WeeklyProblem) -> Rows:
        """The active weights of the industries."""
        codes, group = np.unique(week.industry, return_inverse=True)
        limit = np.full(len(codes), self.deviation)
        return Rows(
            kind=INDUSTRY,
            names=tuple(codes.astype(str).tolist()),
            coefficients=(group == np.arange(len(codes))[:, None]).astype(np.float64),
            center=np.bincount(group, week.benchmark, minlength=len(codes)).astype(np.float64),
            lower=-limit,
            upper=limit,
        )
