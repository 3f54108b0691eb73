"""`multi_task_baseline` (AI-69): a shared MLP, one head a task.

The study names the width only; activation, norm and depth are this platform's choice. Batch norm is off: on the
first window of the real data all five seeds had a lower validation loss without it (0.4911 against 0.4920 on average;
the best constant forecast has 0.4934), and an epoch took two thirds of the time.
"""

from collections.abc import Sequence

from torch import Generator, Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import MultiTaskBaselineConfig
from attn_platform.models.layers.mlp import StackedMLP
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork


class MultiTaskBaseline(StackedNetwork):
    """MLP F → width → … → width shared by the tasks, then a linear head a task."""

    def __init__(
        self, config: MultiTaskBaselineConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.shared = StackedMLP(
            feature_count, config.width, config.depth, config.activation, config.normalisation, generators
        )
        self.compiles = config.normalisation == "none"
        # K linear heads of one output each are one linear layer with K outputs, initial weights included
        self.heads = StackedLinear(config.width, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        """[S, M, F] → [S, M, K]."""
        return self.heads(self.shared(batch.features, batch.valid_rows))
