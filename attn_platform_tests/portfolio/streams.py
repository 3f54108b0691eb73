"""Streams of weekly problems from a small simulated market, for tests and benchmarks.

The weeks hold what makes real ones awkward: stocks suspended for weeks while the rest drifts, a universe that changes
every quarter, benchmark members outside of it, stocks of unknown industry, holdings that have left the universe, and,
on request, forecasts with many ties.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.solve import solve

Holdings = Mapping[str, float]


@dataclass(frozen=True)
class MarketShape:
    """How the simulated market looks."""

    stocks: int = 220
    members: int = 60
    industries: int = 10
    styles: tuple[str, ...] = ("size",)
    quarter: int = 13  # weeks between changes of universe and benchmark
    universe_share: float = 0.8
    suspension_rate: float = 0.01  # a week, for a stock that trades
    resumption_rate: float = 0.3  # a week, for a suspended stock
    unknown_industry_share: float = 0.01
    score_levels: int | None = None  # this many distinct forecasts, as of a tree; None for continuous ones


@dataclass(frozen=True, eq=False)
class Week:
    """One week of the market; every array has a row for each of its stocks."""

    symbols: np.ndarray
    score: np.ndarray
    universe: np.ndarray
    benchmark: np.ndarray
    industry: np.ndarray
    styles: Mapping[str, np.ndarray]
    tradable: np.ndarray
    next_return: np.ndarray

    def problem(self, holdings: Holdings | None) -> WeeklyProblem:
        """The weekly problem when `holdings` are held before the rebalance."""
        held = np.array([(holdings or {}).get(symbol, 0.0) for symbol in self.symbols])
        rows = self.universe | (held > 0) | (self.benchmark > 0)
        return WeeklyProblem(
            symbols=self.symbols[rows],
            score=np.where(self.universe, self.score, np.nan)[rows],
            benchmark=self.benchmark[rows],
            previous=None if holdings is None else held[rows],
            industry=self.industry[rows],
            styles={name: z[rows] for name, z in self.styles.items()},
            tradable=self.tradable[rows],
        )

    def drifted(self, problem: WeeklyProblem, weights: np.ndarray) -> Holdings:
        """The holdings at the end of the week."""
        returns = dict(zip(self.symbols, self.next_return, strict=True))
        value = np.array([weight * (1 + returns[s]) for s, weight in zip(problem.symbols, weights, strict=True)])
        return {str(s): v / value.sum() for s, v in zip(problem.symbols, value, strict=True) if v > 0}


def weeks(count: int, seed: int, shape: MarketShape | None = None) -> Iterator[Week]:
    """`count` consecutive weeks of a market drawn from `seed`."""
    shape = shape or MarketShape()
    rng = np.random.default_rng(seed)
    n = shape.stocks
    symbols = np.array([f"{600000 + i}.SH" for i in range(n)])
    industry = rng.choice(shape.industries, n, p=rng.dirichlet(np.full(shape.industries, 4.0)))
    industry[rng.random(n) < shape.unknown_industry_share] = -1
    log_value = 22 + 1.2 * rng.standard_normal(n)
    character = {name: rng.standard_normal(n) for name in shape.styles}
    forecast, tradable = rng.standard_normal(n), np.ones(n, dtype=bool)
    universe = member = np.zeros(n, dtype=bool)
    for t in range(count):
        if t % shape.quarter == 0:
            universe = rng.random(n) < shape.universe_share
            member = np.zeros(n, dtype=bool)
            member[np.argsort(-log_value - 0.3 * rng.standard_normal(n))[: shape.members]] = True
        forecast = 0.8 * forecast + 0.6 * rng.standard_normal(n)
        tradable = np.where(tradable, rng.random(n) >= shape.suspension_rate, rng.random(n) < shape.resumption_rate)
        float_value = np.minimum(np.exp(log_value), np.quantile(np.exp(log_value), 0.97)) * member
        styles = {name: values + 0.05 * rng.standard_normal(n) for name, values in character.items()}
        if "size" in styles:
            styles["size"] = log_value
        next_return = np.where(
            tradable, 0.01 * rng.standard_normal() + 0.045 * rng.standard_normal(n) + 0.002 * forecast, 0.0
        )
        yield Week(
            symbols=symbols,
            score=0.01 * _with_levels(forecast, shape.score_levels),
            universe=universe,
            benchmark=float_value / float_value.sum(),
            industry=industry,
            styles={name: (z - z.mean()) / z.std() for name, z in styles.items()},
            tradable=tradable,
            next_return=next_return,
        )
        log_value = log_value + np.log1p(np.clip(next_return, -0.4, 0.6))


def _with_levels(forecast: np.ndarray, levels: int | None) -> np.ndarray:
    if levels is None:
        return forecast
    edges = np.quantile(forecast, np.linspace(0, 1, levels + 1)[1:-1])
    return np.searchsorted(edges, forecast).astype(float)


def walk(stream: Iterator[Week], limits: PortfolioLimits) -> Iterator[tuple[WeeklyProblem, PortfolioSolution]]:
    """Rebalance week after week from an empty book, carrying the drifted holdings."""
    holdings = None
    for week in stream:
        problem = week.problem(holdings)
        solution = solve(problem, limits)
        yield problem, solution
        holdings = week.drifted(problem, solution.weights)
