import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from attn_platform.evaluation.inference import t_value


def newey_west(series: list[float], overlap: int) -> float:
    """The estimator of Newey and West (1987), session by session; None is a missing session."""
    known = [value for value in series if not math.isnan(value)]
    n, mean = len(known), math.fsum(known) / len(known)
    total = 0.0
    for s in range(len(series)):
        for t in range(len(series)):
            if abs(s - t) <= overlap and not math.isnan(series[s]) and not math.isnan(series[t]):
                total += (1 - abs(s - t) / (overlap + 1)) * (series[s] - mean) * (series[t] - mean)
    return mean / math.sqrt(total / (n - 1) / n)


@pytest.mark.parametrize("seed", range(3))
def test_without_overlap_it_is_the_t_test_of_scipy(seed: int) -> None:
    series = np.random.default_rng(seed).normal(0.02, 0.1, 300)
    assert t_value(series) == pytest.approx(stats.ttest_1samp(series, 0.0).statistic, rel=1e-12)
    gappy = np.where(np.random.default_rng(seed).random(300) < 0.3, np.nan, series)
    assert t_value(gappy) == pytest.approx(stats.ttest_1samp(gappy[~np.isnan(gappy)], 0.0).statistic, rel=1e-12)


@pytest.mark.parametrize("overlap", [1, 4, 9, 19])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_with_overlap_it_is_newey_and_wests(overlap: int, missing: float) -> None:
    rng = np.random.default_rng(overlap)
    series = np.convolve(rng.normal(size=160), np.ones(overlap + 1), "valid") + 0.3
    series[rng.random(len(series)) < missing] = np.nan
    assert t_value(series, overlap) == pytest.approx(newey_west(series.tolist(), overlap), rel=1e-10)


@pytest.mark.parametrize("overlap", [0, 1, 9, 19])
def test_it_is_that_of_statsmodels(overlap: int) -> None:
    rng = np.random.default_rng(overlap)
    series = np.convolve(rng.normal(size=300), np.ones(10), "valid") + 0.5
    fitted = OLS(series, np.ones(len(series))).fit(
        cov_type="HAC", cov_kwds={"maxlags": overlap, "use_correction": True}
    )
    assert t_value(series, overlap) == pytest.approx(fitted.tvalues[0], rel=1e-10)


def test_overlap_takes_away_what_overlapping_returns_repeat() -> None:
    """The mean of sums over ten sessions is known as well as that of the ten parts, and no better."""
    daily = np.random.default_rng(5).normal(0.05, 1.0, 4000)
    sums = np.convolve(daily, np.ones(10), "valid")
    assert t_value(sums) > 2.5 * t_value(daily)
    assert t_value(sums, 9) == pytest.approx(t_value(daily), rel=0.25)


def test_by_hand() -> None:
    # 1, 3, 2: mean 2, deviations −1, 1, 0; γ_0 = 2, γ_1 = −1 of weight 1/2: variance (2 − 1) / 2 over 3 observations.
    assert t_value(np.array([1.0, 3.0, 2.0]), 1) == pytest.approx(2 / math.sqrt(0.5 / 3), rel=1e-15)


@pytest.mark.parametrize("series", [[], [0.1], [0.1, np.nan], [0.7] * 14, [np.nan] * 5])
def test_what_does_not_vary_has_none(series: list[float]) -> None:
    assert math.isnan(t_value(np.array(series), 3))


@given(
    series=st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)), min_size=2, max_size=30),
    overlap=st.integers(0, 40),
)
def test_never_fails(series: list[float], overlap: int) -> None:
    assert isinstance(t_value(np.array(series), overlap), float)
