"""A weekly problem together with the names of its industries, and its solution as frames under those names.

The problem and its constraints know industries by code; tables, reports and the terminal show names. This is the one
place where the one becomes the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.portfolio.constraints.industry_deviation import INDUSTRY
from attn_platform.portfolio.problem import UNKNOWN_INDUSTRY, PortfolioSolution, WeeklyProblem

UNKNOWN = "unknown"
STYLE_PREFIX = "style_"


@dataclass(frozen=True, eq=False)
class PosedWeek:
    """A problem, and the names of its industries by code."""

    problem: WeeklyProblem
    industries: tuple[str, ...]

    def industry(self, code: int) -> str:
        """Name of an industry by its code in the problem."""
        return UNKNOWN if code == UNKNOWN_INDUSTRY else self.industries[code]

    def name(self, kind: str, name: str) -> str:
        """Name of a limit as it is shown: that of an industry is its code in the problem."""
        return self.industry(int(name)) if kind == INDUSTRY else name

    def weights(self, solution: PortfolioSolution) -> pd.DataFrame:
        """The stocks of the problem that are held, targeted or in the benchmark, in the problem's order.

        Columns: symbol, weight, held_weight, benchmark_weight, score, industry, tradable, lower, upper, reduced_score
        and style_<name>.
        """
        problem = self.problem
        frame = pd.DataFrame(
            {
                "symbol": problem.symbols,
                "weight": solution.weights,
                "held_weight": problem.held,
                "benchmark_weight": problem.benchmark,
                "score": problem.score,
                "industry": [self.industry(code) for code in problem.industry],
                "tradable": problem.tradable,
                "lower": solution.lower,
                "upper": solution.upper,
                "reduced_score": solution.reduced_score,
                **{f"{STYLE_PREFIX}{name}": z for name, z in problem.styles.items()},
            }
        )
        return frame[(frame[["weight", "held_weight", "benchmark_weight"]] > 0).any(axis=1)].reset_index(drop=True)

    def limits(self, solution: PortfolioSolution) -> pd.DataFrame:
        """Every limit on a sum as the solution leaves it: kind, name, lower, upper (NaN if open), value, price."""
        rows = [{**vars(state), "name": self.name(state.kind, state.name)} for state in solution.limits]
        return pd.DataFrame(rows).replace({"lower": -np.inf, "upper": np.inf}, np.nan)

    def relaxed(self, solution: PortfolioSolution) -> list[dict[str, Any]]:
        """The limits that gave way: limit, name, allowed, reached."""
        return [{**vars(each), "name": self.name(each.limit, each.name)} for each in solution.relaxations]
