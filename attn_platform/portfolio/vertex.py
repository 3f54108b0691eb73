"""The optimal vertex rebuilt from its active constraints.

A simplex solution is exact to the solver's tolerance, and its last bits depend on the pivots taken. But a vertex is
fully described by the stocks that sit at a bound or at their previous weight, and by the rows that are tight. With the
former set exactly and the others solved from the tight rows, the same vertex has the same bits whatever the road to
it, a weight of zero is exactly zero, and the weights sum to one up to rounding.
"""

import numpy as np

from attn_platform.portfolio.compiled import NEGLIGIBLE, CompiledConstraints
from attn_platform.portfolio.problem import BoolArray, FloatArray


def rebuild(constraints: CompiledConstraints, weights: FloatArray) -> FloatArray:
    """[n] the vertex of which `weights` [n] is the solver's rendering, to within `NEGLIGIBLE`.

    If equally good optima left the solver off a vertex, the stocks between their bounds stay where it put them.
    """
    held = constraints.held
    corners = np.stack([constraints.lower, constraints.upper, np.clip(held, constraints.lower, constraints.upper)])
    distance = np.abs(corners - weights)
    nearest = np.take_along_axis(corners, distance.argmin(axis=0)[None], axis=0)[0]
    between = distance.min(axis=0) > NEGLIGIBLE
    if not between.any():
        return nearest

    sums = constraints.sums(weights)
    at_lower = np.abs(sums - constraints.row_lower) <= NEGLIGIBLE
    at_upper = np.abs(sums - constraints.row_upper) <= NEGLIGIBLE
    target = np.where(at_lower, constraints.row_lower, constraints.row_upper)
    tight = at_lower | at_upper

    settled = np.where(between, held, nearest)
    coefficients = _row_coefficients(constraints, between, bought=weights > held)
    missing = target[tight] - constraints.sums(settled)[tight]
    move, _, rank, _ = np.linalg.lstsq(coefficients[tight], missing)
    if rank < between.sum():
        return np.where(between, weights, nearest)
    settled[between] = held[between] + move
    return settled


def _row_coefficients(constraints: CompiledConstraints, stocks: BoolArray, bought: BoolArray) -> FloatArray:
    """[m, stocks] rise of each row sum with each weight; `bought` [n] marks the weights above their previous ones."""
    turnover = np.where(bought[stocks], 0.5, -0.5)
    return np.vstack([constraints.coefficients[:, stocks], turnover])
