import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.layers import (
    NO_LAYER,
    Layers,
    annualised,
    layer_means,
    layer_net_values,
    layer_turnover,
    layers_of,
    precisions,
    universe_means,
)
from attn_platform.evaluation.ranks import return_codes


def panel(seed: int, sessions: int = 5, stocks: int = 47) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    predictions, returns = rng.normal(size=(2, sessions, stocks))
    predictions[rng.random(predictions.shape) < 0.2] = np.nan
    returns[rng.random(returns.shape) < 0.2] = np.nan
    return predictions, 0.02 * returns


def shares_of(layers: Layers) -> np.ndarray:
    """[T, N, layers]"""
    return np.stack([layers.shares(place) for place in range(layers.count)], axis=-1)


@given(seed=st.integers(0, 2**32 - 1), stocks=st.integers(1, 60))
def test_the_split_is_numpys_even_one_of_the_stocks_in_order(seed: int, stocks: int) -> None:
    predictions, _ = panel(seed, stocks=stocks)
    layers = layers_of(predictions, 10)
    np.testing.assert_array_equal(layers.first, layers.last)
    for row, values in zip(layers.first, predictions, strict=True):
        ordered = sorted((i for i in range(stocks) if not np.isnan(values[i])), key=lambda i: -values[i])
        expected = np.full(stocks, NO_LAYER)
        if len(ordered) >= 10:
            for number, members in enumerate(np.array_split(np.array(ordered), 10)):
                expected[members] = number
        assert row.tolist() == expected.tolist()


@given(seed=st.integers(0, 2**32 - 1), stocks=st.integers(1, 60), levels=st.integers(1, 8), layers=st.integers(2, 10))
def test_equal_predictions_share_the_places_that_they_take_up(seed: int, stocks: int, levels: int, layers: int) -> None:
    """Every place in the order, from the highest prediction on, belongs to a layer; tied stocks share their places."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (1, stocks)).astype(float)
    values[rng.random(values.shape) < 0.1] = np.nan
    known = [i for i in range(stocks) if not np.isnan(values[0, i])]
    ordered = sorted(known, key=lambda i: -values[0, i])
    expected = np.zeros((stocks, layers))
    if len(ordered) >= layers and len(set(values[0, ordered].tolist())) > 1:
        for number, places in enumerate(np.array_split(np.arange(len(ordered)), layers)):
            for place in places:
                group = [i for i in known if values[0, i] == values[0, ordered[place]]]
                expected[group, number] += 1 / len(group)
    np.testing.assert_allclose(shares_of(layers_of(values, layers))[0], expected, atol=1e-14)


@given(seed=st.integers(0, 2**32 - 1), digits=st.sampled_from([0, 1]))
def test_no_figure_depends_on_the_order_of_the_stocks(seed: int, digits: int) -> None:
    predictions, returns = panel(seed, sessions=12)
    predictions = np.round(predictions, digits)
    order = np.random.default_rng(seed).permutation(predictions.shape[1])
    for figure in (
        lambda p, r: layer_means(layers_of(p, 10), r),
        lambda p, r: np.array(precisions(layers_of(p, 10), return_codes(r))),
        lambda p, r: layer_turnover(layers_of(p, 10).rows(slice(1, None)), layers_of(p, 10).rows(slice(None, -1)), 0),
        lambda p, r: layer_net_values(layers_of(p, 10), r).layers,
    ):
        renamed = figure(predictions[:, order], returns[:, order])
        np.testing.assert_allclose(renamed, figure(predictions, returns), rtol=1e-12, atol=1e-15)


def test_a_signal_of_zeros_and_ones_by_hand() -> None:
    """Two layers of two: the one takes half of the upper layer, the three zeros share the rest, and the lower one."""
    predictions, returns = np.array([[0.0, 1.0, 0.0, 0.0]]), np.array([[0.03, 0.10, 0.06, np.nan]])
    layers = layers_of(predictions, 2)
    np.testing.assert_allclose(layers.shares(0), [[1 / 3, 1, 1 / 3, 1 / 3]], rtol=1e-15)
    np.testing.assert_allclose(layers.shares(1), [[2 / 3, 0, 2 / 3, 2 / 3]], rtol=1e-15)
    np.testing.assert_allclose(layer_means(layers, returns), [[(0.10 + 0.03) / (1 + 2 / 3), 0.045]], rtol=1e-14)
    # The median is 0.06, above it is the one; below it, half of what is known of the lower layer.
    top, bottom = precisions(layers, return_codes(returns))
    assert (top.tolist(), bottom.tolist()) == ([pytest.approx(1 / (1 + 2 / 3))], [pytest.approx(0.5)])
    # Then the first two change places: of the two stocks' weight, 1/3 of the old one stays in the upper layer.
    turned = layers_of(np.array([[1.0, 0.0, 0.0, 0.0]]), 2)
    assert layer_turnover(turned, layers, 0).tolist() == [pytest.approx((1 - 1 / 3) / 2)]


def test_a_return_at_the_median_but_for_rounding_is_neither_above_nor_below() -> None:
    predictions = np.array([[4.0, 3.0, 2.0, 1.0]])
    returns = np.array([[1.1 / 1.0 - 1, 0.1, 11 / 10 - 1, 0.2]])
    assert len(np.unique(returns)) == 3
    top, bottom = precisions(layers_of(predictions, 2), return_codes(returns))
    assert (top.tolist(), bottom.tolist()) == ([0.0], [0.0])


def test_where_all_earned_the_same_no_layer_was_right_or_wrong() -> None:
    predictions = np.array([[4.0, 3.0, 2.0, 1.0]])
    returns = np.array([[1.1 / 1.0 - 1, 0.1, 11 / 10 - 1, 0.1]])
    layers = layers_of(predictions, 2)
    assert np.isnan(precisions(layers, return_codes(returns))).all()
    np.testing.assert_allclose(layer_means(layers, returns), [[0.1, 0.1]], rtol=1e-12)


def test_equal_predictions_order_nothing() -> None:
    predictions = np.array([[0.3, 0.1 + 0.2, 0.3, np.nan], [0.3, 0.3, 0.4, np.nan]])
    assert layers_of(predictions, 2).has_layer.tolist() == [[False] * 4, [True, True, True, False]]


def test_layer_means_equal_pandas() -> None:
    predictions, returns = panel(1)
    layers = layers_of(predictions, 10)
    tidy = pd.DataFrame({"t": np.repeat(range(5), 47), "layer": layers.first.ravel(), "r": returns.ravel()})
    tidy = tidy[tidy["layer"] != NO_LAYER]
    expected = tidy.pivot_table(index="t", columns="layer", values="r", aggfunc="mean")
    np.testing.assert_allclose(layer_means(layers, returns), expected.to_numpy(), atol=1e-16)
    np.testing.assert_allclose(universe_means(layers, returns), tidy.groupby("t")["r"].mean(), atol=1e-16)


def test_precision_by_hand() -> None:
    # Two layers of three: predictions fall from left to right. Known returns: 5, 1, 4 | 3, 0; the median is 3.
    predictions = np.array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    returns = np.array([[5.0, 1.0, 4.0, 3.0, 0.0, np.nan]])
    top, bottom = precisions(layers_of(predictions, 2), return_codes(returns))
    assert top.tolist() == [pytest.approx(2 / 3)]
    assert bottom.tolist() == [0.5]


def test_stocks_without_a_prediction_do_not_move_the_median() -> None:
    predictions = np.array([[2.0, 1.0, np.nan, np.nan]])
    returns = np.array([[0.2, 0.1, 9.0, 9.0]])
    top, bottom = precisions(layers_of(predictions, 2), return_codes(returns))
    assert (top.tolist(), bottom.tolist()) == ([1.0], [1.0])
    assert universe_means(layers_of(predictions, 2), returns).tolist() == [pytest.approx(0.15)]


def test_annual_return_of_a_constant_ten_session_return() -> None:
    assert annualised(np.array([0.01, 0.01, np.nan]), 10, 252) == pytest.approx(1.01**25.2 - 1, rel=1e-13)
    assert annualised(np.array([0.1, -0.05]), 20, 252) == pytest.approx((1.1 * 0.95) ** (12.6 / 2) - 1, rel=1e-13)
    assert np.isnan(annualised(np.array([np.nan]), 10, 252))
    assert annualised(np.array([0.1, -1.0]), 10, 252) == annualised(np.array([0.1, -3.0]), 10, 252) == -1.0


def test_net_values_equal_a_loop_over_sessions_and_stocks() -> None:
    predictions, returns = panel(4, sessions=19, stocks=23)
    predictions[5] = np.nan  # a session without predictions forms no layers; the next one with some does
    config = EvaluationConfig(layer_rebalance_sessions=4, layer_execution_lag=1)
    result = layer_net_values(layers_of(predictions, 3), returns, config)

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


def test_annual_returns_are_the_growth_of_the_net_values_over_their_sessions() -> None:
    predictions, returns = panel(4, sessions=19, stocks=23)
    result = layer_net_values(layers_of(predictions, 3), returns)
    by_layer, universe = result.first_sessions(15).annual_returns(252)
    # The signal of session 0 is bought at the close of session 1: sessions 2 … 14 earn.
    for place in range(3):
        assert (1 + by_layer[place]) ** (13 / 252) == pytest.approx(result.layers[14, place], rel=1e-12)
    assert (1 + universe) ** (13 / 252) == pytest.approx(result.universe[14], rel=1e-12)
    none, nothing = result.first_sessions(2).annual_returns(252)
    assert np.isnan([*none, nothing]).all()


def test_net_values_do_not_look_ahead() -> None:
    predictions, returns = panel(6, sessions=20, stocks=30)
    known = layer_net_values(layers_of(predictions, 10), returns)
    predictions[12:], returns[12:] = 7.0, 0.5
    found = layer_net_values(layers_of(predictions, 10), returns)
    np.testing.assert_array_equal(found.layers[:12], known.layers[:12])
