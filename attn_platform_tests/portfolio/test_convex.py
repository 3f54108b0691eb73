"""The weekly problem through cvxpy: with other objectives, and with terms against other solvers."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from attn_platform.portfolio.extension import Extension, TermConfig, extension_of, known_functions
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import TOLERANCE
from attn_platform.portfolio.solver.convex import cvxpy_problem
from attn_platform.portfolio.solver.solve import solve
from attn_platform_tests.portfolio.reference import EXACT_CLARABEL, EXACT_HIGHS, assert_explained, total_excess
from attn_platform_tests.portfolio.small_weeks import small
from attn_platform_tests.portfolio.streams import MarketShape, walk, weeks


def with_terms(**terms: dict[str, float]) -> Extension:
    configured = [TermConfig(name=name, parameters=parameters) for name, parameters in terms.items()]
    extension = extension_of(known_functions(), [], configured)
    assert extension is not None
    return extension


NO_COST = with_terms(trading_cost={"rate": 0.0})
"""A term worth nothing: the week goes to Clarabel, and has the answer of HiGHS."""


def test_other_objectives_see_the_same_limits() -> None:
    """Closest to the benchmark: the untradable stock's missing 0.1 is spread evenly over the other two."""
    problem = small([1, 2, 3], [0.4, 0.3, 0.3], previous=[0.3, 0.5, 0.2], tradable=[False, True, True])
    statement, weights = cvxpy_problem(
        problem,
        PortfolioLimits(stock_deviation=0.06, turnover=0.5),
        objective=lambda w: cp.Minimize(cp.sum_squares(w - problem.benchmark)),
    )
    statement.solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(weights.value, [0.3, 0.35, 0.35], atol=1e-6)


def test_infeasible_week_is_infeasible() -> None:
    problem = small([1, np.nan], [0.5, 0.5])
    statement, _ = cvxpy_problem(problem, PortfolioLimits())
    statement.solve(solver=cp.CLARABEL)
    assert statement.status == cp.INFEASIBLE


def test_without_a_cost_the_answer_is_that_of_the_linear_program() -> None:
    """Weights, prices and limits that bind; in weeks with frozen stocks, members without forecast and drift."""
    limits = PortfolioLimits(members_share=0.85, cash=0.02, style_deviation=0.1, industry_deviation=0.02, turnover=0.05)
    compared = 0
    for problem, linear in walk(weeks(10, 3, MarketShape(stocks=150, members=40)), limits):
        if linear.status == "relaxed":
            continue
        convex = solve(problem, limits, NO_COST)
        assert convex.objective == pytest.approx(linear.objective, abs=1e-8)
        np.testing.assert_allclose(convex.weights, linear.weights, atol=2e-6)
        frozen = ~problem.tradable
        np.testing.assert_array_equal(convex.weights[frozen], problem.held[frozen])
        assert_explained(problem, linear, 1e-6)
        assert_explained(problem, convex, 1e-5, interior_point=True)
        for state in convex.limits:
            assert state.price == 0 or min(state.upper - state.value, state.value - state.lower) <= TOLERANCE
        compared += 1
    assert compared >= 8


@pytest.mark.slow
def test_contradictory_weeks_give_way_as_in_the_linear_program() -> None:
    limits = PortfolioLimits(industry_deviation=0, style_deviations={"size": 0}, turnover=0.03)
    shape = MarketShape(stocks=80, members=30, industries=6, suspension_rate=0.1)
    compared = 0
    for problem, linear in walk(weeks(12, 11, shape), limits):
        if linear.status == "optimal":
            continue
        convex = solve(problem, limits, NO_COST)
        assert convex.status == "relaxed"
        expected, found = (total_excess(problem, limits, each.weights) for each in (linear, convex))
        assert found == pytest.approx(expected, abs=2e-6)
        assert convex.objective == pytest.approx(linear.objective, abs=1e-5)
        compared += 1
    assert compared >= 5


def test_terms_against_a_solver_of_another_kind() -> None:
    """Sequential quadratic programming in buys and sells, by scipy."""
    rng = np.random.default_rng(2)
    n = 8
    held = rng.dirichlet(np.full(n, 3.0))
    problem = small(rng.standard_normal(n), rng.dirichlet(np.full(n, 5.0)), previous=held, size=rng.standard_normal(n))
    limits = PortfolioLimits(stock_deviation=0.1, style_deviation=0.05, industry_deviation=1, turnover=0.12)
    ours = solve(problem, limits, with_terms(quadratic_cost={"rate": 6.0}, trading_cost={"rate": 0.2}))

    def loss(x: np.ndarray) -> float:
        change = x[:n] - x[n:]
        return float(-problem.score @ (held + change) + 0.2 * x.sum() + 6.0 * change @ change)

    low, high = np.maximum(problem.benchmark - 0.1, 0), problem.benchmark + 0.1
    size = problem.styles["size"]
    both = np.hstack([np.eye(n), -np.eye(n)])
    answer = minimize(
        loss,
        np.zeros(2 * n),
        method="SLSQP",
        bounds=[(0, 1)] * (2 * n),
        constraints=[
            LinearConstraint(both, low - held, high - held),
            LinearConstraint(np.ones(n) @ both, 0, 0),
            LinearConstraint(size @ both, *(np.array([-0.05, 0.05]) - size @ (held - problem.benchmark))),
            LinearConstraint(np.ones(2 * n), 0, 0.24),
        ],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert answer.success
    assert ours.objective == pytest.approx(-answer.fun, abs=1e-8)
    np.testing.assert_allclose(ours.weights, held + answer.x[:n] - answer.x[n:], atol=1e-4)


@pytest.mark.parametrize("solver", [cp.CLARABEL, cp.HIGHS])
def test_the_statement_has_the_answer_of_the_compiled_program(solver: str) -> None:
    limits = PortfolioLimits(members_share=0.7, cash=0.05, no_trade=("600001.SH",), no_buy=("600003.SH",))
    options = {"highs_options": EXACT_HIGHS} if solver == cp.HIGHS else EXACT_CLARABEL
    for problem, solution in walk(weeks(6, 8, MarketShape(stocks=90, members=30)), limits):
        statement, _ = cvxpy_problem(problem, limits)
        statement.solve(solver=solver, **options)
        if solution.status == "optimal":
            assert solution.objective == pytest.approx(statement.value, abs=1e-9)
        own = {str(symbol): i for i, symbol in enumerate(problem.symbols)}
        if "600001.SH" in own:
            assert solution.weights[own["600001.SH"]] == problem.held[own["600001.SH"]]
        if "600003.SH" in own:
            assert solution.weights[own["600003.SH"]] <= problem.held[own["600003.SH"]]
