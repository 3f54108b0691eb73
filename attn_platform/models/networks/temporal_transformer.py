"""`temporal_transformer` (AI-69): a Transformer encoder over the steps of each stock's window.

The model width is the number of features; the last step's output goes through one linear layer. Of the last block only
the last step is read, so there it alone is computed, attending to all steps: the same numbers, a fifth of the time.
"""

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import TemporalTransformerConfig
from attn_platform.models.layers.encoder import StackedEncoderBlock
from attn_platform.models.layers.positional_encoding import sinusoidal_encoding
from attn_platform.models.layers.self_attention import ShortSequenceAttention
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork


class TemporalTransformer(StackedNetwork):
    """Positional encoding, encoder blocks over the steps, head on the last step."""

    def __init__(
        self, config: TemporalTransformerConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.positional_encoding = config.positional_encoding
        blocks = [
            StackedEncoderBlock(
                ShortSequenceAttention(feature_count, config.attention_heads, generators, config.dropout),
                feature_count,
                config.feed_forward,
                config.dropout,
                generators,
            )
            for _ in range(config.blocks)
        ]
        self.first_blocks, self.last_block = nn.ModuleList(blocks[:-1]), blocks[-1]
        self.heads = StackedLinear(feature_count, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, L, F] → [S, M, K]."""
        return self.heads(self.last_block(self._before_last_block(batch), True)[:, :, 0])

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Weights that the last step gives to the steps in the last block: "steps" [S, M, L]."""
        return {"steps": self.last_block.attention.weights(self._before_last_block(batch), True)[:, :, 0]}

    def _before_last_block(self, batch: SessionBatch) -> Tensor:
        """[S, M, L, F] after the position and all blocks but the last."""
        x = batch.features
        if self.positional_encoding:
            x = x + sinusoidal_encoding(x)
        for block in self.first_blocks:
            x = block(x)
        return x
