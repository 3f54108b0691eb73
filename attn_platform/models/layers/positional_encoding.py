"""Sinusoidal positional encoding (Vaswani et al. 2017)."""

import math

import torch
from torch import Tensor

_LONGEST_WAVE = 10_000  # of wave lengths from 2π steps up to 2π times this, Vaswani et al.


def sinusoidal_encoding(like: Tensor) -> Tensor:
    """PE[l, 2i] = sin(l / 10000^(2i / F)), PE[l, 2i + 1] = cos(l / 10000^(2i / F)) for `like` [..., L, F]: [L, F]."""
    length, width = like.shape[-2:]
    step = torch.arange(length, device=like.device, dtype=like.dtype)[:, None]
    even = torch.arange(0, width, 2, device=like.device, dtype=like.dtype)
    angle = step * torch.exp(even * (-math.log(_LONGEST_WAVE) / width))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :width]
