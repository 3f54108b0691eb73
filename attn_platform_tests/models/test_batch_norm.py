import pytest
import torch
from torch import nn

from attn_platform.models.layers.batch_norm import StackedBatchNorm

FEATURES = 6
COUNTS = (9, 5, 7)


def padded_input() -> torch.Tensor:
    """Three seeds with different numbers of rows; the padding holds values that would be seen if they leaked."""
    x = torch.randn(3, max(COUNTS), FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for seed, count in enumerate(COUNTS):
        x[seed, count:] = 1e6
    return x.requires_grad_()


def shaken_layer() -> StackedBatchNorm:
    layer = StackedBatchNorm(FEATURES, len(COUNTS)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return layer


def plain_norms(layer: StackedBatchNorm) -> list[nn.BatchNorm1d]:
    norms = []
    for seed in range(len(COUNTS)):
        norm = nn.BatchNorm1d(FEATURES).double()
        norm.load_state_dict({"weight": layer.weight[seed], "bias": layer.bias[seed]}, strict=False)
        norms.append(norm)
    return norms


def test_equals_batch_norm_1d_of_each_seeds_valid_rows() -> None:
    layer, x = shaken_layer(), padded_input()
    norms = plain_norms(layer)
    upstream = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    outputs = layer(x, COUNTS)
    outputs.backward(upstream)
    for seed, (norm, count) in enumerate(zip(norms, COUNTS, strict=True)):
        rows = x.detach()[seed, :count].clone().requires_grad_()
        expected = norm(rows)
        expected.backward(upstream[seed, :count])
        torch.testing.assert_close(outputs[seed, :count], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(x.grad[seed, :count], rows.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.weight.grad[seed], norm.weight.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.bias.grad[seed], norm.bias.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_mean[seed], norm.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.running_var[seed], norm.running_var, rtol=0, atol=1e-12)


def test_padding_comes_out_as_zeros_and_gets_no_gradient() -> None:
    layer, x = shaken_layer(), padded_input()
    outputs = layer(x, COUNTS)
    outputs.sum().backward()
    for seed, count in enumerate(COUNTS):
        assert not outputs[seed, count:].any()
        assert not x.grad[seed, count:].any()


def test_evaluation_uses_the_running_statistics_row_by_row() -> None:
    layer, x = shaken_layer(), padded_input()
    layer(x, COUNTS)
    layer.eval()
    with torch.no_grad():
        outputs = layer(x, COUNTS)
        for seed, count in enumerate(COUNTS):
            scale = layer.weight[seed] / torch.sqrt(layer.running_var[seed] + 1e-5)
            expected = (x[seed, :count] - layer.running_mean[seed]) * scale + layer.bias[seed]
            torch.testing.assert_close(outputs[seed, :count], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_agree_with_finite_differences(training: bool) -> None:
    layer = shaken_layer()
    layer(padded_input(), COUNTS)
    layer.train(training)
    x = torch.randn(3, 9, FEATURES, dtype=torch.float64, requires_grad=True)
    parameters = (x, layer.weight, layer.bias)

    def outputs(x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return layer(x, COUNTS)

    assert torch.autograd.gradcheck(outputs, parameters)
