"""What every network has in common: a typed configuration, and a leading seed axis on every tensor."""

from collections.abc import Sequence
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Generator, Tensor, nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.layers.stacked_linear import StackedLinear


class NetworkConfig(BaseModel):
    """Base of the networks' configurations; a network narrows `name` to its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str


class StackedNetwork(nn.Module):
    """S networks of one architecture, one a seed, trained side by side.

    A subclass takes (config, feature count F, task count K, one generator a seed), draws initial weights from the
    generators only, gives every parameter and buffer a leading axis S, and calls the layer whose outputs are the
    predictions `heads`. That is all the trainer relies on.
    """

    heads: StackedLinear

    def __init__(
        self, config: NetworkConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__()

    def forward(self, batch: SessionBatch) -> Tensor:
        """Predictions [S, M, K] of the batch's rows; those of padded rows mean nothing."""
        raise NotImplementedError

    @torch.no_grad()
    def start_from_constant(self, level: Tensor) -> None:
        """Make the untrained network forecast `level` [K] for every stock: heads with that bias and no weights."""
        self.heads.weight.zero_()
        self.heads.bias.copy_(level)

    @torch.no_grad()
    def keep_seeds(self, positions: Tensor) -> Self:
        """Drop all seeds but those at `positions` of the stack, in place; parameters stay the same objects."""
        for parameter in self.parameters():
            parameter.grad = None
            parameter.data = parameter.data[positions]
        for module in self.modules():
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, buffer[positions])
        return self
