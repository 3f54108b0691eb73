"""The limits of the weekly problem once more, in plain loops and in cvxpy, independent of the library's constraints."""

from collections.abc import Mapping

import cvxpy as cp
import numpy as np

from attn_platform.portfolio.problem import LimitKind, PortfolioLimits, WeeklyProblem

# The solver's own default, 1e-7, is coarser than what is compared.
EXACT_HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
EXACT_CLARABEL = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def held_before(problem: WeeklyProblem) -> list[float]:
    """Previous weights, zero for the first portfolio."""
    return [0.0] * len(problem.symbols) if problem.previous is None else problem.previous.tolist()


def total_excess(problem: WeeklyProblem, limits: PortfolioLimits, weights: np.ndarray) -> dict[str, float]:
    """Excess over the limits of each kind, summed over its limits; under `rule`, the largest breach of a hard rule."""
    held = held_before(problem)
    excess = {"rule": abs(sum(weights) - 1), "turnover": 0.0, "style": 0.0, "industry": 0.0, "stock": 0.0}
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


def least_violation(problem: WeeklyProblem, limits: PortfolioLimits) -> tuple[Mapping[LimitKind, float], float] | None:
    """Least total excess of each kind that may give way, most protected first, and the best objective with those.

    None when no portfolio keeps the hard rules and the limits that may not give way.
    """
    w = cp.Variable(len(problem.symbols))
    active = w - problem.benchmark
    held = np.array(held_before(problem))
    has_forecast, free = ~np.isnan(problem.score), problem.tradable
    only_sold = free & ~has_forecast
    reachable = np.where(has_forecast, np.inf, held)
    floor = np.minimum(problem.benchmark - limits.stock_deviation, reachable)
    constraints = [cp.sum(w) == 1, w >= 0, w[~free] == held[~free], w[only_sold] <= held[only_sold]]
    excess = {kind: cp.Constant(0) for kind in ("turnover", "style", "industry", "stock")}
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
    least: dict[LimitKind, float] = {}
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
