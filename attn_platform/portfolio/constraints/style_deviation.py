"""The style limits: |Σ (w − b) z| ≤ deviation for each style, in standard deviations of z.

AI-69 and AI-55: 0.01, relaxed 0.20. Haitong weekly: 0 for valuation, 0 or 0.2 for size, 0.8 for the other regular
factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.constraints.base import LinearConstraint, Rows
from attn_platform.portfolio.problem import WeeklyProblem

STYLE = "style"


@dataclass(frozen=True)
class StyleDeviation(LinearConstraint):
    """One sum a style of the week; `deviations` of single styles replace the general one."""

    deviation: float
    deviations: Mapping[str, float] = field(default_factory=dict)

    def rows(self, week: WeeklyProblem) -> Rows:
        """The active exposures; `PortfolioError` where a limit names a style that the week lacks."""
        unknown = set(self.deviations) - set(week.styles)
        if unknown:
            raise PortfolioError(
                f"limits name styles {sorted(unknown)} that the problem lacks; it has {sorted(week.styles)}"
            )
        z = np.array(list(week.styles.values())).reshape(len(week.styles), len(week.symbols))
        limit = np.array([self.deviations.get(name, self.deviation) for name in week.styles])
        return Rows(STYLE, tuple(week.styles), z, z @ week.benchmark, -limit, limit)
