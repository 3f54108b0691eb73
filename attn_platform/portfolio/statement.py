"""The weekly problem as its constraints: the one place that says which there are.

`stated` turns the limits of a strategy into constraint objects. `compiled` makes numbers of them for HiGHS; `convex`
hands them to cvxpy. Neither states anything again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cvxpy as cp

from attn_platform.portfolio.constraints.base import LinearConstraint
from attn_platform.portfolio.constraints.benchmark_deviation import BenchmarkDeviation
from attn_platform.portfolio.constraints.budget import Budget
from attn_platform.portfolio.constraints.holdings import Holdings
from attn_platform.portfolio.constraints.industry_deviation import IndustryDeviation
from attn_platform.portfolio.constraints.members_share import MembersShare
from attn_platform.portfolio.constraints.style_deviation import StyleDeviation
from attn_platform.portfolio.constraints.turnover import Turnover
from attn_platform.portfolio.problem import PortfolioLimits, WeeklyProblem


@dataclass(frozen=True)
class Statement:
    """The constraints of a strategy: rules about single stocks, sums over the stocks (the budget first), turnover."""

    holdings: Holdings
    stock: BenchmarkDeviation
    sums: tuple[LinearConstraint, ...]
    turnover: Turnover

    def cvxpy(self, weights: cp.Variable, week: WeeklyProblem) -> list[cp.Constraint]:
        """All of them on `weights` [n]."""
        return [
            stated
            for constraint in (self.holdings, self.stock, *self.sums, self.turnover)
            for stated in constraint.cvxpy(weights, week)
        ]


def stated(limits: PortfolioLimits, own: Sequence[LinearConstraint] = ()) -> Statement:
    """The constraints that `limits` stand for, and the linear ones that a strategy adds."""
    holdings = Holdings(limits.no_trade, limits.no_buy)
    return Statement(
        holdings=holdings,
        stock=BenchmarkDeviation(limits.stock_deviation, holdings),
        sums=(
            Budget(limits.cash),
            IndustryDeviation(limits.industry_deviation),
            StyleDeviation(limits.style_deviation, limits.style_deviations),
            *((MembersShare(limits.members_share),) if limits.members_share > 0 else ()),
            *own,
        ),
        turnover=Turnover(limits.turnover),
    )
