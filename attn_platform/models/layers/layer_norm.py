"""Layer norm of several seeds (Ba, Kiros & Hinton 2016)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5  # torch.nn.LayerNorm's default; the studies name none


class StackedLayerNorm(nn.Module):
    """torch.nn.LayerNorm for every seed of a stack, y[s] = (x[s] - mean) / √(variance + ε) · weight[s] + bias[s].

    Scale and shift are a pass of their own: torch's kernel takes one weight for all rows, and a call for each seed
    with the copies it needs takes twice the time.
    """

    def __init__(self, features: int, seed_count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(seed_count, features))
        self.bias = nn.Parameter(torch.zeros(seed_count, features))

    def forward(self, x: Tensor) -> Tensor:
        """[S, M, features] → the same shape."""
        return torch.addcmul(
            self.bias[:, None], functional.layer_norm(x, x.shape[-1:], eps=EPSILON), self.weight[:, None]
        )
