import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attn_platform.errors import ConfigurationError
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.preprocessing import (
    Exposures,
    PreprocessingConfig,
    neutralise,
    preprocess_in_place,
    preprocess_session,
    winsorise,
    zscore,
)

DEFAULT = PreprocessingConfig()
XGBOOST = PreprocessingConfig(neutralise="industry_and_size")


def cross_section(seed: int, stocks: int = 301, factors: int = 6) -> FloatArray:
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, (stocks, factors)) * 10.0 ** np.arange(-3, factors - 3)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def by_scipy(values: FloatArray, multiple: float = 5.0) -> FloatArray:
    out = np.empty_like(values)
    for f, column in enumerate(values.T):
        median = np.nanmedian(column)
        mad = scipy.stats.median_abs_deviation(column, nan_policy="omit")
        clipped = np.clip(column, median - multiple * mad, median + multiple * mad)
        out[:, f] = np.nan_to_num(scipy.stats.zscore(clipped, nan_policy="omit", ddof=0))
    return out


def by_dummies(values: FloatArray, industry: np.ndarray, size: FloatArray | None) -> FloatArray:
    """Residuals by least squares on the dummies themselves."""
    out = np.full(values.shape, np.nan)
    design = (industry[:, None] == np.unique(industry)).astype(float)
    if size is not None:
        design = np.column_stack([design, size])
    for f, column in enumerate(values.T):
        known = np.isfinite(column) & np.isfinite(design).all(axis=1)
        coefficients, *_ = np.linalg.lstsq(design[known], column[known], rcond=None)
        out[known, f] = column[known] - design[known] @ coefficients
    return out


def exposures(seed: int, stocks: int = 301) -> Exposures:
    rng = np.random.default_rng(seed)
    size = 23 + rng.standard_normal(stocks)
    size[rng.random(stocks) < 0.05] = np.nan
    return Exposures(rng.integers(-1, 30, stocks), size)  # −1: no industry known


@pytest.mark.parametrize("stocks", [300, 301])
def test_a_session_agrees_with_scipy(stocks: int) -> None:
    values = cross_section(1, stocks)
    result = preprocess_session(values)
    np.testing.assert_allclose(result.values, by_scipy(values), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.coverage, np.isfinite(values).mean(axis=0))
    assert not result.constant.any()


@pytest.mark.parametrize("config", [DEFAULT, XGBOOST], ids=["plain", "neutralised"])
def test_float32_stays_float32_and_close(config: PreprocessingConfig) -> None:
    values = cross_section(1).astype(np.float32)
    result = preprocess_session(values, config, exposures(1))
    assert result.values.dtype == np.float32
    exact = preprocess_session(values.astype(np.float64), config, exposures(1))
    np.testing.assert_allclose(result.values, exact.values, atol=2e-6)
    np.testing.assert_array_equal(result.coverage, exact.coverage)


def test_whole_numbers_are_numbers() -> None:
    counts = np.random.default_rng(2).integers(0, 1000, (301, 2))
    np.testing.assert_array_equal(preprocess_session(counts).values, preprocess_session(counts.astype(float)).values)


def test_a_hand_worked_factor() -> None:
    """Median 3, distances 2 1 0 1 97: MAD 1, so 100 is clipped to 8; mean 18 / 5, the missing stock is 0."""
    values = np.array([[1.0], [2.0], [3.0], [4.0], [100.0], [np.nan]])
    clipped = winsorise(values, DEFAULT)
    np.testing.assert_array_equal(clipped[:, 0], [1, 2, 3, 4, 8, np.nan])
    expected = (np.array([1, 2, 3, 4, 8]) - 3.6) / np.sqrt(5.84)
    result = preprocess_session(values)
    np.testing.assert_allclose(result.values[:, 0], [*expected, 0.0])
    assert result.coverage[0] == pytest.approx(5 / 6)


def test_the_scale_constant_widens_the_clip() -> None:
    values = np.array([[1.0], [2.0], [3.0], [4.0], [100.0]])
    assert winsorise(values, PreprocessingConfig(mad_scale=1.4826))[-1, 0] == pytest.approx(3 + 5 * 1.4826)
    assert winsorise(values, PreprocessingConfig(mad_multiple=3))[-1, 0] == pytest.approx(6)


def test_a_factor_that_nobody_has_is_zero_and_reported() -> None:
    values = cross_section(2)
    values[:, 3] = np.nan
    result = preprocess_session(values)
    assert (result.values[:, 3] == 0).all()
    assert result.coverage[3] == 0
    assert (result.coverage[[0, 1, 2, 4, 5]] > 0.8).all()
    assert not result.constant[3]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e10 / 3])
def test_a_constant_factor_is_zero_and_reported(constant: float) -> None:
    values = cross_section(3)
    values[:, 2] = constant
    result = preprocess_session(values)
    assert (result.values[:, 2] == 0).all()
    assert result.coverage[2] == 1
    assert result.constant.tolist() == [False, False, True, False, False, False]


def test_a_constant_but_for_rounding_is_a_constant() -> None:
    values = 7.77 + np.spacing(7.77) * np.arange(50.0)[:, None]
    assert len(np.unique(values)) == 50
    assert preprocess_session(values).constant[0]


def test_more_than_half_alike_collapse_and_are_reported() -> None:
    values = np.zeros((11, 1))
    values[:5, 0] = np.arange(1, 6)
    result = preprocess_session(values)
    assert (result.values == 0).all()
    assert result.constant[0]


def test_what_is_not_finite_is_missing() -> None:
    values = cross_section(4)
    infinite = values.copy()
    infinite[5:9, 1] = [np.inf, -np.inf, np.inf, np.inf]
    values[5:9, 1] = np.nan
    np.testing.assert_array_equal(preprocess_session(infinite).values, preprocess_session(values).values)
    np.testing.assert_array_equal(preprocess_session(infinite).coverage, preprocess_session(values).coverage)


def test_input_is_left_alone() -> None:
    values = cross_section(5)
    before = values.copy()
    preprocess_session(values, XGBOOST, exposures(5))
    np.testing.assert_array_equal(values, before)


def test_zscore_has_mean_0_and_population_deviation_1() -> None:
    scores = zscore(cross_section(6))
    np.testing.assert_allclose(np.nanmean(scores, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(scores, axis=0, ddof=0), 1)


@pytest.mark.parametrize("with_size", [False, True])
def test_neutralise_agrees_with_least_squares_on_dummies(with_size: bool) -> None:
    values, given_ = cross_section(7), exposures(7)
    size = given_.log_market_value if with_size else None
    actual = neutralise(values, given_.industry, size)
    expected = by_dummies(values, given_.industry, size)
    np.testing.assert_allclose(actual / np.nanstd(values, axis=0), expected / np.nanstd(values, axis=0), atol=1e-10)


def test_neutralise_on_several_collinear_exposures() -> None:
    values, given_ = cross_section(8), exposures(8)
    rng = np.random.default_rng(8)
    size, beta = 23 + rng.standard_normal(301), rng.standard_normal(301)
    both = neutralise(values, given_.industry, np.column_stack([size, beta]))
    again = neutralise(values, given_.industry, np.column_stack([size, beta, 2 * size - beta + 1]))
    expected = by_dummies(values, given_.industry, np.column_stack([size, beta]))
    np.testing.assert_allclose(both / np.nanstd(values, axis=0), expected / np.nanstd(values, axis=0), atol=1e-10)
    np.testing.assert_allclose(again, both, rtol=1e-8, atol=1e-10)


def test_what_industry_explains_leaves_nothing() -> None:
    given_ = exposures(9)
    values = np.column_stack([np.exp(0.1 * given_.industry), np.random.default_rng(9).standard_normal(301)])
    result = preprocess_session(values, PreprocessingConfig(mad_multiple=1e6, neutralise="industry"), given_)
    assert (result.values[:, 0] == 0).all()
    assert result.constant.tolist() == [True, False]


def test_xgboost_order_winsorise_regress_zscore_fill() -> None:
    values, given_ = cross_section(10), exposures(10)
    clipped = np.column_stack(
        [
            np.clip(c, np.nanmedian(c) - 5 * m, np.nanmedian(c) + 5 * m)
            for c in values.T
            for m in [scipy.stats.median_abs_deviation(c, nan_policy="omit")]
        ]
    )
    residual = by_dummies(clipped, given_.industry, given_.log_market_value)
    expected = np.nan_to_num(scipy.stats.zscore(residual, nan_policy="omit"))
    result = preprocess_session(values, XGBOOST, given_)
    np.testing.assert_allclose(result.values, expected, atol=1e-9)
    np.testing.assert_allclose(result.coverage, np.isfinite(residual).mean(axis=0))


def test_stacked_sessions_are_each_by_itself() -> None:
    lengths = [301, 0, 57, 1, 120]
    parts = [cross_section(20 + k, length) for k, length in enumerate(lengths)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    given_ = exposures(11, offsets[-1])
    for config in (DEFAULT, XGBOOST):
        columns = np.ascontiguousarray(np.concatenate(parts).T)
        coverage, constant = preprocess_in_place(columns, offsets, config, given_)
        assert coverage.shape == constant.shape == (5, 6)
        for k, part in enumerate(parts):
            rows = slice(offsets[k], offsets[k + 1])
            assert given_.log_market_value is not None
            own = Exposures(given_.industry[rows], given_.log_market_value[rows])
            alone = preprocess_session(part, config, own)
            np.testing.assert_array_equal(columns[:, rows].T, alone.values)
            np.testing.assert_array_equal(coverage[k], alone.coverage)
            np.testing.assert_array_equal(constant[k], alone.constant)


@pytest.mark.parametrize("offsets", [[], [1, 4], [0, 3], [0, 3, 2, 4]])
def test_offsets_must_partition_the_rows(offsets: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="offsets"):
        preprocess_in_place(np.zeros((2, 4)), np.array(offsets, dtype=np.int64))


def test_neutralising_needs_exposures() -> None:
    values = cross_section(12)
    with pytest.raises(ConfigurationError, match="industry"):
        preprocess_session(values, PreprocessingConfig(neutralise="industry"))
    with pytest.raises(ConfigurationError, match="log market value"):
        preprocess_session(values, XGBOOST, Exposures(np.zeros(len(values), dtype=np.int64)))


@settings(deadline=None, max_examples=80)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 40), st.integers(1, 3)),
        elements=st.one_of(
            st.sampled_from([float("nan"), float("inf"), 0.0, 1.0, 1e10, -1e10]), st.floats(-1e10, 1e10, width=32)
        ),
    )
)
def test_hostile_cross_sections(values: FloatArray) -> None:
    result = preprocess_session(values)
    assert np.isfinite(result.values).all()
    assert ((result.coverage >= 0) & (result.coverage <= 1)).all()
    for f in range(values.shape[1]):
        known = np.isfinite(values[:, f])
        assert (result.values[~known, f] == 0).all()
        if result.constant[f]:
            assert (result.values[:, f] == 0).all()
        elif known.any():
            assert np.mean(result.values[known, f]) == pytest.approx(0, abs=1e-6)
            assert np.std(result.values[known, f]) == pytest.approx(1, abs=1e-6)
        order = np.argsort(values[known, f], kind="stable")
        assert (np.diff(result.values[known, f][order]) >= -1e-12).all()
