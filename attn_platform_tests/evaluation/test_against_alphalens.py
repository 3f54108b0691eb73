"""Composite and single factors against alphalens-reloaded, where it defines a figure as the studies do.

alphalens counts a return from the session of the signal on, so it is given the prices of the session after. It drops
stocks whose later return is missing before it forms layers, which nobody can know then; the panel has none. Its layers
are intervals of the values, which are those of the ranks where every layer has as many stocks.
"""

import alphalens
import numpy as np
import pandas as pd
import pytest

from attn_platform.evaluation.composite_factor import CompositeFactorSeries, composite_factor_series, summary
from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_series import CrossSectionHistory, FactorSeries, later_returns, measure
from attn_platform.evaluation.layers import layer_turnover, layers_of
from attn_platform.training.labels import label_returns

SESSIONS, STOCKS, HORIZON, LAYERS = 40, 60, 10, 10
PROFILE = FactorProfileConfig(
    horizons=(HORIZON,), headline_horizon=HORIZON, decay_lags=(0,), persistence_lags=(1, 5), headline_lag=5
)


def panel() -> tuple[np.ndarray, np.ndarray]:
    """Predictions [T, N], with 20 stocks missing in every second session, and prices [T + horizon + 1, N]."""
    rng = np.random.default_rng(11)
    predictions = rng.normal(size=(SESSIONS, STOCKS))
    predictions[::2, :20] = np.nan
    steps = rng.normal(0.0005, 0.02, (SESSIONS + HORIZON + 1, STOCKS))
    steps[1 : SESSIONS + 1] += 0.004 * np.nan_to_num(predictions)
    return predictions, np.exp(steps.cumsum(axis=0))


@pytest.fixture(scope="module")
def theirs() -> pd.DataFrame:
    predictions, prices = panel()
    dates = pd.bdate_range("2020-01-06", periods=SESSIONS + HORIZON + 1)
    symbols = [f"{i:06d}.SZ" for i in range(STOCKS)]
    factor = pd.Series(predictions.ravel(), pd.MultiIndex.from_product([dates[:SESSIONS], symbols])).dropna()
    after = pd.DataFrame(prices[1:], dates[:-1], symbols)
    return alphalens.utils.get_clean_factor_and_forward_returns(
        factor, after, quantiles=LAYERS, periods=(HORIZON,), filter_zscore=None, max_loss=0.0
    )


@pytest.fixture(scope="module")
def ours() -> CompositeFactorSeries:
    predictions, prices = panel()
    return composite_factor_series(predictions, label_returns(prices, HORIZON)[:SESSIONS])


@pytest.fixture(scope="module")
def single() -> FactorSeries:
    predictions, prices = panel()
    history = CrossSectionHistory(
        sessions=np.arange("2020-01-06", "2021-01-01", dtype="datetime64[D]")[: SESSIONS - 5],
        inside=np.isfinite(predictions),
        sampled=np.ones(SESSIONS - 5, dtype=bool),
        later=later_returns(prices[5:], SESSIONS - 5, PROFILE),
    )
    return measure(predictions, history, PROFILE)


def test_rank_ic(theirs: pd.DataFrame, ours: CompositeFactorSeries, single: FactorSeries) -> None:
    expected = alphalens.performance.factor_information_coefficient(theirs).iloc[:, 0].to_numpy()
    np.testing.assert_allclose(ours.correlations["rank_ic"], expected, atol=1e-12)
    np.testing.assert_allclose(single.rank_ic[:, 0], expected[5:], atol=1e-12)
    figures = summary(ours, HORIZON)
    assert figures["rank_ic_mean"] == pytest.approx(
        alphalens.performance.mean_information_coefficient(theirs).iloc[0], rel=1e-10
    )
    assert figures["rank_icir"] == pytest.approx(expected.mean() / expected.std(ddof=1), rel=1e-10)


def test_layers(theirs: pd.DataFrame, ours: CompositeFactorSeries, single: FactorSeries) -> None:
    returns, _ = alphalens.performance.mean_return_by_quantile(theirs, by_date=True, demeaned=False)
    table = returns.iloc[:, 0].unstack("factor_quantile")[range(LAYERS, 0, -1)].to_numpy()
    np.testing.assert_allclose(ours.layer_returns, table, atol=1e-13)
    np.testing.assert_allclose(single.layer_returns[:, 0], table[5:], atol=1e-13)
    active, _ = alphalens.performance.mean_return_by_quantile(theirs, by_date=True, demeaned=True)
    table = active.iloc[:, 0].unstack("factor_quantile")[range(LAYERS, 0, -1)].to_numpy()
    np.testing.assert_allclose(ours.layer_returns - ours.universe_returns[:, None], table, atol=1e-13)


@pytest.mark.parametrize("lag", [1, 5])
def test_turnover_of_layers(theirs: pd.DataFrame, single: FactorSeries, lag: int) -> None:
    layers = layers_of(panel()[0], LAYERS)
    for end, place in enumerate((0, LAYERS - 1)):
        expected = alphalens.performance.quantile_turnover(theirs["factor_quantile"], LAYERS - place, lag).to_numpy()
        found = layer_turnover(layers.rows(slice(lag, None)), layers.rows(slice(None, -lag)), place)
        np.testing.assert_allclose(found, expected[lag:], atol=1e-13)
        at = PROFILE.persistence_lags.index(lag)
        np.testing.assert_allclose(single.turnover[:, at, end], expected[5:], atol=1e-13)
