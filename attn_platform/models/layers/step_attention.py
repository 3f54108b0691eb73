"""Additive attention over the steps of a window (Bahdanau, Cho & Bengio 2015; of one head in AI-69's ALSTM)."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from attn_platform.models.layers.stacked_linear import StackedLinear


class StepAttention(nn.Module):
    """α = softmax over l of vᵀ tanh(W h_l + b); the attended state is Σ_l α_l h_l."""

    def __init__(self, hidden: int, width: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.hidden_layer = StackedLinear(hidden, width, generators)
        self.score = StackedLinear(width, 1, generators)

    def forward(self, states: Tensor) -> Tensor:
        """Hidden states [S, M, L, hidden] → attended states [S, M, hidden]."""
        return (self.weights(states)[..., None] * states).sum(2)

    def weights(self, states: Tensor) -> Tensor:
        """α [S, M, L]."""
        scores = self.score(torch.tanh(self.hidden_layer(states.flatten(1, 2))))
        return scores.view(states.shape[:3]).softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
