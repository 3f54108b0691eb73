"""`inter_stock_attention` (AI-69): a Transformer encoder over the session's stocks.

The sequence is the stocks of a session and the model width the number of features; there is no positional encoding,
so the order of the stocks does not matter. A hidden layer follows (relu: our choice), and a linear head a task.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import InterStockAttentionConfig
from attn_platform.models.layers.encoder import StackedEncoderBlock
from attn_platform.models.layers.self_attention import StockAttention
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork


class InterStockAttention(StackedNetwork):
    """Encoder blocks over the stocks of a session, hidden layer, head a task."""

    def __init__(
        self, config: InterStockAttentionConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        blocks = [
            StackedEncoderBlock(
                StockAttention(feature_count, config.attention_heads, generators),
                feature_count,
                config.feed_forward,
                config.dropout,
                generators,
            )
            for _ in range(config.blocks)
        ]
        self.first_blocks, self.last_block = nn.ModuleList(blocks[:-1]), blocks[-1]
        self.hidden = StackedLinear(feature_count, config.hidden, generators)
        self.heads = StackedLinear(config.hidden, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, F] → [S, M, K]."""
        x = self.last_block(self._before_last_block(batch), batch.session_sizes)
        return self.heads(torch.relu(self.hidden(x)))

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Weights that a stock (row) gives to its session's stocks in the last block: "stocks" [S, M, M]."""
        return {"stocks": self.last_block.attention.weights(self._before_last_block(batch), batch.session_sizes)}

    def _before_last_block(self, batch: SessionBatch) -> Tensor:
        """[S, M, F] after all blocks but the last."""
        x = batch.features
        for block in self.first_blocks:
            x = block(x, batch.session_sizes)
        return x
