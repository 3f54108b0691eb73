"""Additive attention over blocks of rows, exact in O(M log M) time and O(M) memory.

The graph networks of AI-55 (after Veličković et al. 2018) attend with α_ij = softmax_j LeakyReLU(s_i + t_j), j in the
block of i: all stocks of its session, or those of its sector. With the t of a block in ascending order, the pairs on
either side of the kink are a suffix and a prefix, and on each side the exponential is a product,

    exp LeakyReLU(s_i + t_j) = exp(s_i) exp(t_j) where s_i + t_j > 0, else exp(β s_i) exp(β t_j),

so numerator and denominator of the softmax are running sums (`side_sums`): no M × M matrix is formed.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from attn_platform.models.batch import SessionBatch
from attn_platform.models.layers.side_sums import Blocks, blocks_of, sums_by_side


def session_blocks(batch: SessionBatch) -> Blocks:
    """A block a session. Padded rows make the last one, behind all sums over valid rows."""
    return blocks_of(_sessions(batch))


def neighbour_blocks(batch: SessionBatch, groups: Tensor) -> Blocks:
    """A block for the rows of a session with the same group id [S, M]; padded rows lie in blocks of their own."""
    rank = blocks_of(groups).first  # order of the groups as numbers below M, so that the ids below cannot overflow
    return blocks_of(_sessions(batch) * groups.shape[-1] + rank)


def _sessions(batch: SessionBatch) -> Tensor:
    """Place of each row's session among those of its member [S, M]; padded rows come after all of them."""
    rows = batch.features.shape[1]
    places = [
        torch.repeat_interleave(torch.tensor([*sizes, rows - sum(sizes)]))  # i repeated sizes[i] times
        for sizes in batch.session_sizes
    ]
    return torch.stack(places).to(batch.features.device)


def additive_attention(s: Tensor, t: Tensor, values: Tensor, blocks: Blocks, slope: float) -> Tensor:
    """Σ_j softmax_j(LeakyReLU(s_i + t_j)) values_j over the rows j of i's block: s, t [S, M], values [S, M, H] → same.

    `slope` β in [0, 1) is LeakyReLU's below 0, which at s_i + t_j = 0 is also its derivative, as torch has it.
    Every exponent is ≤ 0 and every denominator ≥ 1, so that scores of any size neither overflow nor divide by zero.
    Deterministic on every device: the gradient, like the result, has no sum whose order is left to chance.
    """
    sides = s.new_tensor([1.0, slope])
    with torch.no_grad():
        largest = torch.full_like(t, -torch.inf).scatter_reduce(-1, blocks.first, t, "amax").gather(-1, blocks.first)
        # The softmax is the same whatever is subtracted from its exponents, so these two have no gradient
        offset = functional.leaky_relu(s + largest, slope)
    source = torch.exp(sides * (t - largest).unsqueeze(-1))  # [S, M, 2]
    target = torch.exp(sides * (s + largest).unsqueeze(-1) - offset.unsqueeze(-1))
    terms = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)  # the last column sums to the denominator
    sums = _SumsBySide.apply(s.detach(), t.detach(), source.unsqueeze(-1) * terms.unsqueeze(-2), blocks)
    above, below = (target.unsqueeze(-1) * sums).unbind(-2)
    weighted = above + below
    return weighted[..., :-1] / weighted[..., -1:]


def attention_weights(s: Tensor, t: Tensor, blocks: Blocks, slope: float) -> Tensor:
    """α_ij = softmax_j LeakyReLU(s_i + t_j) within blocks as a matrix [S, M, M]; for explanation of single sessions."""
    scores = functional.leaky_relu(s.unsqueeze(-1) + t.unsqueeze(-2), slope)
    apart = blocks.first.unsqueeze(-1) != blocks.first.unsqueeze(-2)
    return scores.masked_fill(apart, -torch.inf).softmax(dim=-1)


class _SumsBySide(torch.autograd.Function):
    """Sums over the rows j of i's block on either side of the kink: x [S, M, 2, C] → [S, M, 2, C].

    out[i, 0] = Σ x[j, 0] over s_i + t_j > 0 and out[i, 1] = Σ x[j, 1] over s_i + t_j ≤ 0. A pair's side does not depend
    on which of the two is asked for, so the transpose of this linear map, its gradient, is itself with s and t swapped.
    """

    @staticmethod
    def forward(ctx: Any, s: Tensor, t: Tensor, x: Tensor, blocks: Blocks) -> Tensor:
        ctx.save_for_backward(s, t)
        ctx.blocks = blocks
        return sums_by_side(s, t, x, blocks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        s, t = ctx.saved_tensors
        return None, None, sums_by_side(t, s, gradient, ctx.blocks), None
