"""Single weeks against cvxportfolio, whose users would state the same problem with its own constraints."""

import cvxportfolio as cvx
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform_tests.portfolio.reference import EXACT_CLARABEL
from attn_platform_tests.portfolio.streams import MarketShape, walk, weeks

CASH, DAY = "cash", pd.Timestamp("2020-01-02")
MONEY = 1e8
STYLES = ("size", "valuation")
LIMITS = {
    "original": PortfolioLimits(),
    "relaxed": PortfolioLimits(stock_deviation=0.02, industry_deviation=0.02, style_deviation=0.2, turnover=0.2),
    "cash": PortfolioLimits(style_deviations={"valuation": 0.2}, turnover=0.3, cash=0.02),
    "members": PortfolioLimits(style_deviation=0.2, turnover=0.3, members_share=0.7),
}


def cvxportfolio_weights(problem: WeeklyProblem, limits: PortfolioLimits) -> np.ndarray:
    """The weights [n] that cvxportfolio's single-period optimisation trades to."""
    symbols, benchmark = pd.Index(problem.symbols), problem.benchmark
    has_forecast = ~np.isnan(problem.score)
    scores = pd.Series(np.where(has_forecast, problem.score, problem.score[has_forecast].mean()), symbols)
    held = np.zeros(len(symbols)) if problem.previous is None else problem.previous
    frozen, sold_only = ~problem.tradable, problem.tradable & ~has_forecast

    room_above = np.where(frozen, 1.0, limits.stock_deviation)
    room_below = np.where(frozen, 1.0, limits.stock_deviation)
    room_below[sold_only] = np.maximum(room_below, benchmark - held)[sold_only]
    sums = {f"industry {code}": (problem.industry == code).astype(float) for code in set(problem.industry.tolist())}
    room = dict.fromkeys(sums, limits.industry_deviation)
    for name, z in problem.styles.items():
        sums[name], room[name] = z, limits.style_deviations.get(name, limits.style_deviation)
    exposures, allowed = pd.DataFrame(sums, symbols), pd.Series(room)
    center = exposures.T @ benchmark
    constraints = [
        cvx.LongOnly(),
        cvx.FixedImbalance(1 - limits.cash),
        cvx.MaxBenchmarkDeviation(pd.Series(room_above, symbols)),
        cvx.MinBenchmarkDeviation(pd.Series(-room_below, symbols)),
        cvx.MaxWeights(pd.Series(np.where(sold_only, held, 1.0), symbols)),
        cvx.FactorMaxLimit(exposures, center + allowed),
        cvx.FactorMinLimit(exposures, center - allowed),
        cvx.FactorMinLimit(pd.Series((benchmark > 0).astype(float), symbols), limits.members_share),
        *(cvx.NoTrade(symbol, [DAY]) for symbol in symbols[frozen]),
    ]
    if problem.previous is not None:
        constraints.append(cvx.TurnoverLimit(limits.turnover))
    policy = cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(scores),
        constraints,
        include_cash_return=False,
        benchmark=pd.Series(np.append(benchmark, 0.0), [*symbols, CASH]),
        solver=cp.CLARABEL,
        **EXACT_CLARABEL,
    )
    holdings = MONEY * pd.Series(np.append(held, 1 - held.sum()), [*symbols, CASH])
    trades, _, _ = policy.execute(holdings, market_data=None, t=DAY)
    return ((holdings + trades) / MONEY)[symbols].to_numpy()


@pytest.mark.parametrize("name", LIMITS)
def test_single_weeks_are_those_of_cvxportfolio(name: str) -> None:
    limits = LIMITS[name]
    solved: list[tuple[WeeklyProblem, PortfolioSolution]] = [
        week
        for week in walk(weeks(6, 40, MarketShape(styles=STYLES, universe_share=0.97)), limits)
        if week[1].status == "optimal"
    ]
    assert len(solved) >= 3
    assert any((~problem.tradable & (problem.held > 0)).any() for problem, _ in solved)
    for problem, solution in solved:
        weights = cvxportfolio_weights(problem, limits)
        assert problem.expected_score @ weights == pytest.approx(solution.objective, abs=1e-11)
        np.testing.assert_allclose(weights, solution.weights, atol=1e-8)
