"""The platform's weeks: the problem from what is held, its solution, and the simulator to the next rebalance."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from attn_platform.backtest.account import open_account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import advance
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.solve import solve
from portfolio_peers.generated_market import GeneratedMarket, forecasts


@dataclass(frozen=True)
class Solved:
    """One week, and the seconds that `solve` took."""

    problem: WeeklyProblem
    solution: PortfolioSolution
    seconds: float


def walk(market: GeneratedMarket, limits: PortfolioLimits, seed: int) -> Iterator[Solved]:
    """Rebalance in every week, from an account in cash; `seed` is that of the forecasts."""
    config = BacktestConfig()
    symbols = market.bars.symbols
    sessions = market.bars.sessions[market.rebalances]
    account, target = open_account(sessions[0], config.initial_capital), None
    for week, (session, forecast) in enumerate(zip(sessions, forecasts(len(symbols), seed), strict=False)):
        held = None
        if target is not None:
            account, _ = advance(account, target, market.bars, session, config)
            held = account.weights().reindex(symbols, fill_value=0.0).to_numpy()
        problem = WeeklyProblem(
            symbols=symbols,
            score=forecast,
            benchmark=market.benchmark[week],
            previous=held,
            industry=market.industry,
            styles={"size": market.style[week]},
            tradable=market.bars["is_suspended"][market.rebalances[week]] == 0,
        )
        started = time.perf_counter()
        solution = solve(problem, limits)
        yield Solved(problem, solution, time.perf_counter() - started)
        invested = solution.weights > 0
        target = pd.Series(solution.weights[invested], index=symbols[invested])
