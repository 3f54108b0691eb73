"""`gat_residual` (AI-55): a forecast in three parts, what sectors, what factor links and what neither explains.

With h⁰ = encoder(x), two times linear → sigmoid → batch norm:

1. masked attention of each stock to its sector:  h'⁰ from h⁰ by the graph attention layer,
2. residual I:   ĥ⁰ = linear(h'⁰),  h¹ = h⁰ − ĥ⁰,  y⁰ = LeakyReLU(ĥ⁰),
3. global attention to all stocks of the session, with weights of its own:  h'¹ from h¹,
4. residual II:  ĥ¹ = linear(h'¹),  h² = h¹ − ĥ¹,  y¹ = LeakyReLU(ĥ¹),
5. y² = LeakyReLU(h²),
6. prediction = output layer(y⁰ + y¹ + y²).

The study's other networks are configurations of this one: `gat_mask` and `gat_global` leave out one of the two stages
(then there is no y of it, and h passes on), `nn` both; others take industries for sectors, or fewer hidden units.
"""

from collections.abc import Sequence
from functools import reduce
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from attn_platform.errors import ContractError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import GatResidualConfig
from attn_platform.models.layers.additive_attention import Blocks, neighbour_blocks, session_blocks
from attn_platform.models.layers.graph_attention import StackedGraphAttention
from attn_platform.models.layers.mlp import StackedMLP
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork

_ENCODER_DEPTH = 2  # AI-55

FACTOR_LINKS = "factor_links"
SPECIFIC = "specific"
CONSTANT = "constant"


class _ResidualStage(nn.Module):
    """Graph attention, and what a linear map of it explains of its input."""

    def __init__(self, width: int, slope: float, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.graph = StackedGraphAttention(width, slope, generators)
        self.linear = StackedLinear(width, width, generators)

    def forward(self, h: Tensor, blocks: Blocks) -> Tensor:
        """ĥ [S, M, H] of h [S, M, H]."""
        return self.linear(self.graph(h, blocks))


class GatResidual(StackedNetwork):
    """Encoder, the residual stages that the configuration has, and the output layer."""

    def __init__(
        self, config: GatResidualConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.config = config
        self.encoder = StackedMLP(feature_count, config.hidden, _ENCODER_DEPTH, "sigmoid", "batch", generators)
        self.stages = nn.ModuleDict()
        if config.masked_attention:
            self.stages[config.adjacency] = _ResidualStage(config.hidden, config.slope, generators)
        if config.global_attention:
            self.stages[FACTOR_LINKS] = _ResidualStage(config.hidden, config.slope, generators)
        self.heads = StackedLinear(config.hidden, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, F] → [S, M, K]."""
        explained, _ = self._explained(batch)
        return self.heads(reduce(torch.add, explained.values()))

    def forecast_parts(self, batch: SessionBatch) -> dict[str, Tensor]:
        """What sectors (or industries), factor links and neither give of the prediction, and a constant: [S, M, K]."""
        explained, _ = self._explained(batch)
        parts = {name: torch.bmm(y, self.heads.weight) for name, y in explained.items()}
        return parts | {CONSTANT: self.heads.bias.expand_as(parts[SPECIFIC])}

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """α of the masked attention as "neighbours" and of the global one as "stocks", [S, M, M] each."""
        _, inputs = self._explained(batch)
        names = {self.config.adjacency: "neighbours", FACTOR_LINKS: "stocks"}
        return {names[stage]: self._stage(stage).graph.attention(h, blocks) for stage, (h, blocks) in inputs.items()}

    def _explained(self, batch: SessionBatch) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Blocks]]]:
        """y⁰, y¹, y² by name [S, M, H], and what each stage's attention read."""
        h = self.encoder(batch.features, batch.valid_rows)
        h = h.to(torch.promote_types(h.dtype, torch.float32))  # differences of bfloat16 would be left with few digits
        explained, inputs = {}, {}
        for name, stage in self.stages.items():
            inputs[name] = h, self._blocks(name, batch)
            estimate = stage(*inputs[name])
            h = h - estimate
            explained[name] = functional.leaky_relu(estimate, self.config.slope)
        explained[SPECIFIC] = functional.leaky_relu(h, self.config.slope)
        return explained, inputs

    def _stage(self, name: str) -> _ResidualStage:
        return cast(_ResidualStage, self.stages[name])

    def _blocks(self, stage: str, batch: SessionBatch) -> Blocks:
        if stage == FACTOR_LINKS:
            return session_blocks(batch)
        if batch.groups is None:
            raise ContractError(f"{self.config.name} reads {stage} neighbours, but the batch has no groups; give them")
        return neighbour_blocks(batch, batch.groups)
