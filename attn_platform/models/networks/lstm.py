"""`lstm` (AI-69): two LSTM layers over the steps of each stock's window, a linear layer on the last hidden state."""

from collections.abc import Sequence

from torch import Generator, Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import LSTMConfig
from attn_platform.models.layers.recurrent import StackedLSTM
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork


class LSTM(StackedNetwork):
    """LSTM, then a head on the last hidden state."""

    def __init__(
        self, config: LSTMConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.recurrent = StackedLSTM(feature_count, config.hidden, config.layers, generators)
        self.heads = StackedLinear(config.hidden, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, L, F] → [S, M, K]."""
        return self.heads(self.recurrent(batch.features)[:, :, -1])
