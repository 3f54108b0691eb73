"""The optimal basic solution computed again from the constraints that are active in it.

A simplex solution is exact to the solver's tolerance, and its last bits depend on the pivots taken. But a vertex is
fully described by the stocks that sit at a bound or at their previous weight, and by the rows that are tight. With the
former set exactly and the others solved from the tight rows, the same vertex has the same bits whatever the way to
it, a weight of zero is exactly zero, and the weights sum to one up to rounding.
"""

import numpy as np

from attn_platform.portfolio.problem import BoolArray, FloatArray
from attn_platform.portfolio.solver.feasible_set import NEGLIGIBLE, FeasibleSet


def basic_solution(feasible: FeasibleSet, weights: FloatArray) -> FloatArray:
    """[n] the vertex of which `weights` [n] is the solver's rendering, to within `NEGLIGIBLE`.

    If equally good optima left the solver off a vertex, the stocks between their bounds stay where it put them.
    """
    held = feasible.held
    corners = np.stack([feasible.lower, feasible.upper, np.clip(held, feasible.lower, feasible.upper)])
    distance = np.abs(corners - weights)
    nearest = np.take_along_axis(corners, distance.argmin(axis=0)[None], axis=0)[0]
    between = distance.min(axis=0) > NEGLIGIBLE
    if not between.any():
        return nearest

    sums = feasible.sums(weights)
    at_lower = np.abs(sums - feasible.row_lower) <= NEGLIGIBLE
    at_upper = np.abs(sums - feasible.row_upper) <= NEGLIGIBLE
    target = np.where(at_lower, feasible.row_lower, feasible.row_upper)
    tight = at_lower | at_upper

    settled = np.where(between, held, nearest)
    coefficients = _row_coefficients(feasible, between, bought=weights > held)
    missing = target[tight] - feasible.sums(settled)[tight]
    move, _, rank, _ = np.linalg.lstsq(coefficients[tight], missing)
    if rank < between.sum():
        return np.where(between, weights, nearest)
    settled[between] = held[between] + move
    return settled


def _row_coefficients(feasible: FeasibleSet, stocks: BoolArray, bought: BoolArray) -> FloatArray:
    """[m, stocks] rise of each row sum with each weight; `bought` [n] marks the weights above their previous ones."""
    turnover = np.where(bought[stocks], 0.5, -0.5)
    return np.vstack([feasible.coefficients[:, stocks], turnover])
