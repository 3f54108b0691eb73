"""Linear layers of several seeds in one matrix product.

The five seeds of a model (AI-69, AI-55) differ in initial weights and session order only, so they are trained as one
network whose tensors have a leading seed axis; no number of one seed ever enters another's.
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn


class StackedLinear(nn.Module):
    """y[s] = x[s] @ weight[s] + bias[s], for all seeds s in one `baddbmm`.

    Parameters are weight [S, in, out] and bias [S, 1, out]. Each seed draws torch.nn.Linear's default initial weights
    from its own generator in the same order, so they do not depend on what it is stacked with.
    """

    def __init__(self, in_features: int, out_features: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        # torch.nn.Linear's Kaiming-uniform with a = √5 is uniform within ±1/√in for the weight, as for the bias
        bound = 1 / math.sqrt(in_features)
        weights, biases = [], []
        for generator in generators:
            weights.append(torch.empty(out_features, in_features).uniform_(-bound, bound, generator=generator).T)
            biases.append(torch.empty(1, out_features).uniform_(-bound, bound, generator=generator))
        self.weight = nn.Parameter(torch.stack(weights))
        self.bias = nn.Parameter(torch.stack(biases))

    def forward(self, x: Tensor) -> Tensor:
        """[S, M, in] → [S, M, out]."""
        return torch.baddbmm(self.bias, x, self.weight)
