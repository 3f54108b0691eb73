"""Transformer encoder block (Vaswani et al. 2017) of several seeds."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.layers.dropout import StackedDropout
from attn_platform.models.layers.layer_norm import StackedLayerNorm
from attn_platform.models.layers.self_attention import StackedSelfAttention
from attn_platform.models.layers.stacked_linear import StackedLinear


class StackedEncoderBlock(nn.Module):
    """torch.nn.TransformerEncoderLayer (norm last, relu) for every seed of a stack, over any self-attention:

    z = norm(x + dropout(attention(x))),  y = norm(z + dropout(W_2 dropout(relu(W_1 z)))).
    """

    def __init__(
        self,
        attention: StackedSelfAttention,
        width: int,
        feed_forward: int,
        dropout: float,
        generators: Sequence[Generator],
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_dropout = StackedDropout(dropout)
        self.attention_norm = StackedLayerNorm(width, len(generators))
        self.expand = StackedLinear(width, feed_forward, generators)
        self.expand_dropout = StackedDropout(dropout)
        self.contract = StackedLinear(feed_forward, width, generators)
        self.contract_dropout = StackedDropout(dropout)
        self.feed_forward_norm = StackedLayerNorm(width, len(generators))

    def forward(self, x: Tensor, *attention_arguments: Any) -> Tensor:
        """[S, ..., L, width] → the same shape, or only as many of the last elements as the attention has queries."""
        attended = self.attention(x, *attention_arguments)
        residual = x[..., -attended.shape[-2] :, :].flatten(1, -2)
        z = self.attention_norm(residual + self.attention_dropout(attended.flatten(1, -2)))
        hidden = self.expand_dropout(torch.relu_(self.expand(z)))
        y = self.feed_forward_norm(z + self.contract_dropout(self.contract(hidden)))
        return y.view(attended.shape)
