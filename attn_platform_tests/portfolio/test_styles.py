"""Styles of the day's valuation, by hand and by polynomial regression."""

import numpy as np
import pytest

from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.portfolio.styles import BUILT_IN_STYLES, VALUATION_FIELDS, mid_size, style_exposure

VALUATION = {
    "total_mv": np.array([2e9, 3e9, 5e9, 9e9, np.nan, 4e10]),
    "float_mv": np.array([1e9, 2e9, 5e9, 8e9, 1e9, 0.0]),
    "pb_lf": np.array([2.0, -1.0, 0.5, 4.0, np.nan, 1.0]),
}


def test_raw_values() -> None:
    assert set(VALUATION) == set(VALUATION_FIELDS)
    with np.errstate(divide="ignore"):
        raw = {name: style(VALUATION) for name, style in BUILT_IN_STYLES.items()}
    np.testing.assert_allclose(raw["log_float_mv"][:2], [np.log(1e9), np.log(2e9)])
    assert raw["log_float_mv"][5] == -np.inf
    np.testing.assert_allclose(raw["log_total_mv"][[0, 5]], [np.log(2e9), np.log(4e10)])
    np.testing.assert_allclose(raw["bp_lf"][:4], [0.5, -1.0, 2.0, 0.25])


def test_mid_size_is_what_the_cube_says_beyond_the_size() -> None:
    found = mid_size(VALUATION)
    known = ~np.isnan(VALUATION["total_mv"])
    assert np.isnan(found[~known]).all()
    size = np.log(VALUATION["total_mv"][known])
    z = (size - np.mean(size)) / np.std(size)
    slope, intercept = np.polyfit(z, z**3, 1)
    np.testing.assert_allclose(found[known], z**3 - slope * z - intercept, atol=1e-12)
    assert found[known] @ size == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("values", [[1e9, 2e9], [1e9, 1e9, 1e9], [np.nan] * 4])
def test_mid_size_needs_three_different_stocks(values: list[float]) -> None:
    assert np.isnan(mid_size({**VALUATION, "total_mv": np.array(values)})).all()


def test_an_infinite_raw_style_is_missing() -> None:
    """The logarithm of no float value, the inverse of no book value."""
    z = style_exposure(np.array([20.0, -np.inf, 21.0, np.nan, np.inf]), PreprocessingConfig())
    assert np.flatnonzero(np.isnan(z)).tolist() == [1, 3, 4]
    np.testing.assert_allclose(z[[0, 2]], [-1, 1])
