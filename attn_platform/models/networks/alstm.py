"""`alstm` (AI-69): an LSTM whose hidden states of all steps are attended to.

With h_l the last layer's hidden states and a their attended state (one head of additive attention),
ŷ = [a ‖ h_L] W + b. The study names no width of the attention's hidden layer; 64 is our choice.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import ALSTMConfig
from attn_platform.models.layers.recurrent import StackedLSTM
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.layers.step_attention import StepAttention
from attn_platform.models.networks.base import StackedNetwork


class ALSTM(StackedNetwork):
    """LSTM, additive attention over its steps, then a head on attended and last hidden state."""

    def __init__(
        self, config: ALSTMConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.recurrent = StackedLSTM(feature_count, config.hidden, config.layers, generators)
        self.step_attention = StepAttention(config.hidden, config.attention_width, generators)
        self.heads = StackedLinear(2 * config.hidden, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, L, F] → [S, M, K]."""
        states = self.recurrent(batch.features)
        return self.heads(torch.cat([self.step_attention(states), states[:, :, -1]], -1))

    def attention(self, batch: SessionBatch) -> dict[str, Tensor]:
        """Weights of the steps: "steps" [S, M, L]."""
        return {"steps": self.step_attention.weights(self.recurrent(batch.features))}
