"""Adam of a stack, against torch's own for each member alone."""

import torch
from torch import nn

from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.training.adam import StackedAdam

RATE, MEMBERS, STEPS = 1e-2, 3, 8


class TwoLayers(StackedNetwork):
    """Parameters of different shapes; the test hands out the gradients itself."""

    def __init__(self) -> None:
        generators = [torch.Generator().manual_seed(seed) for seed in range(MEMBERS)]
        super().__init__(NetworkConfig(name="two_layers"), 4, 1, generators)
        self.first = StackedLinear(4, 3, generators)
        self.heads = StackedLinear(3, 1, generators)


def gradients(step: int, network: StackedNetwork) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in network.parameters()]


def alone(member: int, steps: list[int]) -> list[torch.Tensor]:
    """The member's parameters after these steps of torch.optim.Adam."""
    network = TwoLayers().double()
    parameters = [nn.Parameter(p.detach()[member].clone()) for p in network.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE)
    for step in steps:
        for parameter, gradient in zip(parameters, gradients(step, network), strict=True):
            parameter.grad = gradient[member]
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def test_every_member_goes_as_alone_also_where_it_sits_steps_out() -> None:
    network = TwoLayers().double()
    adam = StackedAdam(network, RATE)
    taken: list[list[int]] = [[] for _ in range(MEMBERS)]
    for step in range(STEPS):
        active = [True, step % 2 == 0, step not in (2, 3)]
        for parameter, gradient in zip(network.parameters(), gradients(step, network), strict=True):
            parameter.grad = gradient
        assert adam.step(None if all(active) else active).all()
        for member in range(MEMBERS):
            taken[member] += [step] if active[member] else []
    assert len({len(steps) for steps in taken}) == 3
    for member, steps in enumerate(taken):
        for parameter, expected in zip(network.parameters(), alone(member, steps), strict=True):
            torch.testing.assert_close(parameter.detach()[member], expected, rtol=1e-12, atol=1e-14)


def test_members_that_leave_take_nothing_along_and_a_restored_state_goes_on() -> None:
    network = TwoLayers().double()
    adam = StackedAdam(network, RATE)
    for step in range(4):
        for parameter, gradient in zip(network.parameters(), gradients(step, network), strict=True):
            parameter.grad = gradient
        adam.step()
    kept = torch.tensor([2, 0])
    network.keep_seeds(kept)
    adam.keep(kept)
    other = TwoLayers().double()
    resumed = StackedAdam(other, RATE)
    other.keep_seeds(kept)
    resumed.keep(kept)
    resumed.restore({name: tensor.clone() for name, tensor in adam.state().items()})
    for trained, optimizer in ((network, adam), (other, resumed)):
        for step in range(4, STEPS):
            for parameter, gradient in zip(trained.parameters(), gradients(step, TwoLayers().double()), strict=True):
                parameter.grad = gradient[kept]
            optimizer.step()
        for position, member in enumerate(kept.tolist()):
            for parameter, expected in zip(trained.parameters(), alone(member, list(range(STEPS))), strict=True):
                torch.testing.assert_close(parameter.detach()[position], expected, rtol=1e-12, atol=1e-14)


def test_says_whose_gradient_is_not_finite() -> None:
    network = TwoLayers().double()
    adam = StackedAdam(network, RATE)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    network.first.weight.grad[1, 0, 0] = torch.nan
    network.heads.bias.grad[2] = -torch.inf
    assert adam.step().tolist() == [True, False, False]
    for parameter in network.parameters():
        assert parameter.detach()[0].isfinite().all()
