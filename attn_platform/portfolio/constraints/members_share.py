"""Least weight in members of the benchmark: Σ_{b > 0} w ≥ share. The studies have none; funds often must hold 80 %."""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.constraints.base import LinearConstraint, Rows
from attn_platform.portfolio.problem import WeeklyProblem

MEMBERS = "members"


@dataclass(frozen=True)
class MembersShare(LinearConstraint):
    """The one sum over members."""

    share: float

    def rows(self, week: WeeklyProblem) -> Rows:
        """The members' weight, not their active weight."""
        members = (week.benchmark > 0).astype(np.float64)[None]
        return Rows(MEMBERS, ("",), members, np.zeros(1), np.array([self.share]), np.array([np.inf]))
