"""Bands against pandas, and hand-worked edges."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.automation.configuration import UsualConfig
from attn_platform.automation.usual import Band, band, newest_mean

CONFIG = UsualConfig(tail=0.05, widened_by=0.5, least_history=20, mean_sessions=10)


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


def test_newest_mean_is_apart_from_its_history() -> None:
    series = np.random.default_rng(2).normal(size=100)
    series[60:90:3] = np.nan
    mean, found = newest_mean(series, CONFIG)
    rolling = pd.Series(series).rolling(10, min_periods=5).mean().to_numpy()
    assert mean == pytest.approx(rolling[-1])
    expected = band(rolling[9:-10], CONFIG)
    assert found is not None
    assert expected is not None
    assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper))
    changed = series.copy()
    changed[-10:] = 100.0
    assert newest_mean(changed, CONFIG)[1] == found


def test_too_few_values() -> None:
    mean, found = newest_mean(np.zeros(9), CONFIG)
    assert np.isnan(mean)
    assert found is None
    assert np.isnan(newest_mean(np.append(np.zeros(30), np.full(6, np.nan)), CONFIG)[0])
