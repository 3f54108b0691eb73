"""`lstm` and `alstm` against the recurrence in plain loops over stocks and steps."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import ALSTMConfig, LSTMConfig, NetworkConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import build_network
from attn_platform_tests.models.attention_references import normal, plain_linear, plain_lstm, shaken

SEEDS, STEPS, FEATURES, HIDDEN = (3, 0), 4, 5, 3
Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def looped_states(network: StackedNetwork, seed: int, window: Array) -> list[Array]:
    """Hidden states of the last layer, step by step."""
    inputs = list(window)
    for layer in range(2):
        weight_ih, weight_hh, bias_ih, bias_hh = (
            network.recurrent.get_parameter(f"{name}_l{layer}")[seed].detach().numpy()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden = cell = np.zeros(HIDDEN)
        states = []
        for x in inputs:
            i, f, g, o = np.split(weight_ih @ x + bias_ih + weight_hh @ hidden + bias_hh, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            states.append(hidden)
        inputs = states
    return inputs


def head(network: StackedNetwork, seed: int, state: Array) -> Array:
    return state @ network.heads.weight[seed].detach().numpy() + network.heads.bias[seed, 0].detach().numpy()


def build(config: NetworkConfig) -> tuple[StackedNetwork, SessionBatch]:
    network = shaken(build_network(config, FEATURES, 1, SEEDS))
    return network, SessionBatch(normal(2, 6, STEPS, FEATURES), ((6,), (6,)))


@pytest.mark.parametrize("config", [LSTMConfig(), ALSTMConfig()])
def test_the_studys_shape_is_the_default(config: NetworkConfig) -> None:
    assert config.sample_steps == 21
    shapes = {name: tuple(p.shape) for name, p in build_network(config, 42, 1, range(5)).named_parameters()}
    assert shapes["recurrent.weight_ih_l0"] == (5, 256, 42)
    assert shapes["recurrent.weight_hh_l1"] == (5, 256, 64)
    assert "recurrent.weight_hh_l2" not in shapes
    assert shapes["heads.weight"] == (5, 64 if config.name == "lstm" else 128, 1)


def test_lstm_reads_the_last_hidden_state() -> None:
    network, batch = build(LSTMConfig(steps=STEPS, hidden=HIDDEN))
    predictions = network(batch).detach().numpy()
    for seed in range(2):
        for stock in range(6):
            states = looped_states(network, seed, batch.features[seed, stock].numpy())
            np.testing.assert_allclose(predictions[seed, stock], head(network, seed, states[-1]), rtol=0, atol=1e-12)


def test_alstm_attends_to_all_hidden_states() -> None:
    network, batch = build(ALSTMConfig(steps=STEPS, hidden=HIDDEN, attention_width=4))
    predictions, weights = network(batch).detach().numpy(), network.attention(batch)["steps"].detach().numpy()
    layers = (network.step_attention.hidden_layer, network.step_attention.score)
    for seed in range(2):
        (hidden_weight, hidden_bias), (score_weight, score_bias) = (
            (layer.weight[seed].detach().numpy(), layer.bias[seed, 0].detach().numpy()) for layer in layers
        )
        for stock in range(6):
            states = looped_states(network, seed, batch.features[seed, stock].numpy())
            scores = [
                (np.tanh(state @ hidden_weight + hidden_bias) @ score_weight + score_bias).item() for state in states
            ]
            total = sum(math.exp(score) for score in scores)
            alpha = [math.exp(score) / total for score in scores]
            attended = sum(share * state for share, state in zip(alpha, states, strict=True))
            expected = head(network, seed, np.concatenate([attended, states[-1]]))
            np.testing.assert_allclose(weights[seed, stock], alpha, rtol=0, atol=1e-12)
            np.testing.assert_allclose(predictions[seed, stock], expected, rtol=0, atol=1e-12)


def test_alstm_gradient_equals_that_of_torchs_layers() -> None:
    network, batch = build(ALSTMConfig(steps=STEPS, hidden=HIDDEN, attention_width=4))
    upstream = normal(2, 6, 1, seed=1)
    network(batch).backward(upstream)
    for seed in range(2):
        lstm, lstm_parameters = plain_lstm(network.recurrent, seed)
        attention = network.step_attention
        (hidden, hidden_pairs), (score, score_pairs), (output, output_pairs) = (
            plain_linear(layer, seed) for layer in (attention.hidden_layer, attention.score, network.heads)
        )
        states = lstm(batch.features[seed])[0]
        shares = torch.softmax(score(torch.tanh(hidden(states))), 1)
        output(torch.cat([(shares * states).sum(1), states[:, -1]], -1)).backward(upstream[seed])
        for name, parameter in lstm_parameters.items():
            actual = network.recurrent.get_parameter(name).grad[seed]
            torch.testing.assert_close(actual, parameter.grad, rtol=0, atol=1e-11)
        for stacked, plain in hidden_pairs + score_pairs + output_pairs:
            actual = stacked.grad[seed].mT.reshape(plain.grad.shape)
            torch.testing.assert_close(actual, plain.grad, rtol=0, atol=1e-11)
