"""Weekly portfolios: state the problem, solve it, trade it, explain it.

- state: `problem`, `limits`, `extension` and `terms` (a user's own), `styles`, `week_file` (one week from a file)
- solve: `solver`, whose `solve` gives a `solution`; `frames` has its tables, `checking` the check of stored ones
- trade: `strategy`, `rebalance` (week after week), `trading` (orders in whole shares)
- explain: `explanation`

A public name is imported with its module when it is asked for: nobody pays for cvxpy or torch who does not use them.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "WeeklyProblem": "problem",
    "PortfolioLimits": "limits.configuration",
    "RELAXED_LIMITS": "limits.configuration",
    "Extension": "extension",
    "TermConfig": "extension",
    "constraint": "extension",
    "extension_of": "extension",
    "known_functions": "extension",
    "limit": "extension",
    "term": "extension",
    "problem_of_file": "week_file",
    "read_week": "week_file",
    "PortfolioSolution": "solution",
    "solve": "solver.solve",
    "cvxpy_problem": "solver.convex",
    "binding_frame": "frames",
    "limits_frame": "frames",
    "relaxed_frame": "frames",
    "weights_frame": "frames",
    "limit_failures": "checking",
    "Strategy": "strategy",
    "load_account": "strategy",
    "load_portfolio": "strategy",
    "load_target": "strategy",
    "Rebalance": "rebalance",
    "load_problem": "rebalance",
    "walk": "rebalance",
    "OrderConfig": "trading.orders",
    "make_orders": "trading.orders",
    "read_positions": "trading.positions",
    "rebalance_orders": "trading.rebalance_orders",
    "explain_weight": "explanation.weight",
    "binding_limits": "explanation.reasons",
    "weight_reasons": "explanation.reasons",
    "forecast_origin": "explanation.forecast",
    "why_no_forecast": "explanation.missing_forecast",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
