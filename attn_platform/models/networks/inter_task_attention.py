"""`inter_task_attention` (AI-69, after Ma & Tan 2022): the tasks' features attend to each other.

    h = MLP(x),  f_k = relu(h V_k + b_k),  t_k = f_k U_k + c_k,
    z = t + self-attention over the K tokens t,  ŷ_k = z_k · w_k + d_k.

The study names the parts and their order; widths (all that of the MLP), activation and the MLP are the baseline's.
"""

from collections.abc import Sequence

from torch import Generator, Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import InterTaskAttentionConfig
from attn_platform.models.layers.mlp import ACTIVATIONS, StackedMLP
from attn_platform.models.layers.self_attention import ShortSequenceAttention
from attn_platform.models.layers.task_linear import StackedTaskHeads, StackedTaskLinear
from attn_platform.models.networks.base import StackedNetwork


class InterTaskAttention(StackedNetwork):
    """Shared MLP, K task tokens a stock that attend to each other, and a head a task."""

    def __init__(
        self, config: InterTaskAttentionConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        width = config.width
        self.compiles = config.normalisation == "none"
        self.task_count = task_count
        self.shared = StackedMLP(
            feature_count, width, config.depth, config.activation, config.normalisation, generators
        )
        self.activation = ACTIVATIONS[config.activation]
        self.task_features = StackedTaskLinear(width, width, task_count, generators)
        self.task_tokens = StackedTaskLinear(width, width, task_count, generators)
        self.task_attention = ShortSequenceAttention(width, config.attention_heads, generators)
        self.heads = StackedTaskHeads(width, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, F] → [S, M, K]."""
        tokens = self._tokens(batch)
        return self.heads(tokens + self.task_attention(tokens))

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Weights that a task (row) gives to the tasks: "tasks" [S, M, K, K]."""
        return {"tasks": self.task_attention.weights(self._tokens(batch))}

    def _tokens(self, batch: SessionBatch) -> Tensor:
        """t [S, M, K, width]."""
        shared = self.shared(batch.features, batch.valid_rows)
        of_each_task = shared[:, :, None].expand(-1, -1, self.task_count, -1)
        return self.task_tokens(self.activation(self.task_features(of_each_task)))
