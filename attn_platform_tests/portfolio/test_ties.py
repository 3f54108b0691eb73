"""Equal forecasts trade nothing: weeks by hand, and drawn ones against three solves by another solver."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.portfolio.extension import TermConfig, extension_of, known_functions
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solver.convex import cvxpy_problem
from attn_platform.portfolio.solver.solve import solve
from attn_platform.portfolio.solver.ties import preferences
from attn_platform_tests.portfolio.reference import EXACT_HIGHS
from attn_platform_tests.portfolio.small_weeks import small

WIDE = PortfolioLimits(stock_deviation=0.2, industry_deviation=1, turnover=1)
BENCHMARK = [0.2] * 5


@pytest.mark.parametrize("score", [0.0, 0.1, 1 / 3, -7e5])
def test_all_forecasts_equal_trades_nothing(score: float) -> None:
    held = [0.35, 0.0, 0.25, 0.15, 0.25]
    solution = solve(small([score] * 5, BENCHMARK, previous=held), WIDE)
    assert solution.weights.tolist() == held
    assert solution.turnover == 0.0


def test_forecasts_that_differ_by_rounding_are_equal() -> None:
    held = [0.35, 0.0, 0.25, 0.15, 0.25]
    scores = [0.1 + 0.2, 0.3, 0.6 / 2, 0.3, 0.1 * 3]
    assert len(set(scores)) > 1
    assert solve(small(scores, BENCHMARK, previous=held), WIDE).weights.tolist() == held


def test_what_is_held_wins_among_equal_forecasts() -> None:
    """The last stock is to be sold for the best; the second, not held, is as good as the third, which is."""
    problem = small([2, 1, 1, 1, 0], BENCHMARK, previous=[0.3, 0.0, 0.4, 0.2, 0.1])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.2, turnover=1))
    np.testing.assert_allclose(solution.weights, [0.4, 0.0, 0.4, 0.2, 0.0], atol=1e-15)
    assert solution.turnover == pytest.approx(0.1, abs=1e-15)


def test_no_difference_between_forecasts_is_too_small_to_be_traded_for() -> None:
    """The first two differ by 10⁻⁷ of a standard deviation."""
    problem = small([1 + 1e-7, 1, 3, -1, -1], BENCHMARK, previous=[0.0, 0.2, 0.4, 0.2, 0.2])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.2, turnover=0.2))
    np.testing.assert_allclose(solution.weights, [0.2, 0.2, 0.4, 0.2, 0.0], atol=1e-15)
    swapped = small([1 + 1e-7, 1, 3, -1, -1], BENCHMARK, previous=[0.0, 0.4, 0.4, 0.2, 0.0])
    solution = solve(swapped, PortfolioLimits(stock_deviation=0.2, turnover=1))
    np.testing.assert_allclose(solution.weights, [0.4, 0.2, 0.4, 0.0, 0.0], atol=1e-15)


def test_a_trade_that_a_limit_forces_is_made_with_the_least_turnover() -> None:
    """The first stock has drifted 0.05 over its limit; all that have room are as good, and the earliest gets it."""
    problem = small([1] * 5, BENCHMARK, previous=[0.45, 0.1, 0.15, 0.15, 0.15])
    solution = solve(problem, WIDE)
    np.testing.assert_allclose(solution.weights, [0.4, 0.15, 0.15, 0.15, 0.15], atol=1e-15)


def test_where_limits_give_way_equal_forecasts_trade_no_more_than_they_must() -> None:
    """A suspended stock fills its industry beyond its limit; the others are equally good, and stay."""
    held = [0.5, 0.2, 0.1, 0.1, 0.1]
    problem = small(
        [1] * 5, BENCHMARK, previous=held, industry=[0, 1, 1, 2, 2], tradable=[False, True, True, True, True]
    )
    solution = solve(problem, PortfolioLimits(stock_deviation=0.3, industry_deviation=0.2, turnover=1))
    assert {each.limit for each in solution.relaxations} == {"industry"}
    assert solution.weights.tolist() == held


def test_a_first_portfolio_of_equal_forecasts_goes_by_the_order_of_symbols() -> None:
    solution = solve(small([1] * 5, BENCHMARK), PortfolioLimits(stock_deviation=0.1))
    np.testing.assert_allclose(solution.weights, [0.3, 0.3, 0.2, 0.1, 0.1], atol=1e-15)


def test_terms_of_ones_own_keep_what_is_held_and_as_good() -> None:
    held = [0.35, 0.0, 0.25, 0.15, 0.25]
    free = extension_of(known_functions(), [], [TermConfig(name="trading_cost", parameters={"rate": 0.0})])
    equal = solve(small([0.1] * 5, BENCHMARK, previous=held), WIDE, free)
    assert equal.weights.tolist() == held
    better = solve(small([0.1, 0.1, 0.1, 0.1, 0.2], BENCHMARK, previous=held), WIDE, free)
    assert better.weights[4] == pytest.approx(0.4, abs=1e-7)


def test_preferences_fall_unevenly() -> None:
    falls = -np.diff(preferences(500)) * 500
    assert (falls > 0.5).all()
    assert (falls < 1.5).all()
    assert len(np.unique(np.round(falls, 9))) == 499


@st.composite
def weeks_of_ties(draw: st.DrawFn) -> tuple[WeeklyProblem, PortfolioLimits]:
    n = draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    previous = rng.dirichlet(np.ones(n)) * (rng.random(n) < 0.6)
    problem = small(
        score=rng.integers(0, draw(st.integers(1, 3)), n),
        benchmark=np.full(n, 1 / n),
        previous=previous / previous.sum() if previous.sum() > 0 else np.full(n, 1 / n),
        industry=rng.integers(0, 3, n),
        tradable=rng.random(n) < 0.9,
        size=rng.integers(-1, 2, n).astype(float),
    )
    deviation = st.sampled_from([0.05, 0.3, 1.0])
    return problem, PortfolioLimits(
        stock_deviation=draw(deviation),
        industry_deviation=draw(deviation),
        style_deviation=draw(deviation),
        turnover=draw(st.sampled_from([0.1, 0.5, 1.0])),
    )


@settings(max_examples=60, deadline=None)
@given(weeks_of_ties())
def test_the_least_turnover_among_the_best_by_another_solver(week: tuple[WeeklyProblem, PortfolioLimits]) -> None:
    problem, limits = week
    solution = solve(problem, limits)
    stated, weights = cvxpy_problem(problem, limits)
    stated.solve(solver=cp.HIGHS, highs_options=EXACT_HIGHS)
    if solution.status == "relaxed":
        return
    best = problem.score @ weights >= stated.value - 1e-9
    traded = cp.Problem(cp.Minimize(cp.norm1(weights - problem.held) / 2), [*stated.constraints, best])
    traded.solve(solver=cp.HIGHS, highs_options=EXACT_HIGHS)
    assert solution.objective == pytest.approx(stated.value, abs=1e-8)
    assert solution.turnover == pytest.approx(traded.value, abs=1e-7)
