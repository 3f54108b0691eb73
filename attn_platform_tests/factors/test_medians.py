"""The median by counting against numpy's, on what makes counting creep: long tails, ties, infinitesimal brackets."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.medians import median, observations


@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize("stocks", [1, 2, 3, 300, 301, 5000])
@pytest.mark.parametrize("shape", ["normal", "heavy tails", "ties", "half zeros", "sorted", "one value", "gaps"])
def test_median_is_numpys(number: type, stocks: int, shape: str) -> None:
    rng = np.random.default_rng(stocks)
    x = {
        "normal": lambda: rng.standard_normal(stocks),
        "heavy tails": lambda: np.exp(15 * rng.standard_normal(stocks)) * rng.choice([-1, 1], stocks),
        "ties": lambda: np.round(rng.standard_normal(stocks), 1),
        "half zeros": lambda: np.maximum(rng.standard_normal(stocks), 0),
        "sorted": lambda: 2.0 ** np.linspace(-100, 100, stocks),
        "one value": lambda: np.full(stocks, 7.77),
        "gaps": lambda: np.where(rng.random(stocks) < 0.3, np.nan, rng.standard_normal(stocks)),
    }[shape]()
    x = x.astype(number)
    expected = np.nan if np.isnan(x).all() else np.nanmedian(x.astype(np.float64))
    found = median(x, observations(x))
    assert found == expected or (np.isnan(expected) and np.isnan(found))


numbers = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 60),
    elements=st.one_of(
        st.just(float("nan")),
        st.sampled_from([0.0, -0.0, 1.0, 1e10, -1e10, 2.0**-126]),
        st.floats(-(2.0**100), 2.0**100, width=32),
    ),
)


@settings(deadline=None, max_examples=200)
@given(x=numbers)
def test_median_of_hostile_numbers(x: FloatArray) -> None:
    observed = x[~np.isnan(x)].astype(np.float64)
    assert observations(x) == len(observed)
    found = median(x, len(observed))
    assert np.isnan(found) if len(observed) == 0 else found == np.median(observed)
