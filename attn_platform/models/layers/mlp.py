"""The shared multi-layer perceptron of the cross-section networks (AI-69: F → 256 → 256)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.configuration import Activation, Normalisation
from attn_platform.models.layers.batch_norm import StackedBatchNorm
from attn_platform.models.layers.stacked_linear import StackedLinear

# In place: what they are given is a linear layer's output, which nothing else reads
ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
}


class StackedMLP(nn.Module):
    """`depth` blocks linear → activation → batch norm, each to `width` units."""

    def __init__(
        self,
        in_features: int,
        width: int,
        depth: int,
        activation: Activation,
        normalisation: Normalisation,
        generators: Sequence[Generator],
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        sizes = [in_features] + [width] * depth
        self.linears = nn.ModuleList(StackedLinear(a, b, generators) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(
            StackedBatchNorm(width, len(generators)) for _ in range(depth if normalisation == "batch" else 0)
        )

    def forward(self, x: Tensor, valid_rows: Sequence[int]) -> Tensor:
        """[S, M, in] → [S, M, width]."""
        for block, linear in enumerate(self.linears):
            x = self.activation(linear(x))
            if self.norms:
                x = self.norms[block](x, valid_rows)
        return x
