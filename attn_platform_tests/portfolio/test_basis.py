"""The vertex from a blurred solution."""

import numpy as np

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solver.basis import basic_solution
from attn_platform.portfolio.solver.feasible_set import feasible_set
from attn_platform_tests.portfolio.small_weeks import small


def week(**styles: list[float]) -> WeeklyProblem:
    return small(
        [4, 3, 2, 1, 0],
        [0.2] * 5,
        previous=[0.22, 0.2, 0.2, 0.19, 0.19],
        tradable=[True, True, True, True, False],
        **styles,
    )


def blurred(weights: np.ndarray, seed: int) -> np.ndarray:
    return weights + np.random.default_rng(seed).uniform(-1e-9, 1e-9, len(weights))


def test_blur_is_removed_to_the_last_bit() -> None:
    """Bought 0.06 of the first stock for 0.02 of the third and 0.04 of the fourth; the second and the last stay.

    Tight are the budget, the turnover of 0.06, and the exposure: 0.032 by drift, 0.06 + 0.3 × 0.02 − 0.2 × 0.04 traded.
    """
    limits = PortfolioLimits(stock_deviation=0.1, style_deviation=0.09, turnover=0.06)
    feasible = feasible_set(week(size=[1.0, 0.5, -0.3, 0.2, -1.4]), limits)
    exact = np.array([0.28, 0.2, 0.18, 0.15, 0.19])
    rebuilt = [basic_solution(feasible, blurred(exact, seed)) for seed in range(20)]
    np.testing.assert_allclose(rebuilt[0], exact, rtol=0, atol=1e-15)
    assert all(np.array_equal(weights, rebuilt[0]) for weights in rebuilt)
    assert rebuilt[0][1] == 0.2
    assert rebuilt[0][4] == 0.19


def test_off_a_vertex_only_the_corners_are_cleaned() -> None:
    """With two rows tight, three stocks between their bounds are not determined."""
    feasible = feasible_set(week(), PortfolioLimits(stock_deviation=0.1, turnover=0.06))
    given = blurred(np.array([0.28, 0.2, 0.18, 0.15, 0.19]), seed=1)
    rebuilt = basic_solution(feasible, given)
    np.testing.assert_array_equal(rebuilt[[0, 2, 3]], given[[0, 2, 3]])
    np.testing.assert_array_equal(rebuilt[[1, 4]], [0.2, 0.19])
