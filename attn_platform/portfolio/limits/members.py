"""Least weight in members of the benchmark: Σ_{b > 0} w ≥ share. The studies have none; funds often must hold 80 %."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import Field

from attn_platform.portfolio.limits.base import LinearLimit, Rows
from attn_platform.portfolio.problem import WeeklyProblem


class MembersLimit(LinearLimit):
    """The one sum over members; none where the share is 0."""

    kind = "members"
    rank = 4
    excess_label = "Members over limit"

    members_share: float = Field(0.0, ge=0, le=1, description="least weight in members of the benchmark")

    def rows(self, problem: WeeklyProblem) -> Rows:
        """The members' weight, not their active weight."""
        if self.members_share == 0:
            return Rows.none(self.kind, len(problem.symbols))
        members = (problem.benchmark > 0).astype(np.float64)[None]
        return Rows(self.kind, ("",), members, np.zeros(1), np.array([self.members_share]), np.array([np.inf]))

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """The weights of members."""
        return {"": portfolio["weight"].where(portfolio["benchmark_weight"] > 0, 0.0)}
