"""The limits of the weekly problem once more, in plain loops and in cvxpy, independent of the library's constraints."""

from collections.abc import Mapping

import cvxpy as cp
import numpy as np
import pytest

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.feasible_set import excesses, feasible_set

# The solver's own default, 1e-7, is coarser than what is compared.
EXACT_HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
EXACT_CLARABEL = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def violations(problem: WeeklyProblem, limits: PortfolioLimits, weights: np.ndarray) -> dict[str, float]:
    """The library's own excesses over the limits of a strategy."""
    found = excesses(feasible_set(problem, limits), weights)
    return {kind: excess for (kind, _), excess in found.items()}


def held_before(problem: WeeklyProblem) -> list[float]:
    """Previous weights, zero for the first portfolio."""
    return [0.0] * len(problem.symbols) if problem.previous is None else problem.previous.tolist()


def total_excess(problem: WeeklyProblem, limits: PortfolioLimits, weights: np.ndarray) -> dict[str, float]:
    """Excess over the limits of each kind, summed over its limits; under `rule`, the largest breach of a hard rule."""
    held = held_before(problem)
    invested = 1 - limits.cash
    excess = {"rule": abs(sum(weights) - invested), **dict.fromkeys(("turnover", "style", "industry", "stock"), 0.0)}
    in_members = sum(weight for weight, share in zip(weights, problem.benchmark, strict=True) if share > 0)
    excess["members"] = max(0.0, limits.members_share - in_members)
    industries: dict[int, float] = {}
    exposures = dict.fromkeys(problem.styles, 0.0)
    traded = 0.0
    for i, weight in enumerate(weights):
        active = weight - problem.benchmark[i]
        has_forecast = problem.score[i] == problem.score[i]
        excess["rule"] = max(excess["rule"], -weight)
        if not problem.tradable[i]:
            excess["rule"] = max(excess["rule"], abs(weight - held[i]))
        elif has_forecast:
            excess["stock"] += max(0.0, abs(active) - limits.stock_deviation)
        else:
            excess["rule"] = max(excess["rule"], weight - held[i])
            reachable = min(problem.benchmark[i] - limits.stock_deviation, held[i])
            excess["stock"] += max(0.0, active - limits.stock_deviation, reachable - weight)
        industry = int(problem.industry[i])
        industries[industry] = industries.get(industry, 0.0) + active
        for name, z in problem.styles.items():
            exposures[name] += active * z[i]
        traded += abs(weight - held[i])
    excess["industry"] = sum(max(0.0, abs(value) - limits.industry_deviation) for value in industries.values())
    for name, value in exposures.items():
        allowed = limits.style_deviations.get(name, limits.style_deviation)
        excess["style"] += max(0.0, abs(value) - allowed)
    if problem.previous is not None:
        excess["turnover"] = max(0.0, traded / 2 - limits.turnover)
    return excess


def least_violation(problem: WeeklyProblem, limits: PortfolioLimits) -> tuple[Mapping[str, float], float] | None:
    """Least total excess of each kind that may be relaxed, most protected first, and the best objective with those.

    None when no portfolio keeps the hard rules and the limits that may not be relaxed.
    """
    w = cp.Variable(len(problem.symbols))
    active = w - problem.benchmark
    held = np.array(held_before(problem))
    has_forecast, free = ~np.isnan(problem.score), problem.tradable
    only_sold = free & ~has_forecast
    reachable = np.where(has_forecast, np.inf, held)
    floor = np.minimum(problem.benchmark - limits.stock_deviation, reachable)
    constraints = [cp.sum(w) == 1 - limits.cash, w >= 0, w[~free] == held[~free], w[only_sold] <= held[only_sold]]
    excess = {kind: cp.Constant(0) for kind in ("turnover", "style", "industry", "members", "stock")}
    excess["members"] += cp.pos(limits.members_share - cp.sum(w[problem.benchmark > 0]))
    excess["stock"] += cp.sum(cp.pos(active[free] - limits.stock_deviation)) + cp.sum(cp.pos((floor - w)[free]))
    for code in set(problem.industry.tolist()):
        total = cp.sum(active[problem.industry == code])
        excess["industry"] += cp.pos(cp.abs(total) - limits.industry_deviation)
    for name, z in problem.styles.items():
        allowed = limits.style_deviations.get(name, limits.style_deviation)
        excess["style"] += cp.pos(cp.abs(z @ active) - allowed)
    if problem.previous is not None:
        excess["turnover"] += cp.pos(cp.norm1(w - problem.previous) / 2 - limits.turnover)

    constraints += [excess[kind] <= 0 for kind in excess if kind not in limits.relaxation_order]
    least: dict[str, float] = {}
    for kind in reversed(limits.relaxation_order):
        stage = cp.Problem(cp.Minimize(excess[kind]), constraints)
        stage.solve(solver=cp.HIGHS, highs_options=EXACT_HIGHS)
        if stage.status == cp.INFEASIBLE:
            return None
        least[kind] = max(0.0, float(stage.value))
        constraints.append(excess[kind] <= least[kind] + 1e-9)
    score = np.where(has_forecast, problem.score, problem.score[has_forecast].mean())
    final = cp.Problem(cp.Maximize(score @ w), constraints)
    final.solve(solver=cp.HIGHS, highs_options=EXACT_HIGHS)
    return least, float(final.value)


def assert_explained(
    problem: WeeklyProblem, solution: PortfolioSolution, tolerance: float, interior_point: bool = False
) -> None:
    """Each score less the prices that the stock pays is its reduced score, whose sign says at which bound it is.

    And a limit has a price only where it binds, at its upper side a positive one. Together they prove the optimum. Of
    a stock that stays at a bound an interior-point method says some value between those of a buy and of a sale.
    """
    prices = {(state.kind, state.name): state.price for state in solution.limits}
    for state in solution.limits:
        if state.kind != "budget":
            assert state.price <= tolerance or state.value >= state.upper - 1e-6, state
            assert state.price >= -tolerance or state.value <= state.lower + 1e-6, state
    toll = prices.get(("turnover", ""), 0.0) / 2
    for i, symbol in enumerate(problem.symbols):
        value = problem.expected_score[i] - prices["budget", ""] - prices["industry", str(problem.industry[i])]
        value -= sum(prices["style", name] * z[i] for name, z in problem.styles.items())
        value -= prices.get(("members", ""), 0.0) * (problem.benchmark[i] > 0)
        weight = solution.weights[i]
        if weight > problem.held[i] + 1e-12:
            value -= toll
        elif weight < problem.held[i] - 1e-12:
            value += toll
        else:
            value = max(value - toll, 0.0) + min(value + toll, 0.0)
        at_lower, at_upper = weight <= solution.lower[i] + 1e-12, weight >= solution.upper[i] - 1e-12
        assert value <= tolerance or at_upper, symbol
        assert value >= -tolerance or at_lower, symbol
        stays = interior_point and abs(weight - problem.held[i]) <= 1e-12
        assert solution.reduced_score[i] == pytest.approx(value, abs=tolerance + 2 * toll * stays), symbol
