"""Hundreds of weeks against cvxpy with two solvers of other kinds and other authors.

Clarabel is an interior-point method and GLPK a simplex method; the weekly solver stands on HiGHS. The statement is
written anew from the studies (AI-69, AI-55, Haitong weekly) and shares nothing with the library. Objectives are in
standard deviations of the forecast, of which a portfolio gains about one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import LimitState, PortfolioSolution
from attn_platform.portfolio.solver.solve import solve
from attn_platform_tests.portfolio.reference import EXACT_CLARABEL
from attn_platform_tests.portfolio.streams import Holdings, MarketShape, weeks

OTHER_SOLVERS: dict[str, dict[str, Any]] = {
    cp.CLARABEL: EXACT_CLARABEL,
    cp.GLPK: {"glpk": {"msg_lev": "GLP_MSG_OFF", "tol_bnd": 1e-11, "tol_dj": 1e-11}},
}
WEEKS = 50
TOLERANCE = 1e-9
ORDER = 1e-6  # of prices and reduced scores
SLACK = 1e-11

# Far above GLPK's tolerance on reduced costs, and far below a difference between forecasts that means anything.
PERTURBATION = 1e-7

WHOLE_MARKET = MarketShape(styles=("size", "valuation", "momentum"), universe_share=1.0, unknown_industry_share=0.0)


@dataclass(frozen=True)
class Regime:
    """Limits, a market to meet them in, and what the weeks must be like to test anything.

    `optimal` and `unique` are the least shares of weeks within all limits and, of these, with one optimum.
    """

    limits: PortfolioLimits
    market: MarketShape
    optimal: float = 0.7
    unique: float = 0.9
    turnover_binds: bool = True


REGIMES = {
    "original": Regime(PortfolioLimits(), MarketShape()),
    "relaxed": Regime(
        PortfolioLimits(stock_deviation=0.02, industry_deviation=0.02, style_deviation=0.2, turnover=0.2), MarketShape()
    ),
    "haitong": Regime(
        PortfolioLimits(
            industry_deviation=0, style_deviation=0.8, style_deviations={"valuation": 0, "size": 0.2}, turnover=0.3
        ),
        WHOLE_MARKET,
        turnover_binds=False,
    ),
    "ties": Regime(PortfolioLimits(style_deviation=0.5), MarketShape(score_levels=5), unique=0.0),
    "tight": Regime(
        PortfolioLimits(stock_deviation=0.004, industry_deviation=0.002, style_deviation=0.005, turnover=0.04),
        WHOLE_MARKET,
    ),
    "mandate": Regime(
        PortfolioLimits(
            style_deviation=0.2,
            members_share=0.8,
            cash=0.02,
            no_trade=("600003.SH", "600077.SH"),
            no_buy=("600001.SH", "600008.SH", "600150.SH"),
        ),
        WHOLE_MARKET,
    ),
}


@dataclass(frozen=True)
class Solved:
    """A week with the library's answer."""

    limits: PortfolioLimits
    problem: WeeklyProblem
    solution: PortfolioSolution


def walk(regime: Regime, seed: int) -> Iterator[Solved]:
    """Week after week from an empty book; what is not invested stays what it is."""
    holdings: Holdings | None = None
    for week in weeks(WEEKS, seed, regime.market):
        problem = week.problem(holdings)
        solution = solve(problem, regime.limits)
        yield Solved(regime.limits, problem, solution)
        growth = dict(zip(week.symbols, 1 + week.next_return, strict=True))
        values = {
            str(symbol): weight * growth[symbol]
            for symbol, weight in zip(problem.symbols, solution.weights, strict=True)
            if weight > 0
        }
        equity = 1 - solution.weights.sum() + sum(values.values())
        holdings = {symbol: value / equity for symbol, value in values.items()}


# Of the regimes that differ in their numbers alone, one is enough for every run of the suite.
OFTEN = ("original", "ties", "mandate")
CHOSEN = [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in REGIMES]


@pytest.fixture(scope="module", params=CHOSEN)
def regime(request: pytest.FixtureRequest) -> tuple[Regime, list[Solved]]:
    chosen = REGIMES[request.param]
    return chosen, list(walk(chosen, seed=100 + list(REGIMES).index(request.param)))


def forecast(problem: WeeklyProblem) -> tuple[np.ndarray, float]:
    """[n] forecast in its standard deviations, its mean where there is none, and the standard deviation."""
    known = ~np.isnan(problem.score)
    score = np.where(known, problem.score, problem.score[known].mean())
    return score / score.std(), float(score.std())


def statement(problem: WeeklyProblem, limits: PortfolioLimits, objective: np.ndarray) -> tuple[cp.Problem, cp.Variable]:
    """The week in cvxpy, from the studies' words; maximises `objective` [n] · w."""
    w = cp.Variable(len(problem.symbols))
    b = problem.benchmark
    held = np.zeros(len(b)) if problem.previous is None else problem.previous
    stays = ~problem.tradable | np.isin(problem.symbols, limits.no_trade)
    shrinks = ~stays & (np.isnan(problem.score) | np.isin(problem.symbols, limits.no_buy))
    free = ~stays & ~shrinks
    deepest = np.maximum(b - limits.stock_deviation, 0)
    constraints = [
        cp.sum(w) == 1 - limits.cash,
        w >= 0,
        w[stays] == held[stays],
        w[free] >= deepest[free],
        w[free] <= (b + limits.stock_deviation)[free],
        w[shrinks] >= np.minimum(deepest, held)[shrinks],
        w[shrinks] <= np.minimum(b + limits.stock_deviation, held)[shrinks],
        cp.sum(w[b > 0]) >= limits.members_share,
    ]
    sums = [(problem.industry == code, limits.industry_deviation) for code in set(problem.industry.tolist())]
    sums += [(z, limits.style_deviations.get(name, limits.style_deviation)) for name, z in problem.styles.items()]
    exposure, room = np.array([a for a, _ in sums], dtype=float), np.array([allowed for _, allowed in sums])
    constraints += [exposure @ w <= exposure @ b + room, exposure @ w >= exposure @ b - room]
    if problem.previous is not None:
        constraints.append(cp.norm1(w - held) <= 2 * limits.turnover)
    return cp.Problem(cp.Maximize(objective @ w), constraints), w


def solved_by(solver: str, solved: Solved, objective: np.ndarray) -> tuple[str, float, np.ndarray]:
    """Status, optimum and weights [n] of another solver."""
    problem, w = statement(solved.problem, solved.limits, objective)
    problem.solve(solver=solver, **OTHER_SOLVERS[solver])
    return problem.status, problem.value, w.value


def optimal(walked: list[Solved]) -> list[Solved]:
    return [solved for solved in walked if solved.solution.status == "optimal"]


def test_weeks_hold_what_makes_them_hard(regime: tuple[Regime, list[Solved]]) -> None:
    chosen, walked = regime
    within, limits = optimal(walked), chosen.limits
    assert len(within) >= chosen.optimal * WEEKS
    later = [solved for solved in within if solved.problem.previous is not None]
    assert sum((~each.problem.tradable & (each.problem.held > 0)).any() for each in later) > len(later) / 4
    if chosen.turnover_binds:
        assert sum(each.solution.turnover > limits.turnover - TOLERANCE for each in later) > len(later) / 4
    if limits.members_share:
        shares = np.array([each.solution.weights[each.problem.benchmark > 0].sum() for each in within])
        assert (shares < limits.members_share + TOLERANCE).any()
    for symbol in limits.no_buy:
        assert any(each.solution.weights[each.problem.symbols == symbol].sum() == 0 for each in within)


@pytest.mark.slow
@pytest.mark.parametrize("solver", OTHER_SOLVERS)
def test_the_objective_is_that_of_another_solver(regime: tuple[Regime, list[Solved]], solver: str) -> None:
    for solved in optimal(regime[1]):
        score, deviation = forecast(solved.problem)
        status, optimum, _ = solved_by(solver, solved, score)
        assert status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE)
        assert solved.solution.objective / deviation == pytest.approx(optimum, abs=TOLERANCE, rel=0)


def test_where_a_limit_gave_way_there_is_no_portfolio_within_all(regime: tuple[Regime, list[Solved]]) -> None:
    """By GLPK, whose answer is a proof; an interior-point method this exact only gives up."""
    for solved in regime[1]:
        if solved.solution.status == "relaxed":
            status, _, _ = solved_by(cp.GLPK, solved, forecast(solved.problem)[0])
            assert status == cp.INFEASIBLE


@pytest.mark.slow
def test_weights_are_those_of_another_solver_where_they_are_unique(regime: tuple[Regime, list[Solved]]) -> None:
    """The optimum is unique where neither of two opposite changes of the forecast moves it.

    The changes are random, so that each of several optimal vertices would be the best under one of them.
    """
    chosen, walked = regime
    within, unique = optimal(walked), 0
    for number, solved in enumerate(within):
        score, _ = forecast(solved.problem)
        change = PERTURBATION * np.random.default_rng(number).standard_normal(len(score))
        one, other = (solved_by(cp.GLPK, solved, score + sign * change)[2] for sign in (1, -1))
        if np.abs(one - other).max() > TOLERANCE:
            continue
        unique += 1
        np.testing.assert_allclose(solved.solution.weights, one, atol=TOLERANCE)
    assert unique >= chosen.unique * len(within)


def lexicographic(solved: Solved) -> np.ndarray:
    """[n] the best forecast, with it the least turnover, and with both the earliest symbols, in three solves."""
    problem = solved.problem
    count = len(problem.symbols)
    place = np.arange(count)
    uneven = (place + (place**2 * (np.sqrt(5) - 1) / 2) % 1 / 2) / count
    score, _ = forecast(problem)
    stated, w = statement(problem, solved.limits, score)
    objectives = [score @ w, -cp.norm1(w - problem.held) / 2, -uneven @ w]
    found: list[cp.Constraint] = []
    for objective in objectives:
        stage = cp.Problem(cp.Maximize(objective), [*stated.constraints, *found])
        stage.solve(solver=cp.GLPK, **OTHER_SOLVERS[cp.GLPK])
        found.append(objective >= stage.value - SLACK)
    return np.asarray(w.value)


@pytest.mark.slow
def test_among_equal_forecasts_another_solver_makes_the_same_choice(regime: tuple[Regime, list[Solved]]) -> None:
    """First the forecast, then the turnover, then the order of symbols: one portfolio, which any solver finds.

    Each stage may miss the one before it by `SLACK`, which moves weights by that over a difference between forecasts.
    """
    same = []
    for solved in optimal(regime[1])[::3]:
        score, _ = forecast(solved.problem)
        weights, ours = lexicographic(solved), solved.solution.weights
        same.append(np.abs(ours - weights).max() <= 1e-6)
        assert score @ ours >= score @ weights - TOLERANCE
        if score @ ours <= score @ weights + TOLERANCE:
            turnovers = [np.abs(each - solved.problem.held).sum() / 2 for each in (ours, weights)]
            assert turnovers[0] == pytest.approx(turnovers[1], abs=1e-6)
    assert np.mean(same) >= 0.9


def stock_intervals(problem: WeeklyProblem, limits: PortfolioLimits) -> tuple[np.ndarray, np.ndarray]:
    """[n] least and most weight of each stock, one by one."""
    low, high = [], []
    for i, symbol in enumerate(problem.symbols):
        held, b = problem.held[i], problem.benchmark[i]
        least, most = max(b - limits.stock_deviation, 0.0), b + limits.stock_deviation
        if not problem.tradable[i] or symbol in limits.no_trade:
            least = most = held
        elif np.isnan(problem.score[i]) or symbol in limits.no_buy:
            least, most = min(least, held), min(most, held)
        low.append(least)
        high.append(most)
    return np.array(low), np.array(high)


def row_of(limit: LimitState, problem: WeeklyProblem) -> tuple[np.ndarray, float]:
    """[n] coefficients of a limit on a sum, and the benchmark's own sum."""
    match limit.kind:
        case "budget":
            return np.ones(len(problem.symbols)), 0.0
        case "members":
            return (problem.benchmark > 0).astype(float), 0.0
        case "industry":
            row = (problem.industry == int(limit.name)).astype(float)
        case _:
            row = problem.styles[limit.name]
    return row, float(row @ problem.benchmark)


def priced(solved: Solved) -> tuple[list[tuple[np.ndarray, float, LimitState]], float]:
    """Rows with center and state, and the price of turnover."""
    rows = [(*row_of(limit, solved.problem), limit) for limit in solved.solution.limits if limit.kind != "turnover"]
    tolls = [limit.price for limit in solved.solution.limits if limit.kind == "turnover"]
    return rows, tolls[0] if tolls else 0.0


def test_prices_of_the_limits_prove_the_optimum(regime: tuple[Regime, list[Solved]]) -> None:
    """No portfolio has more than the dual value, which the prices bound without any solver; ours has as much."""
    for solved in optimal(regime[1]):
        problem, limits = solved.problem, solved.limits
        score, deviation = problem.expected_score, float(problem.expected_score.std())
        rows, toll = priced(solved)
        assert toll >= 0
        dual = toll * limits.turnover if problem.previous is not None else 0.0
        gain = score
        for row, center, limit in rows:
            if limit.price:
                dual += limit.price * (center + (limit.upper if limit.price > 0 else limit.lower))
                gain = gain - limit.price * row
        low, high = stock_intervals(problem, limits)
        corners = np.stack([low, high, np.clip(problem.held, low, high)])
        dual += (gain * corners - toll / 2 * np.abs(corners - problem.held)).max(axis=0).sum()
        assert dual / deviation == pytest.approx(score @ solved.solution.weights / deviation, abs=TOLERANCE, rel=0)


def test_reduced_scores_are_what_the_prices_leave(regime: tuple[Regime, list[Solved]]) -> None:
    for solved in optimal(regime[1]):
        problem, solution = solved.problem, solved.solution
        score, deviation = forecast(problem)
        rows, toll = priced(solved)
        low, high = stock_intervals(problem, solved.limits)
        np.testing.assert_allclose(solution.lower, low, atol=1e-15)
        np.testing.assert_allclose(solution.upper, high, atol=1e-15)
        change = solution.weights - problem.held
        paid = sum((limit.price * row for row, _, limit in rows), toll / 2 * np.sign(change))
        left, reduced = score - paid / deviation, solution.reduced_score / deviation
        traded = np.abs(change) > TOLERANCE
        np.testing.assert_allclose(reduced[traded], left[traded], atol=ORDER)
        between = (solution.weights > low + TOLERANCE) & (solution.weights < high - TOLERANCE)
        assert (reduced[between] == 0).all()
        assert (reduced[np.abs(solution.weights - high) > TOLERANCE] < ORDER).all()
        assert (reduced[np.abs(solution.weights - low) > TOLERANCE] > -ORDER).all()
