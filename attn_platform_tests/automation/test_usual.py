"""Bands against pandas, and hand-worked edges."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.automation.configuration import UsualConfig
from attn_platform.automation.usual import Band, band, newest_mean

CONFIG = UsualConfig(
    tail=0.05, widened_by=0.5, least_history=20, mean_sessions=10, rank_ic_lower=0.02, rank_ic_upper=0.95
)


def test_band_is_that_of_pandas() -> None:
    history = np.random.default_rng(1).normal(size=200)
    history[::7] = np.nan
    found = band(history, CONFIG)
    lower, upper = pd.Series(history).quantile([0.05, 0.95])
    assert found is not None
    assert found.lower == pytest.approx(lower - (upper - lower) / 2)
    assert found.upper == pytest.approx(upper + (upper - lower) / 2)
    assert found.holds(lower)
    assert found.holds(np.nan)
    assert not found.holds(upper + (upper - lower))


def test_a_short_history_has_no_band() -> None:
    assert band(np.full(19, 0.1), CONFIG) is None
    assert band(np.append(np.full(19, 0.1), np.nan), CONFIG) is None


def test_a_value_that_never_changed_is_usual_to_rounding() -> None:
    found = band(np.full(20, 0.1), CONFIG)
    assert found == Band(pytest.approx(0.0999), pytest.approx(0.1001))
    assert not found.holds(0.1002)


def test_the_band_of_the_newest_mean_is_students_prediction_interval() -> None:
    """By scipy's t distribution on means that pandas makes; what is before the first whole piece has no part in it."""
    series = np.random.default_rng(2).normal(size=127)
    series[60:90:3] = np.nan
    mean, found = newest_mean(series, CONFIG)
    pieces = pd.Series(series[7:]).groupby(np.arange(120) // 10)
    means = pieces.mean()
    assert pieces.count().min() < 10
    assert mean == pytest.approx(means.iloc[-1])
    history = means.iloc[:-1]
    scale = history.std() * np.sqrt(1 + 1 / len(history))
    expected = stats.t(df=len(history) - 1, loc=history.mean(), scale=scale).ppf([0.02, 0.95])
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx(tuple(expected))
    changed = series.copy()
    changed[-10:] = 100.0
    assert newest_mean(changed, CONFIG)[1] == found, "the newest mean is no part of its history"


def overlapping(rng: np.random.Generator, count: int, horizon: int) -> np.ndarray:
    """RankICs of returns over some sessions, measured every session: neighbours share all but one of them."""
    return np.convolve(rng.normal(size=count + horizon - 1), np.ones(horizon) / np.sqrt(horizon), mode="valid")


@pytest.mark.parametrize(("horizon", "sessions"), [(1, 480), (1, 1500), (10, 480), (10, 1500)])
def test_a_model_that_has_not_changed_is_told_of_at_the_stated_rate(horizon: int, sessions: int) -> None:
    """Noise about a mean, in short and in long histories: 1 % of the looks, the default."""
    rng, config, trials = np.random.default_rng(7), UsualConfig(), 6000
    outside = 0
    for _ in range(trials):
        mean, found = newest_mean(0.05 + 0.1 * overlapping(rng, sessions, horizon), config)
        assert found is not None
        outside += not found.holds(mean)
    stated = config.rank_ic_lower + 1 - config.rank_ic_upper
    error = 3 * np.sqrt(stated * (1 - stated) / trials)  # of the count; neighbouring means share a few sessions, too
    assert outside / trials == pytest.approx(stated, abs=error + 0.2 * stated)


def test_a_model_that_stopped_working_is_told_of() -> None:
    """A mean RankIC of 8 % that becomes one of -4 %: nearly always, once sixty sessions of it are known."""
    rng, config, trials = np.random.default_rng(8), UsualConfig(), 300
    found = 0
    for _ in range(trials):
        series = 0.08 + 0.05 * overlapping(rng, 1000, 10)
        series[-60:] -= 0.12
        mean, usually = newest_mean(series, config)
        assert usually is not None
        found += mean < usually.lower
    assert found / trials > 0.9


def test_the_quantiles_are_those_of_the_configuration() -> None:
    series = np.random.default_rng(9).normal(size=600)
    _, narrow = newest_mean(series, UsualConfig(rank_ic_lower=0.1, rank_ic_upper=0.9))
    _, wide = newest_mean(series, UsualConfig())
    assert narrow is not None
    assert wide is not None
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_too_few_values() -> None:
    mean, found = newest_mean(np.zeros(9), CONFIG)
    assert np.isnan(mean)
    assert found is None
    assert newest_mean(np.zeros(69), CONFIG)[1] is None, "five means before the last"
    assert newest_mean(np.zeros(70), CONFIG) == (0.0, Band(-CONFIG.rounding, CONFIG.rounding))
    assert np.isnan(newest_mean(np.append(np.zeros(30), np.full(6, np.nan)), CONFIG)[0])
