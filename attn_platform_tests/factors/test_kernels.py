"""The rolling kernels against pandas, bottleneck, numbagg and numpy's least squares."""

import bottleneck
import hypothesis.extra.numpy as hnp
import numbagg
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.factors import kernels
from attn_platform.factors.kernels import FloatArray

TOLERANCE = 1e-12
COLLINEAR = 1e-6


def noise(seed: int, sessions: int = 120, stocks: int = 70, missing: float = 0.2) -> FloatArray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((sessions, stocks)) * np.exp(5 * rng.standard_normal(stocks))
    x[rng.random(x.shape) < missing] = np.nan
    return x


def after_nothing(x: FloatArray, window: int) -> FloatArray:
    """The panel after as many empty sessions as a window looks back: where history begins, windows are cut off."""
    return np.concatenate([np.full((window - 1, x.shape[1]), np.nan), x])


WINDOWS = [(1, 1), (10, 5), (21, 11), (21, 21), (200, 30)]


@pytest.mark.parametrize(("window", "needed"), WINDOWS)
def test_mean_and_std_agree_with_pandas(window: int, needed: int) -> None:
    x = noise(1)
    rolling = pd.DataFrame(x).rolling(window, min_periods=needed)
    mean = kernels.rolling_mean(after_nothing(x, window), window, needed)[window - 1 :]
    std = kernels.rolling_std(after_nothing(x, window), window, needed)[window - 1 :]
    np.testing.assert_allclose(mean, rolling.mean().to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(std, rolling.std().to_numpy(), rtol=1e-9)


@pytest.mark.parametrize(("window", "needed"), WINDOWS[1:4])
def test_mean_and_std_agree_with_bottleneck_and_numbagg(window: int, needed: int) -> None:
    x = noise(1)
    mean, std = kernels.rolling_mean(x, window, needed), kernels.rolling_std(x, window, needed)
    full = slice(window - 1, None)  # the others give values for windows that begin before the panel
    for expected_mean, expected_std in (
        (
            bottleneck.move_mean(x, window, needed, axis=0),
            bottleneck.move_std(x, window, needed, axis=0, ddof=1),
        ),
        (
            numbagg.move_mean(x, window=window, min_count=needed, axis=0),
            numbagg.move_std(x, window=window, min_count=needed, axis=0),
        ),
    ):
        np.testing.assert_allclose(mean[full], expected_mean[full], rtol=1e-8)
        np.testing.assert_allclose(std[full], expected_std[full], rtol=1e-6)
    assert np.isnan(mean[: window - 1]).all()
    assert np.isnan(std[: window - 1]).all()


@pytest.mark.parametrize(("window", "needed"), [(10, 5), (21, 11), (21, 3)])
def test_corr_agrees_with_pandas_and_numbagg_on_pairs(window: int, needed: int) -> None:
    x, y = noise(2), noise(3)
    # pandas' rolling corr masks pairs, but wants each side's count: hand it the pairs.
    paired = np.isfinite(x) & np.isfinite(y)
    a, b = np.where(paired, x, np.nan), np.where(paired, y, np.nan)
    actual = kernels.rolling_corr(x, y, window, needed, TOLERANCE)
    full = slice(window - 1, None)
    by_pandas = pd.DataFrame(a).rolling(window, min_periods=needed).corr(pd.DataFrame(b)).to_numpy()
    np.testing.assert_allclose(actual[full], by_pandas[full], atol=1e-8)
    by_numbagg = numbagg.move_corr(a, b, window=window, min_count=needed, axis=0)
    np.testing.assert_allclose(actual[full], by_numbagg[full], atol=1e-6)
    assert np.isnan(actual[: window - 1]).all()


def test_fewer_observations_than_needed_give_missing() -> None:
    x = np.array([[np.nan], [1.0], [np.nan], [3.0], [5.0]])
    np.testing.assert_array_equal(kernels.rolling_mean(x, 4, 2)[:, 0], [np.nan, np.nan, np.nan, 2.0, 3.0])
    np.testing.assert_array_equal(kernels.rolling_mean(x, 4, 3)[:, 0], [np.nan, np.nan, np.nan, np.nan, 3.0])
    np.testing.assert_allclose(kernels.rolling_std(x, 4, 1)[:, 0], [np.nan, np.nan, np.nan, np.sqrt(2), 2.0])


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.77, -1e10, 1e10 / 3, 1e-300])
def test_constant_windows(constant: float) -> None:
    x = np.full((30, 2), constant)
    x[5:8, 1] = np.nan
    other = np.random.default_rng(0).standard_normal((30, 2))
    np.testing.assert_allclose(kernels.rolling_mean(x, 21, 11)[20:], constant, rtol=1e-15)
    assert (kernels.rolling_std(x, 21, 11)[20:] == 0).all()
    assert np.isnan(kernels.rolling_corr(x, other, 10, 5, TOLERANCE)).all()
    assert np.isnan(kernels.rolling_corr(other, x, 10, 5, TOLERANCE)).all()


def test_a_constant_but_for_rounding_has_no_correlation() -> None:
    rng = np.random.default_rng(4)
    factor = rng.uniform(0.5, 2, (40, 3))
    x = (7.77 / factor) * factor  # equal up to the last bits
    assert len(np.unique(x)) > 1
    assert np.isnan(kernels.rolling_corr(x, rng.standard_normal((40, 3)), 10, 5, TOLERANCE)).all()


def test_the_smallest_real_move_has_a_correlation() -> None:
    x = np.full((10, 1), 2000.0)
    x[4] = 2000.01  # a tick at the dearest price
    y = np.arange(10.0)[:, None]
    expected = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
    assert kernels.rolling_corr(x, y, 10, 5, TOLERANCE)[-1, 0] == pytest.approx(expected, rel=1e-6)


def test_a_huge_value_leaves_no_trace_behind() -> None:
    x = noise(5, missing=0.0)
    spiked = x.copy()
    spiked[20] = 1e10
    for kernel in (kernels.rolling_mean, kernels.rolling_std):
        np.testing.assert_array_equal(kernel(x, 10, 5)[30:], kernel(spiked, 10, 5)[30:])
        assert (kernel(x, 10, 5)[20:30] != kernel(spiked, 10, 5)[20:30]).all()


def test_perfectly_correlated_series_stay_within_bounds() -> None:
    x = noise(6, missing=0.1)
    up = kernels.rolling_corr(x, 3 * x + 1, 10, 5, TOLERANCE)
    down = kernels.rolling_corr(x, -x, 10, 5, TOLERANCE)
    known = np.isfinite(up)
    assert known.mean() > 0.8
    assert (np.abs(up[known]) <= 1).all()
    np.testing.assert_allclose(up[known], 1, atol=1e-6)
    np.testing.assert_allclose(down[known], -1, atol=1e-12)


def test_weighted_mean_of_a_hand_worked_window() -> None:
    x = np.array([[1.0], [np.nan], [4.0], [2.0]])
    weight = np.array([[3.0], [5.0], [np.nan], [1.0]])
    decay = np.array([1.0, 0.5, 0.25, 0.1])
    # Sessions 0 and 3 have both: (3 × 0.1 × 1 + 1 × 1 × 2) / (3 × 0.1 + 1 × 1)
    assert kernels.rolling_weighted_mean(x, weight, decay, 2)[3, 0] == pytest.approx(2.3 / 1.3)
    assert np.isnan(kernels.rolling_weighted_mean(x, weight, decay, 3)[3, 0])
    assert np.isnan(kernels.rolling_weighted_mean(x, 0 * weight, decay, 1)).all()


def residual_std_by_lstsq(y: FloatArray, regressors: FloatArray) -> float:
    known = np.isfinite(y) & np.isfinite(regressors).all(axis=1)
    design = np.column_stack([np.ones(known.sum()), regressors[known]])
    coefficients, *_ = np.linalg.lstsq(design, y[known], rcond=None)
    return float(np.std(y[known] - design @ coefficients, ddof=1))


def test_residual_std_agrees_with_least_squares() -> None:
    rng = np.random.default_rng(7)
    regressors = 0.01 * rng.standard_normal((60, 3)) @ rng.standard_normal((3, 3)) + 0.002
    regressors[33, 1] = np.nan
    y = regressors @ rng.standard_normal((3, 9)) + 0.02 * rng.standard_normal((60, 9))
    y[rng.random(y.shape) < 0.2] = np.nan
    actual = kernels.rolling_residual_std(y, regressors, 21, 11, COLLINEAR)
    for t in range(25, 60):
        for j in range(9):
            window = slice(t - 20, t + 1)
            observed = (np.isfinite(y[window, j]) & np.isfinite(regressors[window]).all(axis=1)).sum()
            expected = residual_std_by_lstsq(y[window, j], regressors[window]) if observed >= 11 else np.nan
            assert actual[t, j] == pytest.approx(expected, rel=1e-10, nan_ok=True)


@pytest.mark.parametrize("singular", ["constant", "zero", "collinear"])
def test_singular_regressions_give_missing(singular: str) -> None:
    rng = np.random.default_rng(8)
    regressors = 0.01 * rng.standard_normal((30, 3))
    y = rng.standard_normal((30, 2))
    assert np.isfinite(kernels.rolling_residual_std(y, regressors, 21, 11, COLLINEAR)[20:]).all()
    regressors[:, 2] = {
        "constant": np.full(30, 0.003),
        "zero": np.zeros(30),
        "collinear": 0.3 * regressors[:, 0] - regressors[:, 1] + 0.01,
    }[singular]
    assert np.isnan(kernels.rolling_residual_std(y, regressors, 21, 11, COLLINEAR)).all()


@pytest.mark.parametrize(("observed", "has_value"), [(3, False), (4, False), (5, True), (6, True)])
def test_a_regression_needs_a_degree_of_freedom(observed: int, has_value: bool) -> None:
    rng = np.random.default_rng(9)
    y = rng.standard_normal((6, 1))
    y[observed:] = np.nan
    actual = kernels.rolling_residual_std(y, rng.standard_normal((6, 3)), 6, 1, COLLINEAR)
    assert np.isfinite(actual[-1, 0]) == has_value


def test_a_perfect_fit_leaves_rounding_only() -> None:
    rng = np.random.default_rng(10)
    regressors = 0.01 * rng.standard_normal((30, 3))
    y = 5.0 + regressors @ rng.standard_normal((3, 4))
    assert (kernels.rolling_residual_std(y, regressors, 21, 11, COLLINEAR)[20:] < 1e-14).all()


def test_regressors_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected shape"):
        kernels.rolling_residual_std(np.zeros((6, 1)), np.zeros((6, 2)), 6, 1, COLLINEAR)


hostile = hnp.arrays(
    np.float64,
    (30, 3),
    elements=st.one_of(
        st.just(float("nan")), st.sampled_from([0.0, 1.0, 1e10, -1e10, 1e-10]), st.floats(-1e6, 1e6, width=32)
    ),
)


@settings(deadline=None, max_examples=60)
@given(x=hostile, y=hostile, start=st.integers(0, 20))
def test_every_value_depends_on_its_window_only(x: FloatArray, y: FloatArray, start: int) -> None:
    """To the last bit: whatever was loaded before the window, and whichever columns stand beside it."""
    regressors = np.random.default_rng(0).standard_normal((30, 3))
    decay = np.exp(-np.arange(10) / 12)
    wide_x, wide_y = (np.concatenate([np.full((30, 37), np.nan), side], axis=1) for side in (x, y))
    for compute in (
        lambda a, b, f: kernels.rolling_mean(a, 10, 5),
        lambda a, b, f: kernels.rolling_std(a, 10, 5),
        lambda a, b, f: kernels.rolling_corr(a, b, 10, 5, TOLERANCE),
        lambda a, b, f: kernels.rolling_weighted_mean(a, np.abs(b), decay, 5),
        lambda a, b, f: kernels.rolling_residual_std(a, f, 10, 5, COLLINEAR),
    ):
        full = compute(x, y, regressors)
        np.testing.assert_array_equal(full[start + 9 :], compute(x[start:], y[start:], regressors[start:])[9:])
        np.testing.assert_array_equal(full, compute(wide_x, wide_y, regressors)[:, 37:])


@settings(deadline=None, max_examples=60)
@given(x=hostile)
def test_moments_of_hostile_windows(x: FloatArray) -> None:
    mean, std = kernels.rolling_mean(x, 10, 5), kernels.rolling_std(x, 10, 5)
    for t in range(9, 30):
        for j in range(3):
            window = x[t - 9 : t + 1, j]
            window = window[np.isfinite(window)]
            if len(window) < 5:
                assert np.isnan(mean[t, j])
                assert np.isnan(std[t, j])
                continue
            scale = np.abs(window).max()
            assert mean[t, j] == pytest.approx(np.mean(window), abs=1e-14 * scale)
            assert std[t, j] == pytest.approx(np.std(window, ddof=1), rel=1e-12, abs=1e-14 * scale)
