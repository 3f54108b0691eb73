"""Why a stock has the weight it has, and which limits a portfolio pays for.

From the tables that the weekly walk writes: the interval of each weight, and each limit with its price, which is what
the forecast would gain by one unit more room (linear programming duality).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.problem import TOLERANCE

SUSPENDED = "kept: suspended"
NO_TRADE = "kept: not to be traded"
NO_FORECAST = "no forecast: only to be sold"
ABOVE = "above its upper limit, which was relaxed"
BELOW = "below its lower limit, which was relaxed"
AT_UPPER = "at its upper limit"
AT_LOWER = "at its lower limit"
NOT_BOUGHT = "not held: its forecast does not pay for the limits"
KEPT = "kept: a trade would not pay for its turnover"
BETWEEN = "between its limits"
REASONS = (SUSPENDED, NO_TRADE, NO_FORECAST, ABOVE, BELOW, NOT_BOUGHT, AT_UPPER, AT_LOWER, KEPT, BETWEEN)

BINDING_COLUMNS = ("kind", "name", "weeks", "at_upper", "at_lower", "mean_price")


def weight_reasons(portfolio: pd.DataFrame) -> pd.Series:
    """[n] one of `REASONS` for each row: weight, held_weight, score, tradable, lower, upper.

    The first that applies: a stock that may not be traded is so whatever limit it is at.
    """
    weight, held = portfolio["weight"], portfolio["held_weight"]
    lower, upper = portfolio["lower"], portfolio["upper"]
    is_kept = (weight - held).abs() <= TOLERANCE
    cases = {
        SUSPENDED: ~portfolio["tradable"].astype(bool),
        NO_TRADE: (upper - lower <= TOLERANCE) & is_kept & portfolio["score"].notna(),
        NO_FORECAST: portfolio["score"].isna(),
        ABOVE: weight > upper + TOLERANCE,
        BELOW: weight < lower - TOLERANCE,
        NOT_BOUGHT: (weight <= TOLERANCE) & is_kept & (upper > TOLERANCE),
        AT_UPPER: weight >= upper - TOLERANCE,
        AT_LOWER: weight <= lower + TOLERANCE,
        KEPT: is_kept & (held > 0),
    }
    chosen = np.select([case.to_numpy(dtype=bool) for case in cases.values()], list(cases), default=BETWEEN)
    return pd.Series(chosen, index=portfolio.index, name="reason")


def with_reasons(portfolio: pd.DataFrame) -> pd.DataFrame:
    """A target portfolio with the reason of each weight, the largest weight first."""
    frame = portfolio.sort_values(["weight", "symbol"], ascending=[False, True], ignore_index=True)
    return frame.assign(reason=weight_reasons(frame))


def binding_limits(states: pd.DataFrame) -> pd.DataFrame:
    """How often each limit binds and what it costs: `BINDING_COLUMNS`, by kind, the dearest first.

    `states` are rows of the table of limits: date, kind, name, price. `at_upper` and `at_lower` are shares of the
    `weeks` that have the limit, `mean_price` is the mean size of the price over these weeks, 0 where it does not bind.
    """
    limits = states[states["kind"] != Budget.kind]  # which always binds: all money is invested
    if limits.empty:
        return pd.DataFrame(columns=list(BINDING_COLUMNS))
    by_limit = limits.assign(
        at_upper=limits["price"] > 0, at_lower=limits["price"] < 0, mean_price=limits["price"].abs()
    ).groupby(["kind", "name"], sort=True)
    figures = by_limit[["at_upper", "at_lower", "mean_price"]].mean()
    figures.insert(0, "weeks", by_limit.size())
    ordered = figures.reset_index().sort_values(["kind", "mean_price", "name"], ascending=[True, False, True])
    return ordered[list(BINDING_COLUMNS)].reset_index(drop=True)
