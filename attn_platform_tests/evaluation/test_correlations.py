import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import correlation_series, information_ratio, mean_of_known
from attn_platform.evaluation.ranks import average_ranks, rank_codes


def weighted_formula(p: list[float], l: list[float]) -> float:  # noqa: E741  (the letters of the studies' formula)
    """The formula of AI-55, stock by stock: stock k of N, by realised return, best first; ties at their mean place."""
    places = [sum(other > own for other in l) + (l.count(own) - 1) / 2 for own in l]
    raw = [0.5 ** (k / (len(l) / 2)) for k in places]
    w = [each / math.fsum(raw) for each in raw]
    wp = math.fsum(a * b for a, b in zip(w, p, strict=True))
    wl = math.fsum(a * b for a, b in zip(w, l, strict=True))
    wpl = math.fsum(a * b * c for a, b, c in zip(w, p, l, strict=True))
    wpp = math.fsum(a * b * b for a, b in zip(w, p, strict=True))
    wll = math.fsum(a * b * b for a, b in zip(w, l, strict=True))
    return (wpl - wp * wl) / (math.sqrt(wpp - wp * wp) * math.sqrt(wll - wl * wl))


def panel(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    predictions = rng.normal(size=(6, 40))
    returns = 0.3 * predictions + rng.normal(size=(6, 40))
    if ties:
        predictions, returns = np.round(predictions, 1), np.round(returns, 1)
    predictions[rng.random(predictions.shape) < 0.2] = np.nan
    returns[rng.random(returns.shape) < 0.2] = np.nan
    return predictions, returns


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_ic_and_rank_ic_equal_scipy(seed: int, ties: bool) -> None:
    predictions, returns = panel(seed, ties)
    series = correlation_series(predictions, returns)
    for t, (p, l) in enumerate(zip(predictions, returns, strict=True)):  # noqa: E741
        both = ~np.isnan(p) & ~np.isnan(l)
        assert series["ic"][t] == pytest.approx(stats.pearsonr(p[both], l[both]).statistic, abs=1e-13)
        assert series["rank_ic"][t] == pytest.approx(stats.spearmanr(p[both], l[both]).statistic, abs=1e-13)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_weighted_correlations_equal_the_formula(seed: int, ties: bool) -> None:
    predictions, returns = panel(seed, ties)
    series = correlation_series(predictions, returns)
    for t, (p, l) in enumerate(zip(predictions, returns, strict=True)):  # noqa: E741
        both = ~np.isnan(p) & ~np.isnan(l)
        values = p[both].tolist(), l[both].tolist()
        ranks = stats.rankdata(p[both]).tolist(), stats.rankdata(l[both]).tolist()
        assert series["weighted_ic"][t] == pytest.approx(weighted_formula(*values), abs=1e-12)
        assert series["weighted_rank_ic"][t] == pytest.approx(weighted_formula(*ranks), abs=1e-12)


def test_weights_halve_to_the_median_and_again_to_the_worst() -> None:
    """Four stocks, best to worst, weigh 1, 1/√2, 1/2, 1/√8. Of the best one marked, and returns of 3, 2, 1, 0."""
    weights = np.array([1, 0.5**0.5, 0.5, 0.5**1.5])
    weights /= weights.sum()
    marked, earned = np.array([1.0, 0, 0, 0]), np.array([3.0, 2, 1, 0])
    variance = weights[0] * (1 - weights[0])
    mean_return = weights @ earned
    expected = weights[0] * (3 - mean_return) / np.sqrt(variance * (weights @ earned**2 - mean_return**2))
    order = [1, 3, 2, 0]
    found = correlation_series(marked[None, order], earned[None, order])
    assert found["weighted_ic"] == pytest.approx([expected], rel=1e-14)


def test_blocks_of_sessions_do_not_show() -> None:
    rng = np.random.default_rng(8)
    predictions, returns = rng.normal(size=(2, 600, 15))
    whole = correlation_series(predictions, returns)
    for t in (0, 127, 128, 255, 256, 599):
        one = correlation_series(predictions[t : t + 1], returns[t : t + 1])
        for name, series in whole.items():
            assert len(series) == 600
            assert series[t] == pytest.approx(one[name][0], abs=1e-14)


@pytest.mark.parametrize(
    "predictions",
    [
        [0.7] * 14,  # their mean is not 0.7 in floating point
        [np.nan, 1.0] + [np.nan] * 12,
        [np.nan] * 14,
        [np.inf, 1.0] + [np.nan] * 12,
    ],
)
def test_a_session_that_has_no_correlation_is_nan(predictions: list[float]) -> None:
    series = correlation_series(np.array([predictions]), np.linspace(-0.1, 0.2, 14)[None, :])
    assert all(np.isnan(values).all() for values in series.values())


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.0, 1e5])
def test_what_is_constant_but_for_rounding_has_no_correlation(constant: float) -> None:
    rng = np.random.default_rng(3)
    moves = rng.normal(size=(4, 30))
    dust = rng.integers(-3, 4, size=(4, 30)) * np.spacing(max(abs(constant), 1.0))
    by_returns = correlation_series(moves, constant + dust)
    assert all(np.isnan(values).all() for values in by_returns.values())
    if constant:
        by_predictions = correlation_series(constant + dust, moves)
        assert all(np.isnan(values).all() for values in by_predictions.values())


def test_returns_that_differ_by_rounding_share_a_rank() -> None:
    """Of prices that do not move, after an ex-right day some returns are 0 and some a rounding away from it."""
    rng = np.random.default_rng(5)
    predictions, returns = rng.normal(size=(2, 3, 40))
    returns[:, :25] = 0.0
    noisy = returns.copy()
    noisy[:, :25] += rng.integers(-2, 3, size=(3, 25)) * 2.0**-53
    exact, found = correlation_series(predictions, returns), correlation_series(predictions, noisy)
    np.testing.assert_array_equal(found["rank_ic"], exact["rank_ic"])
    np.testing.assert_allclose(found["weighted_rank_ic"], exact["weighted_rank_ic"], rtol=1e-12)


def test_the_scale_of_predictions_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    predictions, returns = rng.normal(size=(2, 3, 40))
    usual = correlation_series(predictions, returns)
    for scale in (1e-300, 1e-200, 1e200, 1e300):
        scaled = correlation_series(scale * predictions, returns)
        for name, values in usual.items():
            np.testing.assert_allclose(scaled[name], values, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6), shift=st.floats(-100, 100))
def test_correlations_are_bounded_and_rank_ones_see_only_the_order(seed: int, scale: float, shift: float) -> None:
    predictions, returns = panel(seed, ties=False)
    series = correlation_series(predictions, returns)
    moved = correlation_series(np.exp(predictions) * scale + shift, returns)
    for name in ("rank_ic", "weighted_rank_ic"):
        np.testing.assert_allclose(moved[name], series[name], atol=1e-9)
    for values in series.values():
        assert (abs(values) <= 1 + 1e-12).all()


def test_half_life_is_configuration() -> None:
    predictions, returns = panel(0, ties=False)
    flat = correlation_series(predictions, returns, EvaluationConfig(half_life_share=1e12))
    np.testing.assert_allclose(flat["weighted_ic"], flat["ic"], atol=1e-10)


def test_average_ranks_equal_scipy() -> None:
    values, _ = panel(3, ties=True)
    ranks = average_ranks(rank_codes(values))
    for row, expected in zip(ranks, values, strict=True):
        known = ~np.isnan(expected)
        assert row[known].tolist() == stats.rankdata(expected[known]).tolist()
        assert np.isnan(row[~known]).all()


def test_information_ratio_by_hand() -> None:
    # Mean 0.2, deviations 0.1, 0, 0.1: sample variance 0.01.
    assert information_ratio(np.array([0.1, np.nan, 0.2, 0.3])) == pytest.approx(2.0, rel=1e-14)
    assert np.isnan(information_ratio(np.array([0.1, np.nan])))
    assert np.isnan(information_ratio(np.array([0.1, 0.1])))
    assert np.isnan(information_ratio(np.array([0.3, 0.1 + 0.2, 0.3])))


def test_mean_of_known_by_hand() -> None:
    assert mean_of_known(np.array([0.1, np.nan, 0.3])) == pytest.approx(0.2, rel=1e-14)
    assert np.isnan(mean_of_known(np.array([np.nan])))
