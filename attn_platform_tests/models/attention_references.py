"""torch.nn's own attention, encoder and LSTM with the weights of one member of a stack, in float64."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attn_platform.models.layers.encoder import StackedEncoderBlock
from attn_platform.models.layers.recurrent import StackedLSTM
from attn_platform.models.layers.self_attention import StackedSelfAttention
from attn_platform.models.layers.stacked_linear import StackedLinear

Pairs = list[tuple[nn.Parameter, nn.Parameter]]
"""Stacked parameters beside those of torch.nn that must get the same gradient."""


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def shaken(module: nn.Module) -> nn.Module:
    """The module in float64 with every parameter moved, so that none is at a neutral value such as 0 or 1."""
    module.double()
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
    return module


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _copy(pairs: Pairs, member: int) -> None:
    for stacked, plain in pairs:
        plain.copy_(_oriented(stacked[member], plain))


def _oriented(of_member: Tensor, plain: Tensor) -> Tensor:
    """A linear layer's weight is [in, out] in the stack, its bias [1, out]."""
    return of_member if of_member.shape == plain.shape and plain.dim() == 1 else of_member.mT.reshape(plain.shape)


def assert_same_gradients(pairs: Pairs, member: int, tolerance: float = 1e-11) -> None:
    for stacked, plain in pairs:
        assert plain.grad is not None
        assert plain.grad.abs().max() > 0
        torch.testing.assert_close(_oriented(stacked.grad[member], plain), plain.grad, rtol=0, atol=tolerance)


def _linear_pairs(stacked: StackedLinear, plain: nn.Linear) -> Pairs:
    return [(stacked.weight, plain.weight), (stacked.bias, plain.bias)]


def plain_linear(stacked: StackedLinear, member: int) -> tuple[nn.Linear, Pairs]:
    plain = nn.Linear(stacked.weight.shape[1], stacked.weight.shape[2]).double()
    pairs = _linear_pairs(stacked, plain)
    _copy(pairs, member)
    return plain, pairs


def _attention_pairs(stacked: StackedSelfAttention, plain: nn.MultiheadAttention) -> Pairs:
    return [
        (stacked.in_proj.weight, plain.in_proj_weight),
        (stacked.in_proj.bias, plain.in_proj_bias),
        *_linear_pairs(stacked.out_proj, plain.out_proj),
    ]


def plain_attention(stacked: StackedSelfAttention, member: int) -> tuple[nn.MultiheadAttention, Pairs]:
    width = stacked.out_proj.weight.shape[1]
    plain = nn.MultiheadAttention(width, stacked.heads, batch_first=True).double()
    pairs = _attention_pairs(stacked, plain)
    _copy(pairs, member)
    return plain, pairs


def plain_encoder_layer(block: StackedEncoderBlock, member: int) -> tuple[nn.TransformerEncoderLayer, Pairs]:
    width, feed_forward = block.expand.weight.shape[1:]
    plain = nn.TransformerEncoderLayer(
        width, block.attention.heads, feed_forward, dropout=0.0, batch_first=True, norm_first=False
    ).double()
    pairs = [
        *_attention_pairs(block.attention, plain.self_attn),
        *_linear_pairs(block.expand, plain.linear1),
        *_linear_pairs(block.contract, plain.linear2),
        (block.attention_norm.weight, plain.norm1.weight),
        (block.attention_norm.bias, plain.norm1.bias),
        (block.feed_forward_norm.weight, plain.norm2.weight),
        (block.feed_forward_norm.bias, plain.norm2.bias),
    ]
    _copy(pairs, member)
    return plain, pairs


def plain_lstm(stacked: StackedLSTM, member: int) -> tuple[nn.LSTM, dict[str, nn.Parameter]]:
    plain = nn.LSTM(stacked.weight_ih_l0.shape[2], stacked.hidden, stacked.layers, batch_first=True).double()
    parameters = dict(plain.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(stacked.get_parameter(name)[member])
    return plain, parameters
