import torch

from attn_platform.models.layers.task_linear import StackedTaskHeads, StackedTaskLinear
from attn_platform_tests.models.attention_references import generators, normal

SEEDS, TASKS = (3, 0), 3


def test_every_task_has_a_linear_layer_of_its_own() -> None:
    layer = StackedTaskLinear(5, 4, TASKS, generators(SEEDS)).double()
    x = normal(2, 7, TASKS, 5)
    y = layer(x)
    assert y.shape == (2, 7, TASKS, 4)
    for seed in range(2):
        for task in range(TASKS):
            expected = x[seed, :, task] @ layer.weight[seed, task] + layer.bias[seed, task]
            torch.testing.assert_close(y[seed, :, task], expected, rtol=0, atol=1e-13)


def test_initial_weights_of_the_first_task_are_those_of_torch_linear() -> None:
    torch.manual_seed(3)
    plain = torch.nn.Linear(5, 4)
    layer = StackedTaskLinear(5, 4, TASKS, generators(SEEDS))
    assert torch.equal(layer.weight[0, 0], plain.weight.T)
    assert torch.equal(layer.bias[0, 0, 0], plain.bias)
    assert not torch.equal(layer.weight[0, 0], layer.weight[0, 1])


def test_heads_read_their_own_task_only() -> None:
    heads = StackedTaskHeads(5, TASKS, generators(SEEDS)).double()
    x = normal(2, 7, TASKS, 5)
    y = heads(x)
    assert y.shape == (2, 7, TASKS)
    for seed in range(2):
        for task in range(TASKS):
            expected = x[seed, :, task] @ heads.weight[seed, :, task] + heads.bias[seed, 0, task]
            torch.testing.assert_close(y[seed, :, task], expected, rtol=0, atol=1e-13)
