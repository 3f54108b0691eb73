"""Linear layers of K tasks for several seeds: the task-specific layers of the multi-task networks."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.layers.stacked_linear import StackedLinear


class StackedTaskLinear(nn.Module):
    """y[s, :, k] = x[s, :, k] @ weight[s, k] + bias[s, k], with weight [S, K, in, out] and bias [S, K, 1, out]."""

    def __init__(self, in_features: int, out_features: int, task_count: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        of_each = StackedLinear(in_features, out_features, [g for g in generators for _ in range(task_count)])
        self.weight = nn.Parameter(of_each.weight.detach().unflatten(0, (-1, task_count)))
        self.bias = nn.Parameter(of_each.bias.detach().unflatten(0, (-1, task_count)))

    def forward(self, x: Tensor) -> Tensor:
        """[S, M, K, in] → [S, M, K, out]."""
        return _by_task(x, self.weight, self.bias)


class StackedTaskHeads(StackedLinear):
    """K linear heads of one output, each on the features of its own task: column k of weight and bias is task k's."""

    def forward(self, x: Tensor) -> Tensor:
        """[S, M, K, in] → [S, M, K]."""
        return _by_task(x, self.weight.mT[..., None], self.bias.mT[..., None])[..., 0]


def _by_task(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[S, M, K, in] with weight [S, K, in, out] and bias [S, K, 1, out] → [S, M, K, out], laid out task by task."""
    y = torch.baddbmm(bias.flatten(0, 1), x.transpose(1, 2).flatten(0, 1), weight.flatten(0, 1))
    return y.unflatten(0, weight.shape[:2]).transpose(1, 2)
