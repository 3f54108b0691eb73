"""The style limits: |Σ (w − b) z| ≤ deviation for each style, in standard deviations of z.

AI-69 and AI-55: 0.01, relaxed 0.20. Haitong weekly: 0 for valuation, 0 or 0.2 for size, 0.8 for the other regular
factors.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.limits.base import LinearLimit, Rows
from attn_platform.portfolio.problem import WeeklyProblem

STYLE_PREFIX = "style_"
"""Of the columns of a table of target portfolios that hold a style's z-scores."""


def _not_negative(deviations: dict[str, float]) -> dict[str, float]:
    negative = {name: value for name, value in deviations.items() if not value >= 0}
    if negative:
        raise ValueError(f"style_deviations must be 0 or more: {negative}")
    return deviations


class StyleLimit(LinearLimit):
    """One sum a style of the week; `style_deviations` of single styles replace the general one."""

    kind = "style"
    rank = 2
    relaxed: ClassVar = {"style_deviation": 0.20}  # AI-69, exhibit 24
    excess_label = "Style over limit (s.d.)"
    is_weight = False

    style_deviation: float = Field(0.01, ge=0, description="|Σ (w − b) z| of a style. Haitong: 0.8")
    style_deviations: Annotated[dict[str, float], AfterValidator(_not_negative)] = Field(
        default_factory=dict, description="by style, instead. Haitong: valuation 0, size 0"
    )

    def of_style(self, style: str) -> float:
        """Largest absolute exposure to `style`, in standard deviations."""
        return self.style_deviations.get(style, self.style_deviation)

    def without_styles(self, missing: Collection[str]) -> Self:
        """The limit without those of single styles that cannot be computed."""
        left = {style: limit for style, limit in self.style_deviations.items() if style not in missing}
        return self.model_copy(update={"style_deviations": left})

    def rows(self, problem: WeeklyProblem) -> Rows:
        """The active exposures; `PortfolioError` where a limit names a style that is missing from the problem."""
        unknown = set(self.style_deviations) - set(problem.styles)
        if unknown:
            raise PortfolioError(
                f"limits name styles {sorted(unknown)} that are missing from the problem; it has "
                f"{sorted(problem.styles)}"
            )
        z = np.array(list(problem.styles.values())).reshape(len(problem.styles), len(problem.symbols))
        limit = np.array([self.of_style(name) for name in problem.styles])
        return Rows(self.kind, tuple(problem.styles), z, z @ problem.benchmark, -limit, limit)

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """The active exposures; a missing z-score counts as 0."""
        active = portfolio["weight"] - portfolio["benchmark_weight"]
        columns = portfolio.columns[portfolio.columns.str.startswith(STYLE_PREFIX)]
        return {column.removeprefix(STYLE_PREFIX): active * portfolio[column].fillna(0.0) for column in columns}
