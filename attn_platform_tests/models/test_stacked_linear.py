import pytest
import torch
from torch import nn

from attn_platform.models.layers.stacked_linear import StackedLinear


def stacked(seeds: list[int]) -> StackedLinear:
    return StackedLinear(7, 3, [torch.Generator().manual_seed(seed) for seed in seeds])


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_initial_weights_are_those_of_torch_linear(seed: int) -> None:
    torch.manual_seed(seed)
    plain = nn.Linear(7, 3)
    layer = stacked([seed])
    assert torch.equal(layer.weight[0], plain.weight.T)
    assert torch.equal(layer.bias[0, 0], plain.bias)


def test_a_seeds_weights_do_not_depend_on_what_it_is_stacked_with() -> None:
    assert torch.equal(stacked([4, 2, 9]).weight[1], stacked([2]).weight[0])
    assert not torch.equal(stacked([4, 2]).weight[0], stacked([4, 2]).weight[1])


def test_each_seed_is_its_own_linear_layer() -> None:
    layer = stacked([0, 1]).double()
    x = torch.randn(2, 11, 7, dtype=torch.float64)
    for seed in range(2):
        expected = nn.functional.linear(x[seed], layer.weight[seed].T, layer.bias[seed, 0])
        torch.testing.assert_close(layer(x)[seed], expected, rtol=0, atol=1e-14)
