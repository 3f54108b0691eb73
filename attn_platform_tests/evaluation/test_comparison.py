"""The block bootstrap against a plain loop and on known cases; correlations against scipy; overlap by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.comparison import (
    block_sums,
    excess_correlations,
    excess_difference,
    holdings_overlap,
    prediction_correlations,
)
from attn_platform.evaluation.config import ComparisonConfig


def plain_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Difference of the compounded returns' annual rates."""
    rates = [np.prod(1 + series) ** (252 / len(series)) - 1 for series in (first, second)]
    return float(rates[0] - rates[1])


@pytest.mark.parametrize("block", [1, 4, 10, 60])
def test_repetitions_are_those_of_a_plain_loop(block: int) -> None:
    """Each repetition is drawn again session by session, from the same starts; 23 sessions make a block cut short."""
    random = np.random.default_rng(3)
    first, second = random.normal(0.001, 0.01, (2, 23))
    config = ComparisonConfig(block_sessions=block, repetitions=200, seed=5)
    length = min(block, 23)
    starts = np.random.default_rng(5).integers(23, size=(200, -(-23 // length)))
    differences = []
    for of_repetition in starts:
        sessions = [(start + step) % 23 for start in of_repetition for step in range(length)][:23]
        differences.append(plain_difference(first[sessions], second[sessions]))
    found = excess_difference(first, second, config)
    assert found.estimate == pytest.approx(plain_difference(first, second), rel=1e-10)
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), rel=1e-9)
    assert found.positive_share == np.mean(np.array(differences) > 0)


@pytest.mark.slow
def test_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    """Days that hang together, as a moving sum does: blocks cover about 80 %, single days far less."""
    random, misses = np.random.default_rng(11), {1: 0, 30: 0}
    for _ in range(300):
        noise = np.convolve(random.normal(0, 0.004, 509), np.ones(10), mode="valid")
        difference = excess_difference  # of series whose true annual rates are equal
        for block in misses:
            config = ComparisonConfig(block_sessions=block, repetitions=200, confidence=0.8)
            found = difference(noise, np.zeros(500), config)
            # The rate of growth that the sessions have in the mean: log growth is below 0 by half the variance
            true = np.expm1(-0.5 * 10 * 0.004**2 * 252)
            misses[block] += not found.lower <= true <= found.upper
    assert 0.13 <= misses[30] / 300 <= 0.33
    assert misses[1] / 300 > 0.5


def test_blocks_keep_the_variance_of_sums_that_single_days_lose() -> None:
    trend = np.repeat([[1.0], [-1.0]], 50, axis=0)
    spread = {
        block: block_sums(trend, ComparisonConfig(block_sessions=block, repetitions=2000)).std() for block in (1, 10)
    }
    assert spread[10] > 2.5 * spread[1]


def test_same_seed_gives_the_same_interval() -> None:
    first, second = np.random.default_rng(0).normal(0, 0.01, (2, 80))
    config = ComparisonConfig(repetitions=1500)
    assert excess_difference(first, second, config) == excess_difference(first, second, config)
    assert excess_difference(first, second, config) != excess_difference(first, second, ComparisonConfig(seed=1))
    with pytest.raises(MissingDataError, match="1 sessions in common"):
        excess_difference(first[:1], second[:1], config)


def test_correlations_of_excess_returns_are_pearsons_on_common_sessions() -> None:
    excess = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 3)), columns=["a", "b", "c"])
    excess.loc[:9, "c"] = np.nan
    found = excess_correlations(excess)
    for one in excess:
        for other in excess:
            expected = stats.pearsonr(excess.loc[10:, one], excess.loc[10:, other]).statistic
            assert found.loc[one, other] == pytest.approx(expected, abs=1e-12)


def test_correlations_of_predictions_are_the_mean_of_spearmans() -> None:
    random = np.random.default_rng(2)
    first = random.normal(size=(12, 40)).round(1)  # with ties
    second = first + random.normal(size=first.shape)
    first[random.random(first.shape) < 0.1] = np.nan
    second[3] = np.nan  # a session that one of them lacks
    pairs = [(x, y) for x, y in zip(first, second, strict=True) if not np.isnan(y).all()]
    expected = np.mean([stats.spearmanr(x, y, nan_policy="omit").statistic for x, y in pairs])
    found = prediction_correlations({"one": first, "two": second})
    assert found.loc["one", "two"] == pytest.approx(expected, abs=1e-12)
    assert found.loc["two", "one"] == found.loc["one", "two"]
    assert found.loc["one", "one"] == 1.0


def test_overlap_is_the_weight_that_both_hold() -> None:
    def holdings(*rows: tuple[int, str, float]) -> pd.DataFrame:
        frame = pd.DataFrame(rows, columns=["date", "symbol", "weight"])
        return frame.assign(date=pd.to_datetime("2020-01-01") + pd.to_timedelta(frame["date"], unit="D"))

    first = holdings((1, "A", 0.6), (1, "B", 0.4), (8, "A", 1.0), (15, "A", 1.0))
    second = holdings((1, "A", 0.1), (1, "B", 0.7), (8, "C", 1.0), (22, "A", 1.0))
    overlap = holdings_overlap(first, second)
    assert overlap.to_dict() == {pd.Timestamp("2020-01-02"): pytest.approx(0.5), pd.Timestamp("2020-01-09"): 0.0}
