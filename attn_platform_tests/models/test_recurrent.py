import pytest
import torch
from torch import nn

from attn_platform.models.layers import recurrent
from attn_platform.models.layers.recurrent import StackedLSTM
from attn_platform_tests.models.attention_references import generators, normal, plain_lstm, shaken

SEEDS = (3, 0)
FEATURES, HIDDEN, LAYERS, STEPS = 5, 4, 2, 6


def layer() -> StackedLSTM:
    return shaken(StackedLSTM(FEATURES, HIDDEN, LAYERS, generators(SEEDS)))


@pytest.mark.parametrize("formulation", ["forward", "run_members", "step_together"])
def test_equals_torchs_lstm(formulation: str) -> None:
    lstm = layer()
    x, upstream = normal(2, 7, STEPS, FEATURES).requires_grad_(), normal(2, 7, STEPS, HIDDEN, seed=1)
    states = getattr(lstm, formulation)(x)
    states.backward(upstream)
    for seed in range(2):
        plain, parameters = plain_lstm(lstm, seed)
        windows = x.detach()[seed].clone().requires_grad_()
        expected, _ = plain(windows)
        expected.backward(upstream[seed])
        torch.testing.assert_close(states[seed], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(x.grad[seed], windows.grad, rtol=0, atol=1e-12)
        for name, parameter in parameters.items():
            torch.testing.assert_close(lstm.get_parameter(name).grad[seed], parameter.grad, rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", [0, 12345])
def test_initial_weights_are_those_of_torchs_lstm(seed: int) -> None:
    torch.manual_seed(seed)
    plain = nn.LSTM(FEATURES, HIDDEN, LAYERS)
    stacked = StackedLSTM(FEATURES, HIDDEN, LAYERS, generators([7, seed]))
    for name, parameter in plain.named_parameters():
        assert torch.equal(stacked.get_parameter(name)[1], parameter)


@pytest.mark.parametrize("formulation", ["run_members", "step_together"])
@pytest.mark.parametrize("training", [True, False])
def test_under_autocast_close_to_float32(formulation: str, training: bool) -> None:
    lstm = StackedLSTM(FEATURES, HIDDEN, LAYERS, generators(SEEDS)).train(training)
    x = normal(2, 50, STEPS, FEATURES).float()
    expected = lstm.run_members(x)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode(not training):
        states = getattr(lstm, formulation)(x)
    torch.testing.assert_close(states.float(), expected, rtol=0, atol=0.02)
    if training:
        states.float().sum().backward()
        in_bfloat16 = [parameter.grad.clone() for parameter in lstm.parameters()]
        lstm.zero_grad()
        expected.sum().backward()
        for gradient, parameter in zip(in_bfloat16, lstm.parameters(), strict=True):
            assert (gradient - parameter.grad).norm() < 0.02 * parameter.grad.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_a_kernel_in_bfloat16_autocast_computes_in_the_parameters_precision(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstm = StackedLSTM(FEATURES, HIDDEN, LAYERS, generators(SEEDS))
    x = normal(2, 5, STEPS, FEATURES).to(dtype)
    expected = lstm.run_members(x.float())
    monkeypatch.setattr(recurrent, "cpu_has_bfloat16_lstm", lambda: False)
    with torch.autocast("cpu", torch.bfloat16):
        states = lstm.run_members(x)
    assert states.dtype == torch.float32
    assert torch.equal(states, expected)
