"""Orthogonalisation of factors: against numpy's least squares with dummies written out, and by hand."""

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.orthogonal import orthogonalise

STYLES = ("size", "mid_size", "bp", "turnover", "reversal", "volatility", "roe", "growth")


def by_lstsq(values: np.ndarray, industry: np.ndarray, styles: dict[str, np.ndarray]) -> np.ndarray:
    """Residual [N] of numpy's least squares on a dummy an industry and the styles; NaN where one of them is missing."""
    known = np.isfinite(values)
    for style in styles.values():
        known &= np.isfinite(style)
    dummies = [(industry == code).astype(float) for code in sorted(set(industry))]
    design = np.column_stack([*dummies, *styles.values()])[known]
    fit, *_ = np.linalg.lstsq(design, values[known])
    residual = np.full(len(values), np.nan)
    residual[known] = values[known] - design @ fit
    return residual


def session(seed: int, stocks: int = 400) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A factor that hangs on its regressors, industries and styles of a session, a tenth of all values missing."""
    rng = np.random.default_rng(seed)
    industry = rng.integers(0, 30, stocks)
    styles = {name: rng.normal(size=stocks) for name in STYLES}
    styles["size"] = 23.0 + 1.2 * styles["size"]
    styles["roe"] = 0.1 * styles["roe"] + 0.02 * styles["bp"] + 0.01 * industry
    values = sum(0.3 * style for style in styles.values()) + 0.1 * industry + rng.normal(size=stocks)
    for each in (values, *styles.values()):
        each[rng.random(stocks) < 0.02] = np.nan
    styles["growth"][3] = np.inf
    return values, industry, styles


@pytest.mark.parametrize("seed", range(5))
def test_the_residual_is_numpys(seed: int) -> None:
    values, industry, styles = session(seed)
    found = orthogonalise(values, industry, styles)
    expected = by_lstsq(values, industry, styles)
    assert found.left_out == ()
    np.testing.assert_array_equal(np.isnan(found.residual), np.isnan(expected))
    np.testing.assert_allclose(found.residual, expected, rtol=0, atol=1e-11)


def test_the_residual_is_orthogonal_to_every_regressor() -> None:
    values, industry, styles = session(7)
    residual = orthogonalise(values, industry, styles).residual
    known = np.isfinite(residual)
    columns = [*styles.values(), *((industry == code).astype(float) for code in set(industry))]
    for column in columns:
        size = np.linalg.norm(residual[known]) * np.linalg.norm(column[known])
        assert abs(residual[known] @ column[known]) <= 1e-10 * max(size, 1.0)


def test_factors_of_a_session_are_regressed_each_on_its_own_stocks() -> None:
    """Several at once are what each is by itself, with its own missing values."""
    values, industry, styles = session(1)
    other, *_ = session(2)
    both = orthogonalise(np.column_stack([values, other]), industry, styles).residual
    for at, each in enumerate((values, other)):
        np.testing.assert_allclose(both[:, at], by_lstsq(each, industry, styles), rtol=0, atol=1e-11)


def test_what_follows_from_the_others_changes_nothing() -> None:
    values, industry, styles = session(3)
    alone = orthogonalise(values, industry, styles).residual
    more = {**styles, "twice": 2 * styles["size"], "sum": styles["bp"] + styles["roe"], "of_industry": industry * 1.0}
    found = orthogonalise(values, industry, more)
    np.testing.assert_allclose(found.residual, by_lstsq(values, industry, more), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.residual, alone, rtol=0, atol=1e-10)


def test_two_industries_and_one_style_by_hand() -> None:
    """Less the means of their industry the values are −1, 1, −2, 2, the style −1, 1, 1, −1: slope (2 − 4) / 4."""
    values = np.array([1.0, 3.0, 10.0, 14.0, 5.0])
    industry = np.array([0, 0, 1, 1, 1])
    style = np.array([0.0, 2.0, 7.0, 5.0, np.nan])
    residual = orthogonalise(values, industry, {"style": style}).residual
    np.testing.assert_allclose(residual, [-1.5, 1.5, -1.5, 1.5, np.nan], atol=1e-14)


def test_a_style_that_hardly_any_stock_has_drops_out_and_is_named() -> None:
    values, industry, styles = session(4)
    alone = orthogonalise(values, industry, styles).residual
    rare = np.where(np.arange(len(values)) < 100, 1.0 * np.arange(len(values)), np.nan)
    found = orthogonalise(values, industry, {"nowhere": np.full(len(values), np.nan), **styles, "rare": rare})
    assert found.left_out == ("nowhere", "rare")
    np.testing.assert_array_equal(found.residual, alone)
    kept = orthogonalise(values, industry, {**styles, "rare": rare}, min_coverage=0.2)
    assert kept.left_out == ()
    np.testing.assert_allclose(kept.residual, by_lstsq(values, industry, {**styles, "rare": rare}), rtol=0, atol=1e-10)


def test_without_styles_it_is_the_distance_from_the_industrys_mean() -> None:
    residual = orthogonalise(np.array([1.0, 4.0, 7.0]), np.array([2, 2, 5]), {}).residual
    np.testing.assert_allclose(residual, [-1.5, 1.5, 0.0])


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="size is of another length than the 3 values"):
        orthogonalise(np.zeros(3), np.zeros(3, dtype=int), {"size": np.zeros(4)})
