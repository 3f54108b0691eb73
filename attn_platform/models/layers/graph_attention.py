"""Graph attention layer of AI-55 (single-head GAT, Veličković et al. 2018), with a residual around it.

With j in the block of i, which is its session or its neighbours in it:

    e_ij = LeakyReLU(a · [W h_i ‖ W h_j]),  α_ij = softmax_j e_ij,  h'_i = h_i + LeakyReLU(Σ_j α_ij W h_j).
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from attn_platform.models.layers.additive_attention import Blocks, additive_attention, attention_weights


class StackedGraphAttention(nn.Module):
    """The layer for every seed of a stack: W is `weight` [S, H, H] (applied as x @ weight), a is `scores` [S, H, 2].

    The columns of `scores` are the halves of a: for i, the row that attends, and for j. Initial weights are those
    of torch.nn.Linear for the two maps without bias that the formula has, H → H and 2H → 1.
    """

    def __init__(self, width: int, slope: float, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.slope = slope
        weights, scores = [], []
        for generator in generators:
            weights.append(_uniform((width, width), width, generator))
            scores.append(_uniform((width, 2), 2 * width, generator))
        self.weight = nn.Parameter(torch.stack(weights))
        self.scores = nn.Parameter(torch.stack(scores))

    def forward(self, x: Tensor, blocks: Blocks) -> Tensor:
        """[S, M, H] → [S, M, H], in float32 (float64 for float64 input) also under autocast."""
        values, s, t = self._scored(x)
        attended = additive_attention(s, t, values, blocks, self.slope)
        return x + functional.leaky_relu(attended, self.slope)

    def attention(self, x: Tensor, blocks: Blocks) -> Tensor:
        """α [S, M, M]; for explanation."""
        _, s, t = self._scored(x)
        return attention_weights(s, t, blocks, self.slope)

    def _scored(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """W h [S, M, H] and the two parts [S, M] of the scores."""
        values = torch.bmm(x, self.weight)
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        # The scores are exponents: bfloat16 would make an error of theirs one of the weights
        with torch.autocast(x.device.type, enabled=False):
            s, t = torch.bmm(values, self.scores).unbind(-1)
        return values, s, t


def _uniform(shape: tuple[int, int], fan_in: int, generator: Generator) -> Tensor:
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
