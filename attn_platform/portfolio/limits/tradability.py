"""What can be done with each stock at all: sold short never, bought with a forecast only, traded unless suspended.

These rules come before the stock limit and are never relaxed. A member of the benchmark without a forecast is outside
the universe, and can only be sold down (AI-69, AI-55).
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from attn_platform.market.codes import a_share
from attn_platform.portfolio.limits.base import Bounds, Relaxed, WeightLimit
from attn_platform.portfolio.problem import TOLERANCE, BoolArray, FloatArray, WeeklyProblem

Symbol = Annotated[str, AfterValidator(a_share)]


class Tradability(WeightLimit):
    """0 ≤ w; w = w_prev where a stock cannot be traded; w ≤ w_prev where it cannot be bought.

    `no_trade` and `no_buy` are symbols of the user's, beside the week's suspensions, stocks without forecast, and those
    about to be delisted.
    """

    kind = "tradability"

    no_trade: tuple[Symbol, ...] = Field((), description="symbols that keep their weight, as suspended ones do")
    no_buy: tuple[Symbol, ...] = Field((), description="symbols that can only be sold down, as without a forecast")

    def can_trade(self, problem: WeeklyProblem) -> BoolArray:
        """[n] stocks whose weight may change."""
        return problem.tradable & ~np.isin(problem.symbols, self.no_trade)

    def can_buy(self, problem: WeeklyProblem) -> BoolArray:
        """[n] stocks whose weight may rise."""
        allowed = ~np.isnan(problem.score) & ~np.isin(problem.symbols, self.no_buy)
        return self.can_trade(problem) & (allowed if problem.closing is None else allowed & ~problem.closing)

    def bounds(self, problem: WeeklyProblem, lower: FloatArray, upper: FloatArray) -> Bounds:
        """Floor and cap [n] of the weights."""
        held = problem.held
        return np.where(self.can_trade(problem), lower, held), np.where(self.can_buy(problem), upper, held)

    @classmethod
    def failures(cls, portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed) -> Iterator[str]:
        """Weights below 0, suspended stocks that were traded, and stocks without a forecast that were bought."""
        change = portfolio["weight"] - portfolio["held_weight"]
        cases = {
            "is sold short": portfolio["weight"] < -TOLERANCE,
            "is suspended and traded": ~portfolio["tradable"].astype(bool) & (change.abs() > TOLERANCE),
            "has no forecast and is bought": portfolio["score"].isna() & (change > TOLERANCE),
        }
        for what, is_broken in cases.items():
            for row in portfolio[is_broken].itertuples():
                yield f"{row.date}: {row.symbol} {what}: {row.held_weight:.8f} held, {row.weight:.8f} targeted"
