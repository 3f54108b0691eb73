"""The solution of a week as frames: the rows of the stored tables, and what is shown of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from attn_platform.portfolio.limits.style import STYLE_PREFIX
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution

RELAXED_COLUMNS = ("limit", "name", "allowed", "reached")


def weights_frame(problem: WeeklyProblem, solution: PortfolioSolution) -> pd.DataFrame:
    """The stocks of the problem that are held, targeted or in the benchmark, in the problem's order.

    Columns: symbol, weight, held_weight, benchmark_weight, score, industry, tradable, lower, upper, reduced_score
    and style_<name>.
    """
    frame = pd.DataFrame(
        {
            "symbol": problem.symbols,
            "weight": solution.weights,
            "held_weight": problem.held,
            "benchmark_weight": problem.benchmark,
            "score": problem.score,
            "industry": [problem.industry_name(code) for code in problem.industry],
            "tradable": problem.tradable,
            "lower": solution.lower,
            "upper": solution.upper,
            "reduced_score": solution.reduced_score,
            **{f"{STYLE_PREFIX}{name}": z for name, z in problem.styles.items()},
        }
    )
    return frame[(frame[["weight", "held_weight", "benchmark_weight"]] > 0).any(axis=1)].reset_index(drop=True)


def limits_frame(solution: PortfolioSolution) -> pd.DataFrame:
    """Every limit on a sum as the solution leaves it: kind, name, lower, upper (NaN if open), value, price."""
    return pd.DataFrame([vars(state) for state in solution.limits]).replace({"lower": -np.inf, "upper": np.inf}, np.nan)


def binding_frame(solution: PortfolioSolution) -> pd.DataFrame:
    """The limits that bind, with the columns of `limits_frame`."""
    limits = limits_frame(solution)
    return limits[limits["price"] != 0].reset_index(drop=True)


def relaxed_records(solution: PortfolioSolution) -> list[dict[str, Any]]:
    """The limits that were relaxed: `RELAXED_COLUMNS`."""
    return [dict(vars(relaxation)) for relaxation in solution.relaxations]


def relaxed_frame(solution: PortfolioSolution) -> pd.DataFrame:
    """The same as a frame."""
    return pd.DataFrame(relaxed_records(solution), columns=list(RELAXED_COLUMNS))
