"""The industry limit: |Σ (w − b)| ≤ deviation in each level-1 industry.

AI-69 and AI-55: 1 %, relaxed 2 %; Haitong weekly: 0.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from attn_platform.portfolio.limits.base import LinearLimit, Rows
from attn_platform.portfolio.problem import WeeklyProblem


class IndustryLimit(LinearLimit):
    """One sum an industry, by ascending code. Stocks of unknown industry are one group."""

    kind = "industry"
    rank = 3
    relaxed: ClassVar = {"industry_deviation": 0.02}  # AI-69, exhibit 24
    excess_label = "Industry over limit"

    industry_deviation: float = Field(0.01, ge=0, le=1, description="|Σ (w − b)| of an industry. Haitong: 0")

    def rows(self, problem: WeeklyProblem) -> Rows:
        """The active weights of the industries."""
        codes, group = np.unique(problem.industry, return_inverse=True)
        limit = np.full(len(codes), self.industry_deviation)
        return Rows(
            kind=self.kind,
            names=tuple(problem.industry_name(code) for code in codes.tolist()),
            coefficients=(group == np.arange(len(codes))[:, None]).astype(np.float64),
            center=np.bincount(group, problem.benchmark, minlength=len(codes)).astype(np.float64),
            lower=-limit,
            upper=limit,
        )

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """The active weights of each industry's stocks."""
        active, industry = portfolio["weight"] - portfolio["benchmark_weight"], portfolio["industry"]
        return {name: active.where(industry == name, 0.0) for name in industry.unique()}
