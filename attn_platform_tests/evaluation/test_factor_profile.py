import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_profile import distribution, half_life, histogram, profile
from attn_platform.evaluation.factor_series import FactorSeries

CONFIG = FactorProfileConfig(
    horizons=(1, 5), headline_horizon=5, decay_lags=(0, 1, 2, 4), persistence_lags=(1, 5), layers=3
)
QUANTILES = (0.05, 0.5, 0.95)


def series(seed: int = 0, sessions: int = 400) -> FactorSeries:
    """Random figures over two years or so; two sessions have no correlations, the last five no return over five."""
    rng = np.random.default_rng(seed)
    dates = np.arange("2020-07-01", "2030-01-01", dtype="datetime64[D]")
    rank_ic, decay = rng.normal(-0.03, 0.1, (sessions, 2)), rng.normal(-0.02, 0.1, (sessions, 4))
    rank_ic[[7, 300]] = decay[[7, 300]] = np.nan
    rank_ic[-5:, 1] = np.nan
    layers = rng.normal(0, 0.01, (sessions, 2, 3)) + np.array([-0.002, 0.0, 0.002])
    return FactorSeries(
        sessions=dates[np.is_busday(dates)][:sessions],
        stocks=rng.integers(90, 110, sessions),
        observed=rng.integers(50, 90, sessions),
        rank_ic=rank_ic,
        decay=decay,
        autocorrelation=rng.uniform(0.5, 0.9, (sessions, 2)),
        layer_returns=layers,
        universe_returns=layers.mean(axis=2),
        turnover=rng.uniform(0, 1, (sessions, 2, 2)),
        sample=rng.lognormal(size=900).astype(np.float32),
        sampled=np.bincount(np.repeat([0, 200, 399], 300), minlength=sessions),  # one session in each year
    )


def frame(values: np.ndarray, of: FactorSeries) -> pd.Series:
    return pd.Series(values, pd.DatetimeIndex(of.sessions))


def test_figures_by_horizon_equal_pandas() -> None:
    given = series()
    found = profile("f", given, pd.Series(dtype=float), CONFIG).horizons
    for at, horizon in enumerate((1, 5)):
        rank_ic = frame(given.rank_ic[:, at], given)
        row = found.loc[horizon]
        assert row["sessions"] == rank_ic.count()
        assert row["rank_ic_mean"] == pytest.approx(rank_ic.mean(), rel=1e-12)
        assert row["rank_ic_std"] == pytest.approx(rank_ic.std(), rel=1e-12)
        assert row["rank_icir"] == pytest.approx(rank_ic.mean() / rank_ic.std(), rel=1e-12)
        assert row["positive_share"] == pytest.approx((rank_ic.dropna() > 0).mean(), rel=1e-12)
        assert row["t_value"] == pytest.approx(stats.ttest_1samp(rank_ic.dropna(), 0).statistic, rel=1e-12)
        layers = pd.DataFrame(given.layer_returns[:, at])
        assert row["spread"] == pytest.approx(layers[0].mean() - layers[2].mean(), rel=1e-9)
        assert row["universe_return"] == pytest.approx(given.universe_returns[:, at].mean(), rel=1e-12)
    assert found["newey_west_t"][1] == found["t_value"][1]  # returns over one session do not overlap
    assert found["newey_west_t"][5] != found["t_value"][5]


def test_figures_by_year_equal_pandas() -> None:
    given = series()
    found = profile("f", given, pd.Series(dtype=float), CONFIG)
    rank_ic = frame(given.rank_ic[:, 1], given).groupby(given.sessions.astype("datetime64[Y]").astype(str))
    assert found.yearly.index.tolist() == [2020, 2021, 2022]
    np.testing.assert_allclose(found.yearly["rank_ic_mean"], rank_ic.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.yearly["rank_icir"], rank_ic.mean() / rank_ic.std(), rtol=1e-12)
    assert found.yearly["sessions"].tolist() == rank_ic.count().tolist()
    years = given.sessions.astype("datetime64[Y]")
    first = years == years[0]
    share = given.observed[first].sum() / given.stocks[first].sum()
    assert found.yearly["coverage"][2020] == pytest.approx(share, rel=1e-12)
    assert found.coverage == pytest.approx(given.observed.sum() / given.stocks.sum(), rel=1e-12)


def test_decay_persistence_and_layers_are_means_over_time() -> None:
    given = series()
    found = profile("f", given, pd.Series(dtype=float), CONFIG)
    np.testing.assert_allclose(found.decay["rank_ic_mean"], np.nanmean(given.decay, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.persistence["autocorrelation"], given.autocorrelation.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.persistence["bottom_turnover"], given.turnover[:, :, 1].mean(axis=0), rtol=1e-12)
    active = given.layer_returns - given.universe_returns[:, :, None]
    np.testing.assert_allclose(found.layers[5], active[:, 1].mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("means", "expected"), [((0.03, 0.01, -0.01), 1.0), ((-0.01, 0.0, 0.01), -1.0), ((0.0, 0.02, 0.01), -0.5)]
)
def test_monotonicity_is_one_where_higher_layers_earn_more(means: tuple[float, ...], expected: float) -> None:
    given = series()
    given.layer_returns[:] = np.array(means)  # the top layer first
    found = profile("f", given, pd.Series(dtype=float), CONFIG)
    assert found.horizons["monotonicity"].tolist() == [expected, expected]


def test_layers_that_earned_the_same_but_for_rounding_have_no_order_and_no_t_value() -> None:
    given = series()
    dust = np.random.default_rng(2).integers(-2, 3, given.layer_returns.shape)
    given.layer_returns[:] = 0.01 + dust * np.spacing(0.01)
    found = profile("f", given, pd.Series(dtype=float), CONFIG).horizons
    assert found["monotonicity"].isna().all()
    assert found["spread_t"].isna().all()
    assert (found["spread"] == 0).all()


def curve(means: list[float], t: float = 9.0, lags: tuple[int, ...] = (0, 1, 2, 4)) -> pd.DataFrame:
    return pd.DataFrame({"rank_ic_mean": means, "newey_west_t": t}, index=pd.Index(lags, name="lag"))


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([-0.08, -0.06, -0.05, -0.01], 2.5),  # from 0.05 down to 0.01 in two sessions: 0.04 after half a session
        ([0.08, 0.04, 0.05, 0.0], 1.0),  # the first time counts
        ([0.08, -0.08, 0.08, 0.08], 0.25),  # a change of sign passes through the half
        ([0.08, 0.06, 0.05, 0.041], math.nan),  # never falls that far
        ([0.08, math.nan, 0.0, 0.0], math.nan),
        ([0.0, 0.0, 0.0, 0.0], math.nan),
    ],
)
def test_half_life_by_hand(means: list[float], expected: float) -> None:
    assert half_life(curve(means), 2.0) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_what_is_not_significant_has_no_half_life() -> None:
    assert math.isnan(half_life(curve([0.02, 0.0, 0.0, 0.0], t=-1.9), 2.0))
    assert half_life(curve([0.02, 0.0, 0.0, 0.0], t=-2.1), 2.0) == 0.5
    assert math.isnan(half_life(curve([0.02, 0.0, 0.0, 0.0], t=math.nan), 0.0))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e12])
def test_distribution_equals_scipy_and_pandas(scale: float) -> None:
    rng = np.random.default_rng(1)
    sample, years = scale * rng.lognormal(size=500), np.repeat([2020, 2021], 250)
    sample[::10] = 0.0
    found = distribution(sample, years, QUANTILES)
    for key, values in (("all", sample), ("2020", sample[:250]), ("2021", sample[250:])):
        row = found.loc[key]
        assert row["values"] == len(values)
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert row["std"] == pytest.approx(pd.Series(values).std(ddof=0), rel=1e-12)
        assert row["skewness"] == pytest.approx(stats.skew(values), rel=1e-9)
        assert row["excess_kurtosis"] == pytest.approx(stats.kurtosis(values), rel=1e-9)
        assert row["zero_share"] == pytest.approx(0.1, rel=1e-12)
        for quantile in QUANTILES:
            assert row[f"quantile_{quantile:g}"] == pytest.approx(pd.Series(values).quantile(quantile), rel=1e-12)


def test_distribution_of_a_constant_and_of_nothing() -> None:
    constant = distribution(np.full(7, 0.7), np.full(7, 2020), QUANTILES).loc["all"]
    assert (constant["mean"], constant["std"], constant["quantile_0.5"]) == (pytest.approx(0.7), 0.0, 0.7)
    assert np.isnan(constant[["skewness", "excess_kurtosis"]].to_numpy(dtype=float)).all()
    nothing = distribution(np.array([]), np.array([], dtype=int), QUANTILES)
    assert nothing.index.tolist() == ["all"]
    assert nothing.loc["all", "values"] == 0
    assert nothing.drop(columns="values").isna().all(axis=None)


def test_histogram_counts_what_lies_between_its_tails() -> None:
    sample = np.arange(1000.0)
    found = histogram(sample, bins=9, tail=0.05)
    assert (found.edges[0], found.edges[-1]) == pytest.approx((49.95, 949.05))
    for low, high, share in zip(found.edges[:-1], found.edges[1:], found.shares, strict=True):
        assert share == pytest.approx(sum(low <= value < high for value in sample) / 1000, abs=1e-12)
    assert found.shares.sum() == pytest.approx(0.9)


@pytest.mark.parametrize("value", [0.0, 0.7, -1e10, 1e300])
def test_histogram_of_a_constant_is_one_bin(value: float) -> None:
    found = histogram(np.array([value, value, np.nextafter(value, np.inf)]), bins=60, tail=0.005)
    assert found.shares.max() >= 2 / 3
    assert np.isfinite(found.edges).all()
    assert (np.diff(found.edges) > 0).all()
    assert len(histogram(np.array([]), 60, 0.005).shares) == 0


def test_correlations_are_sorted_by_size() -> None:
    given = pd.Series({"a": 0.1, "b": -0.9, "c": np.nan, "d": 0.5})
    found = profile("f", series(), given, CONFIG).correlations
    assert list(found.items()) == [("b", -0.9), ("d", 0.5), ("a", 0.1)]


def test_a_factor_without_any_value_has_a_profile_of_nothing() -> None:
    given = series()
    for values in (given.rank_ic, given.decay, given.autocorrelation, given.layer_returns, given.turnover):
        values[:] = np.nan
    given.universe_returns[:] = np.nan
    given.observed[:] = 0
    empty = given.at(np.ones(len(given.sessions), dtype=bool))
    found = profile("f", empty, pd.Series({"a": np.nan}), CONFIG)
    assert found.coverage == 0.0
    assert math.isnan(found.half_life)
    assert found.correlations.empty
    assert found.horizons.drop(columns="sessions").isna().all(axis=None)
    assert (found.horizons["sessions"] == 0).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"headline_horizon": 7}, "headline_horizon 7 is none of the horizons"),
        ({"headline_lag": 2}, "headline_lag 2 is none of the persistence_lags"),
        ({"horizons": (10, 5)}, "horizons must ascend"),
        ({"horizons": (5, 5, 10)}, "horizons must ascend"),
        ({"decay_lags": (1, 2)}, "decay_lags must begin with 0"),
        ({"decay_lags": ()}, "decay_lags must begin with 0"),
        ({"quantiles": (0.5, 1.5)}, "quantiles lie between 0 and 1"),
        ({"horizons": ()}, "horizons"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FactorProfileConfig.model_validate(wrong)
