import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights, weighted_squared_error


def plain_wmse_weights(labels: list[float], half_life: float = 0.5) -> list[float]:
    """The definition, stock by stock: a tied stock's place is the mean of the places the tied ones take."""
    weights = []
    for label in labels:
        above = sum(other > label for other in labels)
        tied = sum(other == label for other in labels)
        place = above + (tied - 1) / 2
        weights.append(0.5 ** (place / (half_life * len(labels))))
    return weights


def test_hand_worked_weights() -> None:
    labels = np.array([[0.3], [0.9], [-1.0], [0.1]])
    weights = row_weights(labels, np.array([0, 4]), LossConfig())
    np.testing.assert_allclose(weights[:, 0] * 4, [0.5**0.5, 1, 0.5**1.5, 0.5])


def test_best_median_and_worst_of_a_long_cross_section() -> None:
    weights = row_weights(np.arange(1001.0)[::-1, None], np.array([0, 1001]), LossConfig())[:, 0] * 1001
    assert weights[0] == 1
    assert weights[500] == pytest.approx(0.5, abs=1e-3)
    assert weights[-1] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(
    ("half_life", "middle", "worst"), [(0.5, 0.5, 0.25), (1.0, 0.5**0.5, 0.5), (0.25, 0.25, 1 / 16)]
)
def test_the_half_life_is_a_share_of_the_session(half_life: float, middle: float, worst: float) -> None:
    """AI-55's N/2 and the N of our AI-69: the best weighs 1, the stock half_life · N places below it 0.5."""
    size = 800
    config = LossConfig(half_life=half_life)
    weights = row_weights(np.arange(float(size))[::-1, None], np.array([0, size]), config)[:, 0] * size
    assert weights[0] == 1
    assert weights[[size // 2, -1]] == pytest.approx([middle, worst * 0.5 ** (-1 / (half_life * size))], rel=1e-12)
    if half_life < 1:
        assert weights[int(half_life * size)] == pytest.approx(0.5, rel=1e-12)


@settings(deadline=None)  # pandas is slow the first time
@given(
    st.lists(
        st.lists(st.sampled_from([-2.0, -0.5, 0.0, 1.0, 1.5, 7.0]), min_size=1, max_size=8), min_size=1, max_size=5
    ),
    st.sampled_from([0.25, 0.5, 1.0]),
)
def test_ragged_sessions_against_the_definition(sessions: list[list[float]], half_life: float) -> None:
    sizes = [len(session) for session in sessions]
    labels = np.array([[label, -label] for session in sessions for label in session])
    weights = row_weights(labels, np.append(0, np.cumsum(sizes)), LossConfig(half_life=half_life))
    row = 0
    for session in sessions:
        ascending = plain_wmse_weights(session, half_life)
        descending = plain_wmse_weights([-label for label in session], half_life)
        for a, b in zip(ascending, descending, strict=True):
            np.testing.assert_allclose(weights[row] * len(session), [a, b], rtol=1e-12)
            row += 1


def test_mse_weighs_all_stocks_of_a_session_alike() -> None:
    weights = row_weights(np.random.default_rng(0).normal(size=(5, 2)), np.array([0, 2, 5]), LossConfig(name="mse"))
    np.testing.assert_array_equal(weights, [[1 / 2] * 2] * 2 + [[1 / 3] * 2] * 3)


def test_loss_against_a_plain_loop_with_padding() -> None:
    rng = np.random.default_rng(0)
    sizes, tasks = [6, 4], 2
    predictions, labels = rng.normal(size=(2, 2, 6, tasks))
    weights = np.zeros((2, 6, tasks))
    for seed, size in enumerate(sizes):
        weights[seed, :size] = row_weights(labels[seed, :size], np.array([0, size]), LossConfig())
    actual = weighted_squared_error(*(torch.from_numpy(array) for array in (predictions, labels, weights)))
    for seed, size in enumerate(sizes):
        task_losses = []
        for task in range(tasks):
            w = plain_wmse_weights(labels[seed, :size, task].tolist())
            errors = [(predictions[seed, i, task] - labels[seed, i, task]) ** 2 for i in range(size)]
            task_losses.append(sum(a * b for a, b in zip(w, errors, strict=True)) / size)
        assert actual[seed].item() == pytest.approx(sum(task_losses) / tasks, rel=1e-13)
