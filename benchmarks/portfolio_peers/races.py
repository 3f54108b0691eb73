"""The measurements of benchmarks/portfolio.py."""

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import run_backtest
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from portfolio_peers.cvxpy_users import CvxpyUser, Rebuilt, WithParameters
from portfolio_peers.generated_market import GeneratedMarket, load_market
from portfolio_peers.platform_walk import walk

logging.getLogger("attn_platform").setLevel(logging.ERROR)  # weeks with relaxed limits are counted instead

ORIGINAL = PortfolioLimits()
# AI-69's two columns and the Haitong weekly's, in turn.
COLUMNS = (
    ORIGINAL,
    RELAXED_LIMITS,
    PortfolioLimits(industry_deviation=0, style_deviation=0.8, style_deviations={"size": 0.2}, turnover=0.3),
)
AGREEMENT = 1e-6  # standard deviations of the forecast: solvers' own default tolerances
AT_LIMIT = 1e-9


@dataclass
class Times:
    """Of one side of the race, over the weeks that it solved."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0
    largest_gap: float = 0.0

    def quantile(self, share: float) -> float:
        """Seconds below which the share of the weeks stays."""
        return float(np.quantile(self.seconds, share))

    @property
    def mean(self) -> float:
        """Seconds a week."""
        return float(np.mean(self.seconds))


@dataclass(frozen=True)
class SolverRace:
    """The platform and the peers on the same weeks; shares are of the platform's weeks."""

    platform: Times
    peers: Mapping[str, Times]
    solvers: Mapping[str, str]
    relaxed: int
    turnover_binds: float
    holdings: float


def race_of_solvers(market: GeneratedMarket, weeks_of_rebuilt: int) -> SolverRace:
    """Every week of one strategy: the platform, then the peers on the week that the platform has met.

    The first week compiles what is compiled and is not timed. Where the platform had to relax a limit the peers have no
    answer, and the week does not count for them.
    """
    platform, relaxed, binding, holdings = Times(), 0, 0, []
    users: dict[str, CvxpyUser] = {}
    peers: dict[str, Times] = {}
    spacing = max(1, len(market.rebalances) // weeks_of_rebuilt)
    for number, week in enumerate(tqdm(walk(market, ORIGINAL, seed=0), total=len(market.rebalances), unit="week")):
        if number == 0:
            users = {"rebuilt": Rebuilt(ORIGINAL), "parameters": WithParameters(ORIGINAL, week.problem)}
            peers = {name: Times() for name in users}
            continue
        platform.seconds.append(week.seconds)
        holdings.append(int((week.solution.weights > 0).sum()))
        binding += week.solution.turnover is not None and week.solution.turnover > ORIGINAL.turnover - AT_LIMIT
        if week.solution.status == "relaxed":
            relaxed += 1
            continue
        for name, user in users.items():
            if name == "rebuilt" and number % spacing and number > 1:
                continue
            started = time.perf_counter()
            weights = user.weights(week.problem)
            seconds = time.perf_counter() - started
            if number == 1:
                continue
            if weights is None:
                peers[name].failures += 1
                continue
            gap = abs(week.problem.score @ (week.solution.weights - weights)) / week.problem.score.std()
            if gap > AGREEMENT:
                raise ValueError(f"week {number}: the platform and cvxpy ({name}) differ by {gap:.1e}")
            peers[name].largest_gap = max(peers[name].largest_gap, float(gap))
            peers[name].seconds.append(seconds)
    return SolverRace(
        platform=platform,
        peers=peers,
        solvers={name: user.solver_name() for name, user in users.items()},
        relaxed=relaxed,
        turnover_binds=binding / len(platform.seconds),
        holdings=float(np.median(holdings)),
    )


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, whatever threads a solver starts."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@dataclass(frozen=True)
class StrategiesRun:
    """Many strategies: wall time of all, and in the processes, time in `solve` alone; weeks that were relaxed."""

    seconds: float
    solving: float
    relaxed: int


def run_strategies(folder: Path, strategies: int, processes: int) -> StrategiesRun:
    """Solve and simulate every week of `strategies` strategies in as many processes as are asked for.

    The time includes starting the processes.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.perf_counter()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        done = list(tqdm(pool.map(partial(_strategy, folder), range(strategies)), total=strategies, unit="strategy"))
    return StrategiesRun(time.perf_counter() - started, sum(s for s, _ in done), sum(r for _, r in done))


def _strategy(folder: Path, number: int) -> tuple[float, int]:
    """Seconds in `solve` and relaxed weeks of one strategy."""
    weeks = walk(load_market(folder), COLUMNS[number % len(COLUMNS)], seed=number)
    solving, relaxed = zip(*((week.seconds, week.solution.status == "relaxed") for week in weeks), strict=True)
    return sum(solving), sum(relaxed)


def backtest_seconds(market: GeneratedMarket, holdings: int, config: BacktestConfig) -> float:
    """Of `run_backtest` over all sessions of the market, new targets every week, the ledger's frames included."""
    random = np.random.default_rng(0)
    symbols, sessions = market.bars.symbols, market.bars.sessions
    targets = {
        sessions[row]: pd.Series(
            random.dirichlet(np.full(holdings, 20.0)),
            index=np.sort(random.choice(symbols, holdings, replace=False)),
        )
        for row in market.rebalances
    }
    returns = market.benchmark_returns()
    started = time.perf_counter()
    run_backtest(targets, market.bars, returns, config)
    return time.perf_counter() - started
