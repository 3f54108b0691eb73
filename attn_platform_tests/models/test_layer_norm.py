import torch
from torch import nn

from attn_platform.models.layers.layer_norm import StackedLayerNorm
from attn_platform_tests.models.attention_references import normal, shaken


def test_equals_layer_norm_of_each_seed() -> None:
    layer = shaken(StackedLayerNorm(6, 3))
    x = (5 + 3 * normal(3, 11, 6)).requires_grad_()
    upstream = normal(3, 11, 6, seed=1)
    y = layer(x)
    y.backward(upstream)
    for seed in range(3):
        plain = nn.LayerNorm(6).double()
        plain.load_state_dict({"weight": layer.weight[seed], "bias": layer.bias[seed]})
        rows = x.detach()[seed].clone().requires_grad_()
        expected = plain(rows)
        expected.backward(upstream[seed])
        torch.testing.assert_close(y[seed], expected, rtol=0, atol=1e-13)
        torch.testing.assert_close(x.grad[seed], rows.grad, rtol=0, atol=1e-13)
        torch.testing.assert_close(layer.weight.grad[seed], plain.weight.grad, rtol=0, atol=1e-13)
        torch.testing.assert_close(layer.bias.grad[seed], plain.bias.grad, rtol=0, atol=1e-13)


def test_starts_as_plain_standardisation() -> None:
    x = normal(2, 9, 6)
    expected = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)
    torch.testing.assert_close(StackedLayerNorm(6, 2).double()(x), expected, rtol=0, atol=1e-13)
