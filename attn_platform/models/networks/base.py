"""What every network has in common: a leading seed axis on every tensor."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.layers.dropout import StackedDropout
from attn_platform.models.layers.stacked_linear import StackedLinear


class StackedNetwork(nn.Module):
    """S networks of one architecture, one a seed, trained side by side.

    A subclass takes (config, feature count F, task count K, one generator a seed), draws initial weights from the
    generators only, gives every parameter and buffer a leading axis S, and calls the layer whose outputs are the
    predictions `heads` (column k of weight and bias is task k's). That is all the trainer relies on.
    """

    heads: StackedLinear
    compiles = False
    """Whether torch may compile the network: its arithmetic reads features only, never the sizes of the sessions."""

    def __init__(
        self, config: NetworkConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__()

    def forward(self, batch: SessionBatch) -> Tensor:
        """Predictions [S, M, K] of the batch's rows; those of padded rows mean nothing."""
        raise NotImplementedError

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Attention weights in evaluation by name, means over the heads; none by default. A row sums to 1.

        "tasks" [S, M, K, K], "steps" [S, M, L] (of the last step), "stocks" and "neighbours" [S, M, M].
        """
        return {}

    def forecast_parts(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Parts [S, M, K] by name whose sum is the prediction, where the network has such parts; none by default."""
        return {}

    def start_epoch(self, seeds: Sequence[int], epoch: int) -> None:
        """Begin an epoch of training for the seeds of the stack, in order: dropout masks depend on seed and epoch."""
        device = self.heads.weight.device
        layers = (module for module in self.modules() if isinstance(module, StackedDropout))
        for site, layer in enumerate(layers):
            layer.restart(seeds, epoch, site, device)

    @torch.no_grad()
    def start_from_constant(self, level: Tensor) -> None:
        """Make untrained members forecast their `level` [S, K] for every stock: heads with that bias and no weights."""
        self.heads.weight.zero_()
        self.heads.bias.copy_(level[:, None, :])

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
