"""All of the money is invested, but for the share that is kept in cash: Σ w = 1 − cash. It is never relaxed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import Field

from attn_platform.portfolio.limits.base import LinearLimit, Rows
from attn_platform.portfolio.problem import WeeklyProblem


class Budget(LinearLimit):
    """Σ w = 1 − `cash`."""

    kind = "budget"

    cash: float = Field(0.0, ge=0, lt=1, description="share that is not invested; the studies invest all")

    def rows(self, problem: WeeklyProblem) -> Rows:
        """The one sum."""
        invested = np.array([1.0 - self.cash])
        return Rows(self.kind, ("",), np.ones((1, len(problem.symbols))), np.zeros(1), invested, invested)

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """The weights."""
        return {"": portfolio["weight"]}
