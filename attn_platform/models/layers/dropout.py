"""Dropout whose masks belong to the seed: the same whatever the seed is stacked with, and from whatever epoch on."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

# 16 random bits an element: a fourth of the generator's 64-bit words, and the probability is exact to 1 / 65,536
_LEVELS = 1 << 16


class StackedDropout(nn.Module):
    """torch.nn.Dropout for every seed of a stack, each with masks from its own generator.

    `restart` sets the generators from (seed, epoch, site), so that no state has to be kept between epochs.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.generators: list[Generator] = []

    def restart(self, seeds: Sequence[int], epoch: int, site: int, device: torch.device) -> None:
        """Begin an epoch for the seeds of the stack, in order; `site` tells a network's dropout layers apart."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """[S, ...] → the same shape."""
        raise NotImplementedError
