"""The weekly portfolio problem: its limits, what is known when it is posed, and the shape of its answer.

    maximise  score · w    subject to    Σ w = 1 − cash,  w ≥ 0  and the limits of `PortfolioLimits`

The formulation is that of Huatai AI-69 and AI-55 (CSI 500 enhanced portfolio, rebalanced every 5 sessions) and, with
other limits, that of the Haitong weekly (CSI 500 and CSI 1000 AI enhanced portfolios). Weights are fractions of the
portfolio's value; `active weight` is the weight less the benchmark's; a style exposure is Σ active weight × z-score.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from attn_platform.errors import PortfolioError
from attn_platform.market.codes import a_share

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Symbol = Annotated[str, AfterValidator(a_share)]
LimitKind = Literal["turnover", "style", "industry", "members", "stock"]

UNKNOWN_INDUSTRY = -1

# Accuracy to which every limit holds; the asset check on the portfolios uses the same figure.
TOLERANCE = 1e-6


class PortfolioLimits(BaseModel):
    """Limits of the weekly problem. The defaults are the original ones of AI-69 and AI-55."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stock_deviation: float = Field(0.01, ge=0, le=1)  # |w − b| of a stock. AI-69 relaxed: 0.02; Haitong: 0.01
    industry_deviation: float = Field(0.01, ge=0, le=1)  # |Σ (w − b)|, CITIC level 1. AI-69 relaxed: 0.02; Haitong: 0
    style_deviation: float = Field(0.01, ge=0)  # |Σ (w − b) z|, standard deviations. AI-69 relaxed: 0.20; Haitong: 0.8
    style_deviations: dict[str, float] = Field(default_factory=dict)  # by style, instead; Haitong: valuation 0, size 0
    turnover: float = Field(0.15, gt=0, le=1)  # Σ |w − w_prev| / 2, one-way. AI-69 relaxed: 0.20; Haitong: 0.30
    # Least weight in members of the benchmark. The studies have no such limit; Chinese enhanced-index funds hold 80 %.
    members_share: float = Field(0.0, ge=0, le=1)
    cash: float = Field(0.0, ge=0, lt=1)  # share that is not invested; the studies invest all
    no_trade: tuple[Symbol, ...] = ()  # symbols that keep their weight, as suspended ones do
    no_buy: tuple[Symbol, ...] = ()  # symbols that can only be sold down, as those without a forecast
    # What gives way when the limits contradict each other, first to last. A limit left out never gives way.
    relaxation_order: tuple[LimitKind, ...] = ("turnover", "style", "industry", "members", "stock")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.relaxation_order)) < len(self.relaxation_order):
            raise ValueError(f"relaxation_order names a limit twice: {self.relaxation_order}")
        negative = {name: value for name, value in self.style_deviations.items() if not value >= 0}
        if negative:
            raise ValueError(f"style_deviations must be 0 or more: {negative}")
        return self

    def style_limit(self, style: str) -> float:
        """Largest absolute exposure to `style`, in standard deviations."""
        return self.style_deviations.get(style, self.style_deviation)

    def without_styles(self, missing: Collection[str]) -> Self:
        """The limits without those of single styles that cannot be computed."""
        left = {style: limit for style, limit in self.style_deviations.items() if style not in missing}
        return self.model_copy(update={"style_deviations": left})


RELAXED_LIMITS = PortfolioLimits(
    stock_deviation=0.02, industry_deviation=0.02, style_deviation=0.20, turnover=0.20
)  # AI-69, exhibit 24


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
        raise PortfolioError(f"weekly problem: {name} has type {column.dtype}, which is no {dtype.__name__}")
    return column.astype(dtype)


def _without_dust(weights: FloatArray) -> FloatArray:
    """Weights [n], those that rounding has left below 0 set to 0."""
    return np.where((weights < 0) & (weights >= -TOLERANCE), 0.0, weights)


def _reject(name: str, symbols: NDArray[np.str_], bad: BoolArray, what: str) -> None:
    """Raise when any row of column `name` is `bad`, naming the first."""
    if bad.any():
        raise PortfolioError(f"weekly problem: {name} is {what} for {bad.sum()} stocks, first {symbols[bad][0]}")


@dataclass(frozen=True)
class Relaxation:
    """One limit that had to give way.

    `limit` is the kind, `name` the industry code, style or symbol (empty for turnover and members). `reached` is the
    signed active weight, exposure, turnover or share, in the unit of `allowed`.
    """

    limit: str
    name: str
    allowed: float
    reached: float


@dataclass(frozen=True)
class LimitState:
    """One limit on a sum over the stocks, as the solution leaves it.

    `lower` ≤ `value` ≤ `upper` are active weights, exposures, shares or the turnover. `price` is what the objective
    would gain if the limit that binds were one unit higher: positive at the upper limit, negative at the lower one,
    and 0 where none binds. The kind "budget" is Σ w itself.
    """

    kind: str
    name: str
    lower: float
    upper: float
    value: float
    price: float


@dataclass(frozen=True, eq=False)
class PortfolioSolution:
    """Target portfolio of one week, rows as in the problem.

    Attributes:
        weights: [n] sum to 1 − cash, none negative.
        objective: expected_score · weights, and the terms of the objective where there are any.
        status: `optimal` within all limits, or `relaxed`: the best portfolio of least violation.
        relaxations: the limits that gave way, empty when optimal.
        limits: every limit on a sum: the budget, industries, styles, members, turnover.
        lower, upper: [n] the interval of each weight after all rules about single stocks.
        reduced_score: [n] what one more unit of weight would add to the objective once it pays the prices of `limits`:
            positive for a stock at its upper bound, negative at its lower one, 0 between them and for one that stays
            because a trade does not pay for its turnover.
        turnover: one-way, Σ |w − w_prev| / 2; None for the first portfolio.
        iterations: of the solver.
        seconds: wall time of the solve.
    """

    weights: FloatArray
    objective: float
    status: Literal["optimal", "relaxed"]
    relaxations: tuple[Relaxation, ...]
    limits: tuple[LimitState, ...]
    lower: FloatArray
    upper: FloatArray
    reduced_score: FloatArray
    turnover: float | None
    iterations: int
    seconds: float

    def active(self, kind: str) -> dict[str, float]:
        """Name → active weight or exposure of all limits of a kind: "industry", "style"."""
        return {limit.name: limit.value for limit in self.limits if limit.kind == kind}
