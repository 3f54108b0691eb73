"""What can be done with each stock at all: sold short never, bought with a forecast only, traded unless suspended.

These rules come before the stock limit of `benchmark_deviation` and never give way. A member of the benchmark without
a forecast is outside the universe, and can only be sold down (AI-69, AI-55).
"""

from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.constraints.base import StockConstraint
from attn_platform.portfolio.problem import BoolArray, FloatArray, WeeklyProblem


@dataclass(frozen=True)
class Holdings(StockConstraint):
    """0 ≤ w; w = w_prev where a stock cannot be traded; w ≤ w_prev where it cannot be bought.

    `no_trade` and `no_buy` are symbols of the user's, beside the week's suspensions, stocks without forecast, and those
    about to be delisted.
    """

    no_trade: tuple[str, ...] = ()
    no_buy: tuple[str, ...] = ()

    def can_trade(self, week: WeeklyProblem) -> BoolArray:
        """[n] stocks whose weight may change."""
        return week.tradable & ~np.isin(week.symbols, self.no_trade)

    def can_buy(self, week: WeeklyProblem) -> BoolArray:
        """[n] stocks whose weight may rise."""
        allowed = ~np.isnan(week.score) & ~np.isin(week.symbols, self.no_buy)
        return self.can_trade(week) & (allowed if week.closing is None else allowed & ~week.closing)

    def bounds(self, week: WeeklyProblem) -> tuple[FloatArray, FloatArray]:
        """Floor and cap [n] of the weights."""
        held = week.held
        return np.where(self.can_trade(week), 0.0, held), np.where(self.can_buy(week), 1.0, held)
