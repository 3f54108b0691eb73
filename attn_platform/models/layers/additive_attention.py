"""Additive attention over blocks of rows, exact in O(M log M) time and O(M) memory.

The graph networks of AI-55 (after Veličković et al. 2018) attend with α_ij = softmax_j LeakyReLU(s_i + t_j), j in the
block of i: all stocks of its session, or those of its sector. With the t of a block in ascending order, the pairs on
either side of the kink are a suffix and a prefix, and on each side the exponential is a product,

    exp LeakyReLU(s_i + t_j) = exp(s_i) exp(t_j) where s_i + t_j > 0, else exp(β s_i) exp(β t_j),

so numerator and denominator of the softmax are differences of cumulative sums: no M × M matrix is formed.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from attn_platform.models.batch import SessionBatch


@dataclass(frozen=True)
class Blocks:
    """A partition of the rows of each member of the stack: rows attend to the rows of their own block only.

    With a member's rows sorted by block, the block of row m of member s is rows first[s, m] to end[s, m]; both [S, M].
    """

    first: Tensor
    end: Tensor


def blocks_of(ids: Tensor) -> Blocks:
    """The blocks of rows with equal ids [S, M], in the order of the ids."""
    ids = ids.contiguous()  # searchsorted copies, with a warning, what is not
    ordered = ids.sort(dim=-1).values
    return Blocks(torch.searchsorted(ordered, ids), torch.searchsorted(ordered, ids, right=True))


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
        return _sums_by_side(s, t, x, blocks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        s, t = ctx.saved_tensors
        return None, None, _sums_by_side(t, s, gradient, ctx.blocks), None


def _sums_by_side(s: Tensor, t: Tensor, x: Tensor, blocks: Blocks) -> Tensor:
    order, kink = _sorted_rows(s, t, blocks)
    member = torch.arange(len(t), device=t.device).unsqueeze(-1)

    def rows_of(table: Tensor, positions: Tensor) -> Tensor:
        """table [S, R, ...], positions [S, M] → [S, M, ...]; index_select on the flat table beats gather by far."""
        flat = (positions + member * table.shape[1]).flatten()
        return table.flatten(0, 1).index_select(0, flat).unflatten(0, positions.shape)

    # A sum over a block is a difference of cumulative ones, whose float64 keeps all digits that its terms have
    ordered = rows_of(x.flatten(2), functional.pad(order, (1, 0)))
    ordered[:, 0] = 0  # the row in front stands for the sum of none
    cumulative = ordered.cumsum(1, dtype=torch.float64).unflatten(2, x.shape[2:])
    at_kink = rows_of(cumulative, kink)
    above = rows_of(cumulative[:, :, 0], blocks.end) - at_kink[:, :, 0]
    below = at_kink[:, :, 1] - rows_of(cumulative[:, :, 1], blocks.first)
    return torch.stack([above.to(x.dtype), below.to(x.dtype)], dim=2)


def _sorted_rows(s: Tensor, t: Tensor, blocks: Blocks) -> tuple[Tensor, Tensor]:
    """The rows sorted by block and t, and for each row i the first place in its block with s_i + t_j > 0; both [S, M].

    Floating-point sums keep their sign, so s + t > 0 and t > −s are the same to the last bit.
    """
    rows = t.shape[-1]
    ascending, by_t = t.sort(dim=-1)
    # Block and place among all t in one integer, since searchsorted takes no pairs
    place = torch.arange(rows, device=t.device)
    keys, by_block = (blocks.first.gather(-1, by_t) * (rows + 1) + place).sort(dim=-1)
    at_most = torch.searchsorted(ascending, (-s).contiguous(), right=True)
    return by_t.gather(-1, by_block), torch.searchsorted(keys, blocks.first * (rows + 1) + at_most)
