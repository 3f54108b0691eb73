"""The weekly solver against cvxpy, and its limits against plain loops."""

from collections.abc import Sequence
from dataclasses import replace

import cvxpy as cp
import highspy
import numpy as np
import pytest
from hypothesis import given, settings

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver import solve as solver_module
from attn_platform.portfolio.solver.convex import cvxpy_problem
from attn_platform.portfolio.solver.feasible_set import feasible_set
from attn_platform.portfolio.solver.linear_program import is_feasible, new_solver, pass_program, trades_inside
from attn_platform.portfolio.solver.solve import solve
from attn_platform_tests.portfolio.reference import EXACT_CLARABEL, EXACT_HIGHS, held_before, total_excess
from attn_platform_tests.portfolio.small_weeks import hostile_weeks, small
from attn_platform_tests.portfolio.streams import MarketShape, walk, weeks

HAITONG_STYLES = ("size", "valuation", "momentum", "volatility")
STRATEGIES = {
    "original": (PortfolioLimits(), MarketShape()),
    "relaxed": (
        PortfolioLimits(stock_deviation=0.02, industry_deviation=0.02, style_deviation=0.2, turnover=0.2),
        MarketShape(),
    ),
    "haitong": (
        PortfolioLimits(
            industry_deviation=0,
            style_deviation=0.8,
            style_deviations={"valuation": 0, "size": 0.2},
            turnover=0.3,
        ),
        MarketShape(styles=HAITONG_STYLES, suspension_rate=0.002),
    ),
    "ties": (PortfolioLimits(style_deviation=0.5), MarketShape(score_levels=5, stocks=160, members=40)),
}
WEEKS = 24

Walk = Sequence[tuple[WeeklyProblem, PortfolioSolution]]


@pytest.fixture(scope="module")
def walks() -> dict[str, Walk]:
    return {
        name: list(walk(weeks(WEEKS, seed, shape), limits))
        for seed, (name, (limits, shape)) in enumerate(STRATEGIES.items())
    }


def test_streams_hold_what_makes_weeks_awkward(walks: dict[str, Walk]) -> None:
    problems = [problem for walked in walks.values() for problem, _ in walked]
    later = [problem for problem in problems if problem.previous is not None]
    box = STRATEGIES["original"][0].stock_deviation
    assert sum(problem.previous is None for problem in problems) == len(STRATEGIES)
    assert any((~p.tradable & (p.previous > 0)).any() for p in later)
    assert any((~p.tradable & (np.abs(p.previous - p.benchmark) > box)).any() for p in later)
    assert any((p.tradable & (p.previous - p.benchmark > box)).any() for p in later)
    assert any((np.isnan(p.score) & (p.benchmark > 0) & (p.previous == 0)).any() for p in later)
    assert any((np.isnan(p.score) & (p.previous > 0)).any() for p in later)
    assert any((p.industry == -1).any() for p in later)


@pytest.mark.parametrize("name", STRATEGIES)
def test_limits_hold_except_where_relaxed(walks: dict[str, Walk], name: str) -> None:
    limits = STRATEGIES[name][0]
    for problem, solution in walks[name]:
        excess = total_excess(problem, limits, solution.weights)
        relaxed = {relaxation.limit for relaxation in solution.relaxations}
        assert solution.status == ("relaxed" if relaxed else "optimal")
        assert max(value for kind, value in excess.items() if kind not in relaxed) < 1e-9
        assert abs(solution.weights.sum() - 1) < 1e-13
        assert solution.weights.min() >= 0
        frozen = ~problem.tradable
        np.testing.assert_array_equal(solution.weights[frozen], np.array(held_before(problem))[frozen])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "options"), [(cp.CLARABEL, EXACT_CLARABEL), (cp.HIGHS, {"highs_options": EXACT_HIGHS})]
)
def test_objective_equals_cvxpy(walks: dict[str, Walk], solver: str, options: dict) -> None:
    compared = 0
    for name, walked in walks.items():
        for problem, solution in walked:
            statement, _ = cvxpy_problem(problem, STRATEGIES[name][0])
            statement.solve(solver=solver, **options)
            if solution.status == "relaxed":
                assert statement.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE)
                continue
            compared += 1
            assert statement.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE)
            assert solution.objective == pytest.approx(statement.value, rel=1e-7, abs=1e-10)
    assert compared >= 60


def test_solutions_are_vertices(walks: dict[str, Walk]) -> None:
    """A vertex of the split form has at most as many stocks between their bounds as there are tight rows."""
    limits = STRATEGIES["original"][0]
    for problem, solution in walks["original"][1:]:
        low, high = np.maximum(0, problem.benchmark - 0.01), problem.benchmark + 0.01
        corners = np.stack([low, high, problem.previous, np.minimum(high, problem.previous)])
        between = (np.abs(corners - solution.weights).min(axis=0) > 1e-12).sum()
        tight = 1 + sum(
            abs(abs(value) - limits.industry_deviation) < 1e-9 for value in solution.active("industry").values()
        )
        tight += sum(abs(abs(value) - limits.style_deviation) < 1e-9 for value in solution.active("style").values())
        tight += abs(solution.turnover - limits.turnover) < 1e-9
        assert between <= tight


def test_bits_do_not_depend_on_the_way_to_the_optimum(walks: dict[str, Walk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_module, "DUAL_SIMPLEX", 4)  # primal simplex: other pivots
    for name, walked in walks.items():
        for problem, solution in walked:
            if solution.status == "optimal":
                again = solve(problem, STRATEGIES[name][0])
                np.testing.assert_array_equal(again.weights, solution.weights)


def test_bits_are_the_same_on_repetition_and_under_a_new_scale_of_the_forecast(walks: dict[str, Walk]) -> None:
    for name in ("original", "haitong"):
        for problem, solution in walks[name]:
            np.testing.assert_array_equal(solve(problem, STRATEGIES[name][0]).weights, solution.weights)
            rescaled = replace(problem, score=7 + 300 * problem.score)
            np.testing.assert_array_equal(solve(rescaled, STRATEGIES[name][0]).weights, solution.weights)


def test_reported_exposures(walks: dict[str, Walk]) -> None:
    for problem, solution in walks["haitong"]:
        active = solution.weights - problem.benchmark
        industries = solution.active("industry")
        for code, value in industries.items():
            assert value == pytest.approx(active[problem.industry == int(code)].sum(), abs=1e-12)
        assert set(industries) == set(problem.industry.astype(str))
        for name in HAITONG_STYLES:
            assert solution.active("style")[name] == pytest.approx(active @ problem.styles[name], abs=1e-12)
        if problem.previous is None:
            assert solution.turnover is None
        else:
            assert solution.turnover == pytest.approx(np.abs(solution.weights - problem.previous).sum() / 2)


@pytest.mark.parametrize("first", [0.0, 0.5, 1.0])
def test_bits_do_not_depend_on_what_the_first_program_knows(
    walks: dict[str, Walk], monkeypatch: pytest.MonkeyPatch, first: float
) -> None:
    monkeypatch.setattr(solver_module, "FIRST_SIFTED", first)
    for name, walked in walks.items():
        for problem, solution in walked:
            np.testing.assert_array_equal(solve(problem, STRATEGIES[name][0]).weights, solution.weights)


def test_first_portfolio_has_no_turnover_limit_and_leaves_untradable_stocks_out() -> None:
    problem = small([3, 2, 1, 4], [0.25] * 4, tradable=[True, True, True, False])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.1, turnover=0.01, style_deviation=9))
    np.testing.assert_allclose(solution.weights, [0.35, 0.35, 0.30, 0.0], atol=1e-15)
    assert solution.turnover is None
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(3 * 0.35 + 2 * 0.35 + 0.3)


def test_turnover_limits_the_improvement() -> None:
    problem = small([4, 3, 2, 1], [0.25] * 4, previous=[0.25] * 4)
    solution = solve(problem, PortfolioLimits(stock_deviation=0.1, turnover=0.12))
    np.testing.assert_allclose(solution.weights, [0.35, 0.27, 0.23, 0.15], atol=1e-15)
    assert solution.turnover == pytest.approx(0.12)


def test_drifted_stock_is_pulled_back_into_its_interval() -> None:
    problem = small([9, 1, 2, 3], [0.25] * 4, previous=[0.37, 0.21, 0.21, 0.21])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.05, turnover=0.07))
    np.testing.assert_allclose(solution.weights, [0.30, 0.21, 0.21, 0.28], atol=1e-15)
    assert not solution.relaxations


def test_untradable_stock_keeps_its_weight_outside_of_its_interval_without_a_relaxation() -> None:
    problem = small([1, 2, 3, 4], [0.25] * 4, previous=[0.4, 0.2, 0.2, 0.2], tradable=[False, True, True, True])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.1, turnover=0.5))
    np.testing.assert_allclose(solution.weights, [0.4, 0.15, 0.15, 0.3], atol=1e-15)
    assert solution.weights[0] == 0.4
    assert not solution.relaxations


def test_stock_without_forecast_is_only_sold_and_counts_with_the_mean_forecast() -> None:
    """The mean forecast is 2: the first stock stays, as all above it are full; the second cannot be bought."""
    problem = small([np.nan, np.nan, 1, 2.5, 2.5], [0.1, 0.1, 0.3, 0.25, 0.25], previous=[0.1, 0, 0.3, 0.3, 0.3])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.1, turnover=1))
    np.testing.assert_allclose(solution.weights, [0.1, 0.0, 0.2, 0.35, 0.35], atol=1e-15)
    assert solution.objective == pytest.approx(0.1 * 2 + 0.2 * 1 + 0.7 * 2.5)


def test_large_member_outside_the_universe_is_left_at_minus_its_weight() -> None:
    problem = small([np.nan, 1, 2], [0.2, 0.4, 0.4])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.15))
    np.testing.assert_allclose(solution.weights, [0, 0.45, 0.55], atol=1e-15)
    assert solution.status == "optimal"


def test_unknown_industry_is_a_group_with_a_limit() -> None:
    problem = small([2, 2, 1, 1], [0.25] * 4, industry=[-1, -1, 3, 3])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.2, industry_deviation=0.03))
    assert solution.active("industry") == pytest.approx({"-1": 0.03, "3": -0.03})


def test_limit_of_one_style_overrides_the_general_one() -> None:
    problem = small([3, 1, 2.5], [0.4, 0.3, 0.3], size=[1, -1, 0], value=[0, 1, -1])
    limits = PortfolioLimits(stock_deviation=1, style_deviation=5, style_deviations={"size": 0.08})
    solution = solve(problem, limits)
    # (w1 − 0.4) − (w2 − 0.3) ≤ 0.08 leaves w1 ≤ 0.18 once w2, which would buy room at too high a price, is 0.
    np.testing.assert_allclose(solution.weights, [0.18, 0, 0.82], atol=1e-14)
    assert solution.active("style")["size"] == pytest.approx(0.08)


def test_cash_is_invested() -> None:
    problem = small([2, 1], [0.5, 0.5], previous=[0.4, 0.4])
    solution = solve(problem, PortfolioLimits(stock_deviation=0.05, turnover=0.1))
    np.testing.assert_allclose(solution.weights, [0.55, 0.45], atol=1e-15)


def test_equal_forecasts_go_by_the_order_of_symbols() -> None:
    solution = solve(small([1, 1, 1], [0.3, 0.4, 0.3]), PortfolioLimits(stock_deviation=0.1))
    np.testing.assert_allclose(solution.weights, [0.4, 0.4, 0.2], atol=1e-15)


def test_style_limit_without_the_style_is_refused() -> None:
    with pytest.raises(PortfolioError, match=r"valuaton.*size"):
        solve(small([1, 2], [0.5, 0.5], size=[1, -1]), PortfolioLimits(style_deviations={"valuaton": 0}))


def test_no_portfolio_at_all_raises() -> None:
    problem = small([1, 2], [0.5, 0.5], previous=[0.5, 0.2], tradable=[False, False])
    with pytest.raises(PortfolioError, match="no portfolio exists although turnover, style, industry, members, stock"):
        solve(problem, PortfolioLimits())


def test_solver_that_stops_early_raises() -> None:
    problem = small([4, 3, 2, 1], [0.25] * 4, previous=[0.25] * 4)
    feasible = feasible_set(problem, PortfolioLimits(stock_deviation=0.1))
    trades = trades_inside(feasible)
    program = new_solver(1)
    program.setOptionValue("simplex_iteration_limit", 0)
    pass_program(program, [trades.columns(feasible)], trades.loss(problem.score), *feasible.row_room)
    with pytest.raises(PortfolioError, match="no portfolio was made"):
        is_feasible(program)


def test_broken_answer_of_the_solver_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_module, "basic_solution", lambda feasible, weights: weights + 1e-3)
    with pytest.raises(PortfolioError, match="budget"):
        solve(small([4, 3, 2, 1], [0.25] * 4), PortfolioLimits())


def test_works_beside_a_highs_with_a_thread_pool() -> None:
    highspy.Highs.resetGlobalScheduler(True)
    other = highspy.Highs()
    other.setOptionValue("output_flag", False)
    other.setOptionValue("threads", 3)
    other.addVar(0, 1)
    try:
        assert other.run() == highspy.HighsStatus.kOk
        assert solve(small([1, 2], [0.5, 0.5]), PortfolioLimits()).status == "optimal"
    finally:
        highspy.Highs.resetGlobalScheduler(True)


@settings(max_examples=300, deadline=None)
@given(hostile_weeks())
def test_hard_rules_hold_in_hostile_weeks(week: tuple[WeeklyProblem, PortfolioLimits]) -> None:
    problem, limits = week
    held = np.array(held_before(problem))
    most = np.where(problem.tradable & ~np.isnan(problem.score), 1.0, held).sum()
    least = held[~problem.tradable].sum()
    if not least <= 1 <= most:
        if least > 1 + 1e-8 or most < 1 - 1e-8:
            with pytest.raises(PortfolioError):
                solve(problem, limits)
        return
    solution = solve(problem, limits)
    excess = total_excess(problem, limits, solution.weights)
    assert excess["rule"] < 1e-8
    np.testing.assert_array_equal(solution.weights[~problem.tradable], held[~problem.tradable])
    assert solution.weights.min() >= 0
    recorded = dict.fromkeys(("turnover", "style", "industry", "stock"), 0.0)
    for relaxation in solution.relaxations:
        assert abs(relaxation.reached) > relaxation.allowed
        recorded[relaxation.limit] += abs(relaxation.reached) - relaxation.allowed
    for kind, value in recorded.items():
        assert excess[kind] == pytest.approx(value, abs=1e-7)
