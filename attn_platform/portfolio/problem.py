"""The weekly portfolio problem: all that is known at a rebalance.

    maximise  score · w    subject to    Σ w = 1 − cash,  w ≥ 0  and the limits of the strategy (`limits`)

The formulation is that of Huatai AI-69 and AI-55 (CSI 500 enhanced portfolio, rebalanced every 5 sessions) and, with
other limits, that of the Haitong weekly (CSI 500 and CSI 1000 AI enhanced portfolios). Weights are fractions of the
portfolio's value; `active weight` is the weight less the benchmark's; a style exposure is Σ active weight × z-score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attn_platform.errors import PortfolioError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

UNKNOWN_INDUSTRY = -1
UNKNOWN = "unknown"

# Accuracy to which every limit holds; the asset check on the portfolios uses the same figure.
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class WeeklyProblem:
    """All that one rebalance knows. One row a stock: the candidates, what is held, and every benchmark member.

    Args:
        symbols: [n] sorted, each once. The order decides between stocks with equal forecasts and equal turnover.
        score: [n] forecast; NaN = no forecast. Such a stock can only be sold down and counts with the mean forecast,
            so that the answer does not depend on where the scores have their zero.
        benchmark: [n] benchmark weights, summing to 1; 0 for other stocks.
        previous: [n] weights as they have drifted to the day, or None for the first portfolio, which has no turnover
            limit. A sum below 1 is cash, which gets invested. A weight of −1e-12 is one of 0.
        industry: [n] codes. Stocks of unknown industry (−1) are one group with the limit of any other, so that a hole
            in the data gives no room for a bet.
        styles: name → [n] z-scores. A missing one counts as 0, the average stock.
        tradable: [n] False keeps its previous weight to the bit (0 when not held), whatever its stock limit says.
        closing: [n] True where the stock is about to be delisted: it can only be sold down, as one without a forecast.
            None: none is.
        returns: [L, n] close-to-close returns of the L sessions up to the day, NaN where there is none; None where no
            term of the objective asks for them.
        industries: names of the industries by code; None: their codes are their names.

    Raises:
        PortfolioError: the arrays do not fit together or hold impossible values.
    """

    symbols: NDArray[np.str_]
    score: FloatArray
    benchmark: FloatArray
    previous: FloatArray | None
    industry: IntArray
    styles: Mapping[str, FloatArray]
    tradable: BoolArray
    closing: BoolArray | None = None
    returns: FloatArray | None = None
    industries: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        symbols = np.asarray(self.symbols, dtype=np.str_)
        n = len(symbols)
        if n == 0 or not (symbols[1:] > symbols[:-1]).all():
            raise PortfolioError("weekly problem: symbols must be sorted, each once, and at least one; sort the rows")
        styles = {name: _array(f"style {name}", z, n, np.float64) for name, z in self.styles.items()}
        columns = {
            "symbols": symbols,
            "score": _array("score", self.score, n, np.float64),
            "benchmark": _without_dust(_array("benchmark", self.benchmark, n, np.float64)),
            "previous": None
            if self.previous is None
            else _without_dust(_array("previous", self.previous, n, np.float64)),
            "industry": _array("industry", self.industry, n, np.int64),
            "styles": {name: np.where(np.isnan(z), 0.0, z) for name, z in styles.items()},
            "tradable": _array("tradable", self.tradable, n, np.bool_),
            "closing": np.zeros(n, np.bool_) if self.closing is None else _array("closing", self.closing, n, np.bool_),
        }
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        if self.returns is not None and (self.returns.ndim != 2 or self.returns.shape[1] != n):
            raise PortfolioError(f"weekly problem: returns have shape {self.returns.shape}, but there are {n} symbols")
        self._check()

    def _check(self) -> None:
        if self.industries is not None:
            beyond = (self.industry < UNKNOWN_INDUSTRY) | (self.industry >= len(self.industries))
            _reject("industry", self.symbols, beyond, f"none of the {len(self.industries)} named")
        for name, z in self.styles.items():
            _reject(f"style {name}", self.symbols, np.isinf(z), "infinite")
        _reject("score", self.symbols, np.isinf(self.score), "infinite")
        for name, weights in (("benchmark", self.benchmark), ("previous", self.held)):
            _reject(name, self.symbols, ~(np.isfinite(weights) & (weights >= 0)), "negative or missing")
        if np.isnan(self.score).all():
            raise PortfolioError("weekly problem: no stock has a forecast; the predictions of the day are missing")
        if abs(self.benchmark.sum() - 1) > TOLERANCE:
            raise PortfolioError(
                f"weekly problem: benchmark weights sum to {self.benchmark.sum():.8f}, not 1; "
                "give every member a row and scale the weights"
            )
        if self.held.sum() > 1 + TOLERANCE:
            raise PortfolioError(f"weekly problem: previous weights sum to {self.held.sum():.8f}, more than 1")

    @cached_property
    def held(self) -> FloatArray:
        """[n] previous weights; zeros for the first portfolio."""
        return np.zeros(len(self.symbols)) if self.previous is None else self.previous

    def industry_name(self, code: int) -> str:
        """Name of an industry by its code, in tables and in limits."""
        if self.industries is None:
            return str(code)
        return UNKNOWN if code == UNKNOWN_INDUSTRY else self.industries[code]

    @cached_property
    def expected_score(self) -> FloatArray:
        """[n] the objective's coefficients: the score, and the mean score where there is no forecast."""
        return np.where(np.isnan(self.score), np.nanmean(self.score), self.score)


def _array(name: str, values: Any, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    """`values` as an array [n], or an error that names the column. Only casts that lose nothing are made."""
    column = np.asarray(values)
    if column.shape != (n,):
        raise PortfolioError(f"weekly problem: {name} has shape {column.shape}, but there are {n} symbols")
    if not np.can_cast(column.dtype, dtype):
        raise PortfolioError(f"weekly problem: {name} has type {column.dtype}; make it {dtype.__name__}")
    return column.astype(dtype)


def _without_dust(weights: FloatArray) -> FloatArray:
    """Weights [n], those that rounding has left below 0 set to 0."""
    return np.where((weights < 0) & (weights >= -TOLERANCE), 0.0, weights)


def _reject(name: str, symbols: NDArray[np.str_], bad: BoolArray, what: str) -> None:
    """Raise when any row of column `name` is `bad`, naming the first."""
    if bad.any():
        raise PortfolioError(f"weekly problem: {name} is {what} for {bad.sum()} stocks, first {symbols[bad][0]}")
