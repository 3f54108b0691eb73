"""The networks written in plain torch.nn, one seed at a time: what the stacked ones are compared with."""

import torch
from torch import nn


def plain_baseline(seed: int, features: int, width: int, tasks: int) -> nn.Sequential:
    """AI-69's baseline with torch's own layers and default initial weights, in float64."""
    torch.manual_seed(seed)
    layers = [nn.Linear(features, width), nn.Linear(width, width), nn.Linear(width, tasks)]
    return nn.Sequential(
        layers[0], nn.ReLU(), nn.BatchNorm1d(width), layers[1], nn.ReLU(), nn.BatchNorm1d(width), layers[2]
    ).double()


def plain_state(network: nn.Sequential) -> dict[str, torch.Tensor]:
    """Its parameters and running statistics under the stacked network's names and in its orientation."""
    first, _, first_norm, second, _, second_norm, heads = network
    state = {}
    for name, linear in (("shared.linears.0", first), ("shared.linears.1", second), ("heads", heads)):
        state[f"{name}.weight"] = linear.weight.detach().T
        state[f"{name}.bias"] = linear.bias.detach()[None]
    for name, norm in (("shared.norms.0", first_norm), ("shared.norms.1", second_norm)):
        state[f"{name}.weight"], state[f"{name}.bias"] = norm.weight.detach(), norm.bias.detach()
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = norm.running_mean, norm.running_var
    return state
