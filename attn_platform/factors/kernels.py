"""Rolling windows over [session, stock] panels.

A window is the last n sessions, the current one included; NaN is no observation. A row whose window begins before the
panel is missing, so a caller hands in the look-back, or rows of NaN where history begins (`engine` does). Every output
cell is summed over its own window, from the current session backwards; there is no running state. So a value depends
on its window alone: it is the same to the last bit whatever sessions and stocks are loaded, and a huge value leaves no
trace once it has left the window.

Values are taken as distances from the window's newest observation before they are squared, which keeps one pass as
accurate as two: the mean of the distances is at most √n standard deviations, whatever the level. A constant window has
exactly 0 as standard deviation.

The loops run over lanes of a fixed number of stocks, innermost and contiguous, which is what the compiler turns into
vector instructions, and take two sessions a pass, which halves the traffic with the sums; they release the interpreter
lock.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from attn_platform.jit import njit

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

LANES = 64  # stocks that the innermost loops run over: a compile-time constant, else they are not vectorised
REGRESSORS = 3  # of `rolling_residual_std`, besides the intercept
MIN_REGRESSION_OBSERVATIONS = REGRESSORS + 2  # intercept and slopes leave one degree of freedom


def rolling_mean(x: FloatArray, window: int, min_observations: int) -> FloatArray:
    """Mean of the observations in the window [T, N]; missing with fewer than `min_observations`."""
    return _over_lanes(_mean, (x,), window, window, min_observations)


def rolling_std(x: FloatArray, window: int, min_observations: int) -> FloatArray:
    """Sample standard deviation (n − 1) of the observations in the window [T, N]; 0 for a constant window."""
    return _over_lanes(_std, (x,), window, window, max(min_observations, 2))


def rolling_corr(x: FloatArray, y: FloatArray, window: int, min_observations: int, tolerance: float) -> FloatArray:
    """Pearson correlation of the sessions on which both are observed [T, N].

    Missing where either is constant: its standard deviation is at most `tolerance` of its absolute mean, so that what
    is left is rounding.
    """
    return _over_lanes(_corr, (x, y), window, window, max(min_observations, 2), tolerance)


def rolling_weighted_mean(x: FloatArray, weight: FloatArray, decay: FloatArray, min_observations: int) -> FloatArray:
    """Σ w x / Σ w over the last len(decay) sessions [T, N], w = weight × decay[k] ≥ 0, k = sessions back.

    A session counts if both x and its weight are observed. Missing where the weights sum to 0.
    """
    return _over_lanes(_weighted_mean, (x, weight), len(decay), decay, min_observations)


def rolling_residual_std(
    y: FloatArray, regressors: FloatArray, window: int, min_observations: int, tolerance: float
) -> FloatArray:
    """Sample standard deviation (n − 1) of the residuals of y [T, N] on an intercept and `regressors` [T, 3].

    Ordinary least squares over the sessions of the window on which y and all regressors are observed: normal equations
    of the centred regressors by Cholesky, then the residuals one by one. Missing where the regression is singular: what
    a regressor adds to the intercept and those before it has at most `tolerance` of its deviation in the window.
    """
    if regressors.shape != (y.shape[0], REGRESSORS):
        raise ValueError(f"regressors: expected shape {(y.shape[0], REGRESSORS)}, got {regressors.shape}")
    needed = max(min_observations, MIN_REGRESSION_OBSERVATIONS)
    return _over_lanes(_residual_std, (y,), window, np.ascontiguousarray(regressors), window, needed, tolerance)


def _over_lanes(
    kernel: Callable[..., None], panels: tuple[FloatArray, ...], window: int, *parameters: object
) -> FloatArray:
    """Run a kernel on panels padded to whole lanes; a panel that has them already is not copied."""
    if window < 1:
        raise ValueError(f"a window of {window} sessions holds nothing")
    stocks = panels[0].shape[1]
    padded = [_in_lanes(panel) for panel in panels]
    out = np.empty(padded[0].shape)
    out[: window - 1] = np.nan
    kernel(*padded, *parameters, out)
    return out[:, :stocks]


def _in_lanes(panel: FloatArray) -> FloatArray:
    sessions, stocks = panel.shape
    if stocks % LANES == 0:
        return np.ascontiguousarray(panel, dtype=np.float64)
    padded = np.full((sessions, stocks + LANES - stocks % LANES), np.nan)
    padded[:, :stocks] = panel
    return padded


@njit(nogil=True, cache=True, error_model="numpy")
def _newest(x, latest):  # type: ignore[no-untyped-def]
    """Bring the newest observation of each lane up to date with one more session."""
    for j in range(LANES):
        latest[j] = x[j] if x[j] == x[j] else latest[j]


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(x, window, min_observations, out):  # type: ignore[no-untyped-def]
    """Sums of short pieces first, then of pieces: √n + √n terms instead of n, and still no running state."""
    piece = int(np.sqrt(window))
    pieces = window // piece
    totals, counts = np.empty((len(x), LANES)), np.empty((len(x), LANES))
    needed = np.zeros(len(x), dtype=np.bool_)  # of a few newest sessions not every piece is
    for t in range(window - 1, len(x)):
        for back in range(pieces):
            needed[t - back * piece] = True
    for first in range(0, x.shape[1], LANES):
        for t in range(piece - 1, len(x)):
            if not needed[t]:
                continue
            total, count = totals[t], counts[t]
            total[:] = 0.0
            count[:] = 0.0
            for s in range(t, t - piece, -1):
                _add(x[s, first : first + LANES], total, count)
        total, count = np.empty(LANES), np.empty(LANES)
        for t in range(window - 1, len(x)):
            total[:] = 0.0
            count[:] = 0.0
            for back in range(pieces):
                of_piece, in_piece = totals[t - back * piece], counts[t - back * piece]
                for j in range(LANES):
                    total[j] += of_piece[j]
                    count[j] += in_piece[j]
            for s in range(t - pieces * piece, t - window, -1):
                _add(x[s, first : first + LANES], total, count)
            row = out[t, first : first + LANES]
            for j in range(LANES):
                row[j] = total[j] / count[j] if count[j] >= min_observations else np.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _add(values, total, count):  # type: ignore[no-untyped-def]
    for j in range(LANES):
        observed = values[j] == values[j]
        total[j] += values[j] if observed else 0.0
        count[j] += 1.0 if observed else 0.0


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _std(x, window, min_observations, out):  # type: ignore[no-untyped-def]
    count, total, squares, latest = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, x.shape[1], LANES):
        latest[:] = np.nan
        for t in range(len(x)):
            _newest(x[t, first : first + LANES], latest)
            if t < window - 1:
                continue
            count[:] = 0.0
            total[:] = 0.0
            squares[:] = 0.0
            for s in range(t, t - window, -2):
                newer, older = x[s, first : first + LANES], x[s - 1, first : first + LANES]
                has_older = s - 1 > t - window
                for j in range(LANES):
                    a, b = newer[j] - latest[j], older[j] - latest[j]
                    is_newer, is_older = a == a, (b == b) & has_older
                    a = a if is_newer else 0.0
                    b = b if is_older else 0.0
                    count[j] += (1.0 if is_newer else 0.0) + (1.0 if is_older else 0.0)
                    total[j] += a + b
                    squares[j] += a * a + b * b
            row = out[t, first : first + LANES]
            for j in range(LANES):
                spread = max(squares[j] - total[j] * total[j] / count[j], 0.0)
                row[j] = np.sqrt(spread / (count[j] - 1.0)) if count[j] >= min_observations else np.nan


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _corr(x, y, window, min_observations, tolerance, out):  # type: ignore[no-untyped-def]
    count = np.empty(LANES)
    total_x, squares_x, latest_x = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    total_y, squares_y, latest_y = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    products = np.empty(LANES)
    for first in range(0, x.shape[1], LANES):
        latest_x[:] = np.nan
        latest_y[:] = np.nan
        for t in range(len(x)):
            now_x, now_y = x[t, first : first + LANES], y[t, first : first + LANES]
            for j in range(LANES):
                both = (now_x[j] == now_x[j]) & (now_y[j] == now_y[j])
                latest_x[j] = now_x[j] if both else latest_x[j]
                latest_y[j] = now_y[j] if both else latest_y[j]
            if t < window - 1:
                continue
            count[:] = 0.0
            total_x[:] = 0.0
            total_y[:] = 0.0
            squares_x[:] = 0.0
            squares_y[:] = 0.0
            products[:] = 0.0
            for s in range(t, t - window, -2):
                newer_x, newer_y = x[s, first : first + LANES], y[s, first : first + LANES]
                older_x, older_y = x[s - 1, first : first + LANES], y[s - 1, first : first + LANES]
                has_older = s - 1 > t - window
                for j in range(LANES):
                    a, b = newer_x[j] - latest_x[j], newer_y[j] - latest_y[j]
                    c, d = older_x[j] - latest_x[j], older_y[j] - latest_y[j]
                    is_newer, is_older = (a == a) & (b == b), (c == c) & (d == d) & has_older
                    a = a if is_newer else 0.0
                    b = b if is_newer else 0.0
                    c = c if is_older else 0.0
                    d = d if is_older else 0.0
                    count[j] += (1.0 if is_newer else 0.0) + (1.0 if is_older else 0.0)
                    total_x[j] += a + c
                    total_y[j] += b + d
                    squares_x[j] += a * a + c * c
                    squares_y[j] += b * b + d * d
                    products[j] += a * b + c * d
            row = out[t, first : first + LANES]
            for j in range(LANES):
                n, each = count[j], 1.0 / count[j]
                mean_x, mean_y = total_x[j] * each, total_y[j] * each
                spread_x, spread_y = squares_x[j] - total_x[j] * mean_x, squares_y[j] - total_y[j] * mean_y
                least_x, least_y = tolerance * (latest_x[j] + mean_x), tolerance * (latest_y[j] + mean_y)
                varies = (spread_x > n * least_x * least_x) & (spread_y > n * least_y * least_y)
                corr = (products[j] - total_x[j] * mean_y) / (np.sqrt(spread_x) * np.sqrt(spread_y))
                corr = min(1.0, max(-1.0, corr))
                row[j] = corr if varies & (n >= min_observations) else np.nan


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _weighted_mean(x, weight, decay, min_observations, out):  # type: ignore[no-untyped-def]
    count, weighted, weights = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, x.shape[1], LANES):
        for t in range(len(decay) - 1, len(x)):
            count[:] = 0.0
            weighted[:] = 0.0
            weights[:] = 0.0
            for k in range(len(decay)):
                values, shares = x[t - k, first : first + LANES], weight[t - k, first : first + LANES]
                share_left = decay[k]
                for j in range(LANES):
                    w = shares[j] * share_left
                    product = w * values[j]
                    both = product == product
                    count[j] += 1.0 if both else 0.0
                    weighted[j] += product if both else 0.0
                    weights[j] += w if both else 0.0
            row = out[t, first : first + LANES]
            for j in range(LANES):
                row[j] = weighted[j] / weights[j] if count[j] >= min_observations else np.nan  # 0 / 0 is NaN


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _residual_std(y, regressors, window, min_observations, tolerance, out):  # type: ignore[no-untyped-def]
    centred = np.empty((window, REGRESSORS))
    moments = np.empty((15, LANES))
    n, sum_y, latest = moments[0], moments[1], np.empty(LANES)
    sum_1, sum_2, sum_3 = moments[2], moments[3], moments[4]
    m_11, m_12, m_13, m_22, m_23, m_33 = moments[5], moments[6], moments[7], moments[8], moments[9], moments[10]
    m_1y, m_2y, m_3y, squares = moments[11], moments[12], moments[13], moments[14]
    b_1, b_2, b_3, intercept = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    singular = np.empty(LANES, dtype=np.bool_)
    for first in range(0, y.shape[1], LANES):
        latest[:] = np.nan
        for t in range(len(y)):
            _newest(y[t, first : first + LANES], latest)
            if t < window - 1:
                continue
            # Distances from the window's mean: the same for all stocks, and it keeps the normal equations well posed.
            for i in range(REGRESSORS):
                total, known = 0.0, 0
                for k in range(window):
                    value = regressors[t - k, i]
                    if value == value:
                        total += value
                        known += 1
                for k in range(window):
                    centred[k, i] = regressors[t - k, i] - total / known
            moments[:] = 0.0
            for k in range(window):
                f_1, f_2, f_3 = centred[k, 0], centred[k, 1], centred[k, 2]
                if not np.isfinite(f_1 + f_2 + f_3):
                    continue
                f_11, f_12, f_13, f_22, f_23, f_33 = f_1 * f_1, f_1 * f_2, f_1 * f_3, f_2 * f_2, f_2 * f_3, f_3 * f_3
                values = y[t - k, first : first + LANES]
                for j in range(LANES):
                    distance = values[j] - latest[j]
                    observed = distance == distance
                    distance = distance if observed else 0.0
                    n[j] += 1.0 if observed else 0.0
                    sum_1[j] += f_1 if observed else 0.0
                    sum_2[j] += f_2 if observed else 0.0
                    sum_3[j] += f_3 if observed else 0.0
                    m_11[j] += f_11 if observed else 0.0
                    m_12[j] += f_12 if observed else 0.0
                    m_13[j] += f_13 if observed else 0.0
                    m_22[j] += f_22 if observed else 0.0
                    m_23[j] += f_23 if observed else 0.0
                    m_33[j] += f_33 if observed else 0.0
                    sum_y[j] += distance
                    m_1y[j] += distance * f_1
                    m_2y[j] += distance * f_2
                    m_3y[j] += distance * f_3
            for j in range(LANES):
                mean_1, mean_2, mean_3, mean_y = sum_1[j] / n[j], sum_2[j] / n[j], sum_3[j] / n[j], sum_y[j] / n[j]
                v_11, v_12, v_13 = m_11[j] - mean_1 * sum_1[j], m_12[j] - mean_1 * sum_2[j], m_13[j] - mean_1 * sum_3[j]
                v_22, v_23, v_33 = m_22[j] - mean_2 * sum_2[j], m_23[j] - mean_2 * sum_3[j], m_33[j] - mean_3 * sum_3[j]
                c_1, c_2, c_3 = m_1y[j] - mean_y * sum_1[j], m_2y[j] - mean_y * sum_2[j], m_3y[j] - mean_y * sum_3[j]
                l_11 = np.sqrt(v_11)
                l_21, l_31 = v_12 / l_11, v_13 / l_11
                l_22 = np.sqrt(v_22 - l_21 * l_21)
                l_32 = (v_23 - l_21 * l_31) / l_22
                l_33 = np.sqrt(v_33 - l_31 * l_31 - l_32 * l_32)
                z_1 = c_1 / l_11
                z_2 = (c_2 - l_21 * z_1) / l_22
                z_3 = (c_3 - l_31 * z_1 - l_32 * z_2) / l_33
                b_3[j] = z_3 / l_33
                b_2[j] = (z_2 - l_32 * b_3[j]) / l_22
                b_1[j] = (z_1 - l_21 * b_2[j] - l_31 * b_3[j]) / l_11
                intercept[j] = latest[j] + mean_y - b_1[j] * mean_1 - b_2[j] * mean_2 - b_3[j] * mean_3
                # Not "greater", so that a pivot that is NaN is singular as well.
                regular = (l_11 > tolerance * np.sqrt(m_11[j])) & (l_22 > tolerance * np.sqrt(v_22))
                singular[j] = not (regular & (l_33 > tolerance * np.sqrt(v_33)))
            for k in range(window):
                f_1, f_2, f_3 = centred[k, 0], centred[k, 1], centred[k, 2]
                if not np.isfinite(f_1 + f_2 + f_3):
                    continue
                values = y[t - k, first : first + LANES]
                for j in range(LANES):
                    residual = values[j] - intercept[j] - b_1[j] * f_1 - b_2[j] * f_2 - b_3[j] * f_3
                    squares[j] += residual * residual if residual == residual else 0.0
            row = out[t, first : first + LANES]
            for j in range(LANES):
                known = (n[j] >= min_observations) & (not singular[j])
                row[j] = np.sqrt(squares[j] / (n[j] - 1.0)) if known else np.nan
