"""Shadow prices against finite differences of whole solves, and the sum that explains each stock."""

from collections.abc import Callable

import numpy as np
import pytest

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.solve import solve
from attn_platform_tests.portfolio.reference import assert_explained
from attn_platform_tests.portfolio.small_weeks import small
from attn_platform_tests.portfolio.streams import MarketShape, walk, weeks

LIMITS = PortfolioLimits(members_share=0.9, cash=0.01, style_deviation=0.02, turnover=0.02)
STEP = 1e-6


@pytest.fixture(scope="module")
def walked() -> list[tuple[WeeklyProblem, PortfolioSolution]]:
    shape = MarketShape(stocks=160, members=40, industries=6)
    return [pair for pair in walk(weeks(14, 5, shape), LIMITS) if pair[1].status == "optimal"][1:]


def price(solution: PortfolioSolution, kind: str) -> float:
    """The sum of |prices| of a kind: what its limits together gain by one unit more room."""
    return sum(abs(state.price) for state in solution.limits if state.kind == kind)


@pytest.mark.parametrize(
    ("kind", "wider"),
    [
        ("turnover", lambda limits: {"turnover": limits.turnover + STEP}),
        ("industry", lambda limits: {"industry_deviation": limits.industry_deviation + STEP}),
        ("style", lambda limits: {"style_deviation": limits.style_deviation + STEP}),
        ("members", lambda limits: {"members_share": limits.members_share - STEP}),
    ],
)
def test_a_price_is_the_gain_by_more_room(
    walked: list[tuple[WeeklyProblem, PortfolioSolution]], kind: str, wider: Callable[[PortfolioLimits], dict]
) -> None:
    binding = 0
    for problem, solution in walked:
        more = solve(problem, LIMITS.model_copy(update=wider(LIMITS)))
        assert (more.objective - solution.objective) / STEP == pytest.approx(price(solution, kind), rel=1e-4, abs=1e-6)
        binding += price(solution, kind) > 1e-6
    assert binding >= len(walked) // 2


def test_the_price_of_the_budget_is_what_more_money_brings(
    walked: list[tuple[WeeklyProblem, PortfolioSolution]],
) -> None:
    for problem, solution in walked:
        more = solve(problem, LIMITS.model_copy(update={"cash": LIMITS.cash - STEP}))
        (budget,) = (state for state in solution.limits if state.kind == "budget")
        assert (more.objective - solution.objective) / STEP == pytest.approx(budget.price, rel=1e-4, abs=1e-6)
        assert budget.value == pytest.approx(0.99)


def test_score_less_the_prices_is_the_reduced_score(walked: list[tuple[WeeklyProblem, PortfolioSolution]]) -> None:
    for problem, solution in walked:
        assert_explained(problem, solution, 1e-6)


def test_prices_by_hand() -> None:
    """0.1 of turnover buys 0.1 of the best for 0.1 of the worst: 3 a unit, which is what more turnover would bring."""
    problem = small([4, 3, 2, 1], [0.25] * 4, previous=[0.25] * 4)
    solution = solve(problem, PortfolioLimits(stock_deviation=0.2, turnover=0.1))
    states = {state.kind: state for state in solution.limits}
    assert states["turnover"].price == pytest.approx(3.0)
    assert states["turnover"].value == pytest.approx(0.1)
    assert solution.reduced_score.tolist() == [0.0] * 4  # the two that stay would not pay for their turnover
    np.testing.assert_allclose(solution.weights, [0.35, 0.25, 0.25, 0.15])


def test_a_limit_without_a_bound_is_not_listed() -> None:
    solution = solve(small([1, 2], [0.5, 0.5]), PortfolioLimits(stock_deviation=0.1))
    assert [state.kind for state in solution.limits] == ["budget", "industry"]
