"""Rolling windows over [session, stock] panels.

A window is the last n sessions, the current one included; NaN is no observation. Every output cell is summed over its
own window in two passes; there is no running state. So a value depends on its window alone: it is the same to the last
bit whatever sessions and stocks are loaded, and a huge value leaves no trace once it has left the window.

Values are taken as distances from the window's first observation before they are averaged: a constant window has
exactly its constant as mean and exactly 0 as standard deviation.

Blocks of stocks are shared out over Python threads (the compiled loops release the interpreter lock). Unlike numba's
own parallel loops this may be called from several threads at once, and survives a fork.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BLOCK_COLUMNS = 64  # stocks a task: the inner loops run over contiguous stocks, and a block's panel stays in the cache
REGRESSORS = 3  # of `rolling_residual_std`, besides the intercept
MIN_REGRESSION_OBSERVATIONS = REGRESSORS + 2  # intercept and slopes leave one degree of freedom


def rolling_mean(x: FloatArray, window: int, min_observations: int) -> FloatArray:
    """Mean of the observations in the window [T, N]; missing with fewer than `min_observations`."""
    return _over_column_blocks(_mean_block, (x,), window, min_observations)


def rolling_std(x: FloatArray, window: int, min_observations: int) -> FloatArray:
    """Sample standard deviation (n − 1) of the observations in the window [T, N]; 0 for a constant window."""
    return _over_column_blocks(_std_block, (x,), window, max(min_observations, 2))


def rolling_corr(x: FloatArray, y: FloatArray, window: int, min_observations: int, tolerance: float) -> FloatArray:
    """Pearson correlation of the sessions on which both are observed [T, N].

    Missing where either is constant: its standard deviation is at most `tolerance` of its absolute mean, so that what
    is left is rounding.
    """
    return _over_column_blocks(_corr_block, (x, y), window, max(min_observations, 2), tolerance)


def rolling_weighted_mean(x: FloatArray, weight: FloatArray, decay: FloatArray, min_observations: int) -> FloatArray:
    """Σ w x / Σ w over the last len(decay) sessions [T, N], w = weight × decay[k] ≥ 0, k = sessions back.

    A session counts if both x and its weight are observed. Missing where the weights sum to 0.
    """
    return _over_column_blocks(_weighted_mean_block, (x, weight), decay, min_observations)


def rolling_residual_std(
    y: FloatArray, regressors: FloatArray, window: int, min_observations: int, tolerance: float
) -> FloatArray:
    """Sample standard deviation (n − 1) of the residuals of y [T, N] on an intercept and `regressors` [T, 3].

    Ordinary least squares over the sessions of the window on which y and all regressors are observed, by modified
    Gram-Schmidt. Missing where the regression is singular: what a regressor adds to the intercept and those before it
    has at most `tolerance` of its norm.
    """
    if regressors.shape != (y.shape[0], REGRESSORS):
        raise ValueError(f"regressors: expected shape {(y.shape[0], REGRESSORS)}, got {regressors.shape}")
    needed = max(min_observations, MIN_REGRESSION_OBSERVATIONS)
    return _over_column_blocks(_residual_std_block, (y,), np.ascontiguousarray(regressors), window, needed, tolerance)


def over_threads(task: Callable[[int], None], starts: range) -> None:
    """Run `task` on each of `starts`, on as many threads as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(task, starts):
            pass


def _over_column_blocks(
    kernel: Callable[..., FloatArray], panels: tuple[FloatArray, ...], *parameters: object
) -> FloatArray:
    out = np.empty_like(panels[0])

    def run(start: int) -> None:
        block = slice(start, start + BLOCK_COLUMNS)
        out[:, block] = kernel(*(np.ascontiguousarray(panel[:, block]) for panel in panels), *parameters)

    over_threads(run, range(0, out.shape[1], BLOCK_COLUMNS))
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_from_first(x, t, window, count, first, total):  # type: ignore[no-untyped-def]
    """Per stock over the window ending at t: observations, the first of them, and the sum of the distances from it."""
    width = x.shape[1]
    count[:] = 0.0
    first[:] = np.nan
    total[:] = 0.0
    for s in range(max(0, t - window + 1), t + 1):
        for j in range(width):
            value = x[s, j]
            observed = value == value
            first[j] = first[j] if first[j] == first[j] else value
            count[j] += 1.0 if observed else 0.0
            total[j] += value - first[j] if observed else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_block(x, window, min_observations):  # type: ignore[no-untyped-def]
    sessions, width = x.shape
    out = np.empty((sessions, width))
    count, first, total = np.empty(width), np.empty(width), np.empty(width)
    for t in range(sessions):
        _sum_from_first(x, t, window, count, first, total)
        for j in range(width):
            out[t, j] = first[j] + total[j] / count[j] if count[j] >= min_observations else np.nan
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _std_block(x, window, min_observations):  # type: ignore[no-untyped-def]
    sessions, width = x.shape
    out = np.empty((sessions, width))
    count, first, total, squares = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    for t in range(sessions):
        _sum_from_first(x, t, window, count, first, total)
        squares[:] = 0.0
        for s in range(max(0, t - window + 1), t + 1):
            for j in range(width):
                value = x[s, j]
                deviation = (value - first[j]) - total[j] / count[j] if value == value else 0.0
                squares[j] += deviation * deviation
        for j in range(width):
            out[t, j] = np.sqrt(squares[j] / (count[j] - 1.0)) if count[j] >= min_observations else np.nan
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _corr_block(x, y, window, min_observations, tolerance):  # type: ignore[no-untyped-def]
    sessions, width = x.shape
    out = np.empty((sessions, width))
    count = np.empty(width)
    first_x, total_x, squares_x = np.empty(width), np.empty(width), np.empty(width)
    first_y, total_y, squares_y = np.empty(width), np.empty(width), np.empty(width)
    products = np.empty(width)
    for t in range(sessions):
        start = max(0, t - window + 1)
        for array in (count, total_x, total_y, squares_x, squares_y, products):
            array[:] = 0.0
        first_x[:] = np.nan
        first_y[:] = np.nan
        for s in range(start, t + 1):
            for j in range(width):
                a, b = x[s, j], y[s, j]
                observed = (a == a) & (b == b)
                first_x[j] = a if observed & (first_x[j] != first_x[j]) else first_x[j]
                first_y[j] = b if observed & (first_y[j] != first_y[j]) else first_y[j]
                count[j] += 1.0 if observed else 0.0
                total_x[j] += a - first_x[j] if observed else 0.0
                total_y[j] += b - first_y[j] if observed else 0.0
        for s in range(start, t + 1):
            for j in range(width):
                a, b = x[s, j], y[s, j]
                observed = (a == a) & (b == b)
                a = (a - first_x[j]) - total_x[j] / count[j] if observed else 0.0
                b = (b - first_y[j]) - total_y[j] / count[j] if observed else 0.0
                squares_x[j] += a * a
                squares_y[j] += b * b
                products[j] += a * b
        for j in range(width):
            std_x, std_y = np.sqrt(squares_x[j] / count[j]), np.sqrt(squares_y[j] / count[j])
            mean_x, mean_y = first_x[j] + total_x[j] / count[j], first_y[j] + total_y[j] / count[j]
            varies = (std_x > tolerance * abs(mean_x)) & (std_y > tolerance * abs(mean_y))
            corr = products[j] / count[j] / std_x / std_y
            out[t, j] = min(1.0, max(-1.0, corr)) if varies & (count[j] >= min_observations) else np.nan
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _weighted_mean_block(x, weight, decay, min_observations):  # type: ignore[no-untyped-def]
    sessions, width = x.shape
    out = np.empty((sessions, width))
    count, weighted, weights = np.empty(width), np.empty(width), np.empty(width)
    for t in range(sessions):
        for array in (count, weighted, weights):
            array[:] = 0.0
        for s in range(max(0, t - len(decay) + 1), t + 1):
            for j in range(width):
                value, w = x[s, j], weight[s, j] * decay[t - s]
                observed = (value == value) & (w == w)
                count[j] += 1.0 if observed else 0.0
                weighted[j] += w * value if observed else 0.0
                weights[j] += w if observed else 0.0
        for j in range(width):
            out[t, j] = weighted[j] / weights[j] if count[j] >= min_observations else np.nan  # 0 / 0 is NaN
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _residual_std_block(y, regressors, window, min_observations, tolerance):  # type: ignore[no-untyped-def]
    sessions, width = y.shape
    out = np.full((sessions, width), np.nan)
    columns = np.empty((REGRESSORS + 1, window))  # the regressors, then y
    complete = np.empty(sessions, dtype=np.bool_)
    for t in range(sessions):
        complete[t] = np.all(np.isfinite(regressors[t]))
    for j in range(width):
        for t in range(sessions):
            n = 0
            for s in range(max(0, t - window + 1), t + 1):
                if complete[s] and y[s, j] == y[s, j]:
                    for i in range(REGRESSORS):
                        columns[i, n] = regressors[s, i]
                    columns[REGRESSORS, n] = y[s, j]
                    n += 1
            if n >= min_observations:
                out[t, j] = _residual_std(columns, n, tolerance)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _residual_std(columns, n, tolerance):  # type: ignore[no-untyped-def]
    """Residual deviation of the last row of `columns` on the others and an intercept; works in place on n entries."""
    last = columns.shape[0] - 1
    norms = np.empty(last)
    for i in range(last):
        norms[i] = _norm(columns[i], n)
    for i in range(last + 1):
        mean = 0.0
        for k in range(n):
            mean += columns[i, k]
        mean /= n
        for k in range(n):
            columns[i, k] -= mean
    for i in range(last):
        norm = _norm(columns[i], n)
        if not norm > tolerance * norms[i]:
            return np.nan
        for k in range(n):
            columns[i, k] /= norm
        for other in range(i + 1, last + 1):
            projection = 0.0
            for k in range(n):
                projection += columns[i, k] * columns[other, k]
            for k in range(n):
                columns[other, k] -= projection * columns[i, k]
    return _norm(columns[last], n) / np.sqrt(n - 1.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _norm(x, n):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(n):
        total += x[k] * x[k]
    return np.sqrt(total)
