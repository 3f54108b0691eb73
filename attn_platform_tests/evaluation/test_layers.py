import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.layers import (
    NO_LAYER,
    annualised,
    layer_means,
    layer_net_values,
    layers_of,
    precisions,
    universe_means,
)


def panel(seed: int, sessions: int = 5, stocks: int = 47) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    predictions, returns = rng.normal(size=(2, sessions, stocks))
    predictions[rng.random(predictions.shape) < 0.2] = np.nan
    returns[rng.random(returns.shape) < 0.2] = np.nan
    return predictions, 0.02 * returns


@given(seed=st.integers(0, 2**32 - 1), stocks=st.integers(1, 60), ties=st.booleans())
def test_the_split_is_numpys_even_one_of_the_stocks_in_order(seed: int, stocks: int, ties: bool) -> None:
    predictions, _ = panel(seed, stocks=stocks)
    predictions = np.round(predictions, 0) if ties else predictions
    layer = layers_of(predictions, 10)
    for row, values in zip(layer, predictions, strict=True):
        ordered = sorted((i for i in range(stocks) if not np.isnan(values[i])), key=lambda i: (-values[i], i))
        expected = np.full(stocks, NO_LAYER)
        if len(ordered) >= 10:
            for number, members in enumerate(np.array_split(np.array(ordered), 10)):
                expected[members] = number
        assert row.tolist() == expected.tolist()


def test_layer_means_equal_pandas() -> None:
    predictions, returns = panel(1)
    layer = layers_of(predictions, 10)
    tidy = pd.DataFrame({"t": np.repeat(range(5), 47), "layer": layer.ravel(), "r": returns.ravel()})
    tidy = tidy[tidy["layer"] != NO_LAYER]
    expected = tidy.pivot_table(index="t", columns="layer", values="r", aggfunc="mean")
    np.testing.assert_allclose(layer_means(layer, returns, 10), expected.to_numpy(), atol=1e-16)
    np.testing.assert_allclose(universe_means(layer, returns), tidy.groupby("t")["r"].mean(), atol=1e-16)


def test_precision_by_hand() -> None:
    # Two layers of three: predictions fall from left to right. Known returns: 5, 1, 4 | 3, 0; the median is 3.
    predictions = np.array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    returns = np.array([[5.0, 1.0, 4.0, 3.0, 0.0, np.nan]])
    top, bottom = precisions(layers_of(predictions, 2), returns, 2)
    assert top.tolist() == [pytest.approx(2 / 3)]
    assert bottom.tolist() == [0.5]


def test_stocks_without_a_prediction_do_not_move_the_median() -> None:
    predictions = np.array([[2.0, 1.0, np.nan, np.nan]])
    returns = np.array([[0.2, 0.1, 9.0, 9.0]])
    top, bottom = precisions(layers_of(predictions, 2), returns, 2)
    assert (top.tolist(), bottom.tolist()) == ([1.0], [1.0])
    assert universe_means(layers_of(predictions, 2), returns).tolist() == [pytest.approx(0.15)]


def test_annual_return_of_a_constant_ten_session_return() -> None:
    assert annualised(np.array([0.01, 0.01, np.nan]), 10, 252) == pytest.approx(1.01**25.2 - 1, rel=1e-13)
    assert annualised(np.array([0.1, -0.05]), 20, 252) == pytest.approx((1.1 * 0.95) ** (12.6 / 2) - 1, rel=1e-13)
    assert np.isnan(annualised(np.array([np.nan]), 10, 252))


def test_net_values_equal_a_loop_over_sessions_and_stocks() -> None:
    predictions, returns = panel(4, sessions=19, stocks=23)
    predictions[5] = np.nan  # a session without predictions forms no layers; the next one with some does
    config = EvaluationConfig(layers=3, layer_rebalance_sessions=4, layer_execution_lag=1)
    result = layer_net_values(predictions, returns, config)

    with_predictions = [t for t in range(19) if t != 5]
    formations = with_predictions[::4]
    values, universe = [1.0, 1.0, 1.0], 1.0
    for t in range(19):
        # Formed at f, bought at the close of f + 1, so the first return is that of f + 2.
        past = [f for f in formations if f + 2 <= t]
        if past:
            scores = predictions[past[-1]]
            ordered = sorted((i for i in range(23) if not np.isnan(scores[i])), key=lambda i: -scores[i])
            for number, members in enumerate(np.array_split(np.array(ordered), 3)):
                earned = [returns[t, i] for i in members if not np.isnan(returns[t, i])]
                values[number] *= 1 + sum(earned) / len(earned)
            earned = [returns[t, i] for i in ordered if not np.isnan(returns[t, i])]
            universe *= 1 + sum(earned) / len(earned)
        assert result.layers[t].tolist() == pytest.approx(values, rel=1e-12)
        assert result.universe[t] == pytest.approx(universe, rel=1e-12)
        assert result.relative[t].tolist() == pytest.approx([v / universe for v in values], rel=1e-12)


def test_net_values_do_not_look_ahead() -> None:
    predictions, returns = panel(6, sessions=20, stocks=30)
    known = layer_net_values(predictions, returns)
    predictions[12:], returns[12:] = 7.0, 0.5
    np.testing.assert_array_equal(layer_net_values(predictions, returns).layers[:12], known.layers[:12])
