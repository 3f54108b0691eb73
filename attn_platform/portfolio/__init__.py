"""Weekly portfolios: state the problem, solve it, trade it, explain it.

- state: `problem`, `limits`, `extension` and `terms` (a user's own), `styles`, `week_file` (one week from a file)
- solve: `solver`, whose `solve` gives a `solution`; `frames` has its tables, `checking` the check of stored ones
- trade: `strategy`, `rebalance` (week after week), `trading` (orders in whole shares)
- explain: `explanation`
"""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.portfolio.checking import limit_failures
    from attn_platform.portfolio.explanation.forecast import forecast_origin
    from attn_platform.portfolio.explanation.missing_forecast import why_no_forecast
    from attn_platform.portfolio.explanation.reasons import binding_limits, weight_reasons
    from attn_platform.portfolio.explanation.weight import explain_weight
    from attn_platform.portfolio.extension import (
        Extension,
        TermConfig,
        constraint,
        extension_of,
        known_functions,
        limit,
        term,
    )
    from attn_platform.portfolio.frames import binding_frame, limits_frame, relaxed_frame, weights_frame
    from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
    from attn_platform.portfolio.problem import WeeklyProblem
    from attn_platform.portfolio.rebalance import Rebalance, load_problem, stored_problem, walk
    from attn_platform.portfolio.solution import PortfolioSolution
    from attn_platform.portfolio.solver.convex import cvxpy_problem
    from attn_platform.portfolio.solver.solve import solve
    from attn_platform.portfolio.strategy import Strategy, load_account, load_portfolio, load_target
    from attn_platform.portfolio.trading.daily_orders import daily_orders
    from attn_platform.portfolio.trading.orders import OrderConfig, make_orders
    from attn_platform.portfolio.trading.positions import read_positions
    from attn_platform.portfolio.trading.rebalance_orders import rebalance_orders
    from attn_platform.portfolio.week_file import problem_of_file, read_week

__all__ = [
    "RELAXED_LIMITS",
    "Extension",
    "OrderConfig",
    "PortfolioLimits",
    "PortfolioSolution",
    "Rebalance",
    "Strategy",
    "TermConfig",
    "WeeklyProblem",
    "binding_frame",
    "binding_limits",
    "constraint",
    "cvxpy_problem",
    "daily_orders",
    "explain_weight",
    "extension_of",
    "forecast_origin",
    "known_functions",
    "limit",
    "limit_failures",
    "limits_frame",
    "load_account",
    "load_portfolio",
    "load_problem",
    "load_target",
    "make_orders",
    "problem_of_file",
    "read_positions",
    "read_week",
    "rebalance_orders",
    "relaxed_frame",
    "solve",
    "stored_problem",
    "term",
    "walk",
    "weight_reasons",
    "weights_frame",
    "why_no_forecast",
]

__getattr__ = lazy_attributes(__name__)
