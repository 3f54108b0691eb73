"""Multi-head scaled dot-product self-attention (Vaswani et al. 2017) of several seeds.

With W_q, W_k, W_v the three parts of `in_proj` and h one of H heads, each of width / H columns,

    A_h = softmax(X W_q,h (X W_k,h)ᵀ / √(width / H)),   Y = [A_1 X W_v,1 ‖ … ‖ A_H X W_v,H] W_o,

X the rows of one sequence: the stocks of a session (`StockAttention`), or the steps of a window or the tasks of a stock
(`ShortSequenceAttention`). Definition and default initial weights are those of torch.nn.MultiheadAttention.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from attn_platform.errors import ConfigurationError
from attn_platform.models.layers.dropout import StackedDropout
from attn_platform.models.layers.stacked_linear import StackedLinear

SessionSizes = Sequence[Sequence[int]]
_WIDTH_UNIT = 8  # columns of a head that the fused kernels for GPUs take at a time


class StackedSelfAttention(nn.Module):
    """Projections of the attention: in_proj, width → queries, keys, values, and out_proj, width → width."""

    def __init__(self, width: int, heads: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        if width % heads:
            divisors = ", ".join(str(number) for number in range(1, width + 1) if width % number == 0)
            raise ConfigurationError(
                f"attention over {width} features cannot have {heads} heads, which must divide them: one of {divisors}"
            )
        self.heads = heads
        self.in_proj = StackedLinear(width, 3 * width, generators)
        self.out_proj = StackedLinear(width, width, generators)
        with torch.no_grad():
            for weight, generator in zip(self.in_proj.weight, generators, strict=True):
                nn.init.xavier_uniform_(weight, generator=generator)
            self.in_proj.bias.zero_()
            self.out_proj.bias.zero_()

    def weights(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Attention weights for the arguments of `forward`, means over the heads, without dropout."""
        raise NotImplementedError


class StockAttention(StackedSelfAttention):
    """Every stock of a session attends to all stocks of the same session.

    There is no dropout on the attention weights: a mask of N × N weights would rule out the fused kernels, which never
    hold these weights in memory.
    """

    def forward(self, x: Tensor, session_sizes: SessionSizes) -> Tensor:
        """[S, M, width] → the same shape; rows beyond a seed's sessions attend to nothing and are attended by none."""
        query, key, value = self._project(x)
        attend = attend_padded if x.is_cuda else attend_slices
        return self.out_proj(attend(query, key, value, session_sizes).transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, session_sizes: SessionSizes) -> Tensor:
        """Mean over the heads of A [S, M, M]; zero between stocks of different sessions and in the padding."""
        query, key, _ = self._project(x)
        weights = x.new_zeros(len(x), x.shape[1], x.shape[1])
        for seed, rows in _sessions(session_sizes):
            weights[seed, rows, rows] = _softmax_of_scores(query[seed, :, rows], key[seed, :, rows]).mean(0)
        return weights

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values [S, H, M, width / H]."""
        query, key, value = self.in_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value


class ShortSequenceAttention(StackedSelfAttention):
    """Attention within each of many short sequences: the steps of a window, the tasks of a stock.

    Scores and weights are held in memory: batched products of such small matrices take no longer on a CPU than the
    fused kernels (21 steps in bfloat16: a sixth of the time), and the weights can have dropout, as in torch's encoder.
    """

    def __init__(self, width: int, heads: int, generators: Sequence[Generator], dropout: float = 0.0) -> None:
        super().__init__(width, heads, generators)
        self.dropout = StackedDropout(dropout)

    def forward(self, x: Tensor, last_query_only: bool = False) -> Tensor:
        """M sequences of L elements [S, M, L, width] → the same shape, or [S, M, 1, width] of the last query only."""
        query, key, value = self._project(x, last_query_only)
        weights = self.dropout(_softmax_of_scores(query, key).unflatten(0, (len(x), -1))).flatten(0, 1)
        attended = torch.bmm(weights, value).view(*x.shape[:2], self.heads, -1, value.shape[-1]).transpose(2, 3)
        return self.out_proj(attended.flatten(3).flatten(1, 2)).unflatten(1, (x.shape[1], -1))

    def weights(self, x: Tensor, last_query_only: bool = False) -> Tensor:
        """Mean over the heads of A [S, M, L, L], or [S, M, 1, L]."""
        query, key, _ = self._project(x, last_query_only)
        weights = _softmax_of_scores(query, key)
        return weights.view(len(x), x.shape[1], self.heads, -1, x.shape[2]).mean(2)

    def _project(self, x: Tensor, last_query_only: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values [S · M · H, L, width / H]; one query a sequence if asked."""
        width = x.shape[-1]
        if not last_query_only:
            query, key, value = self._by_head(self.in_proj(x.flatten(1, 2)), 3, x.shape[2])
            return query, key, value
        weight, bias = self.in_proj.weight, self.in_proj.bias
        (query,) = self._by_head(torch.baddbmm(bias[..., :width], x[:, :, -1], weight[..., :width]), 1, 1)
        key_value = torch.baddbmm(bias[..., width:], x.flatten(1, 2), weight[..., width:])
        key, value = self._by_head(key_value, 2, x.shape[2])
        return query, key, value

    def _by_head(self, projected: Tensor, parts: int, length: int) -> Tensor:
        """[S, M · length, parts · width] → [parts, S · M · H, length, width / H]."""
        by_sequence = projected.reshape(-1, length, projected.shape[-1]).unflatten(-1, (parts, self.heads, -1))
        return by_sequence.permute(2, 0, 3, 1, 4).flatten(1, 2)


@torch.compiler.disable
def attend_slices(query: Tensor, key: Tensor, value: Tensor, session_sizes: SessionSizes) -> Tensor:
    """A V [S, H, M, width / H] of each session, one after another; zeros in the padding."""
    attended: list[list[Tensor]] = [[] for _ in session_sizes]
    for seed, rows in _sessions(session_sizes):
        of_session = [part[seed, None, :, rows] for part in (query, key, value)]
        attended[seed].append(functional.scaled_dot_product_attention(of_session[0], of_session[1], of_session[2])[0])
    total_rows = query.shape[2]
    padding = [query.new_zeros(query.shape[1], total_rows - sum(sizes), query.shape[3]) for sizes in session_sizes]
    return torch.stack([torch.cat([*parts, rest], 1) for parts, rest in zip(attended, padding, strict=True)])


@torch.compiler.disable
def attend_padded(query: Tensor, key: Tensor, value: Tensor, session_sizes: SessionSizes) -> Tensor:
    """The same as `attend_slices` in one call, every session padded to the longest: for GPUs, where a call is dear.

    Queries, keys and values are padded with zeros too, as the fused kernels with a mask need widths divisible by 8.
    """
    seed_count, heads, total_rows, head_width = query.shape
    padded_width = -(-head_width // _WIDTH_UNIT) * _WIDTH_UNIT
    sessions = list(_sessions(session_sizes))
    sizes = [rows.stop - rows.start for _, rows in sessions]
    longest = max(sizes)
    rows = torch.cat([seed * total_rows + torch.arange(of.start, of.stop) for seed, of in sessions]).to(query.device)
    places = torch.cat([number * longest + torch.arange(size) for number, size in enumerate(sizes)]).to(query.device)
    valid = (torch.arange(longest) < torch.tensor(sizes)[:, None]).to(query.device)[:, None, None]

    def padded(part: Tensor) -> Tensor:
        """[S, H, M, width / H] → [sessions, H, longest, padded width]."""
        blank = part.new_zeros(len(sessions) * longest, heads, padded_width)
        wide = functional.pad(part, (0, padded_width - head_width))
        filled = blank.index_copy(0, places, wide.transpose(1, 2).flatten(0, 1)[rows])
        return filled.view(-1, longest, heads, padded_width).transpose(1, 2)

    attended = functional.scaled_dot_product_attention(
        padded(query), padded(key), padded(value), attn_mask=valid, scale=head_width**-0.5
    )
    blank = attended.new_zeros(seed_count * total_rows, heads, head_width)
    filled = blank.index_copy(0, rows, attended[..., :head_width].transpose(1, 2).flatten(0, 1)[places])
    return filled.view(seed_count, total_rows, heads, head_width).transpose(1, 2)


def _sessions(session_sizes: SessionSizes) -> Iterator[tuple[int, slice]]:
    """Place of the seed in the stack and rows of each of its sessions."""
    for seed, sizes in enumerate(session_sizes):
        start = 0
        for size in sizes:
            yield seed, slice(start, start + size)
            start += size


def _softmax_of_scores(query: Tensor, key: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √width) of [B, L', width] and [B, L, width]: [B, L', L], float32 or better."""
    scores = torch.bmm(query * query.shape[-1] ** -0.5, key.mT)
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
