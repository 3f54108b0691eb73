"""Dropout whose masks belong to the seed: the same whatever the seed is stacked with, and from whatever epoch on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_platform.errors import TrainingError

# 16 random bits an element: a fourth of the generator's 64-bit words, and the probability is exact to 1 / 65,536
_LEVELS = 1 << 16
_LEAST_WORD = -(1 << 63)


class StackedDropout(nn.Module):
    """torch.nn.Dropout for every seed of a stack, each with masks from its own generator.

    `restart` sets the generators from (seed, epoch, site), so that no state has to be kept between epochs. A call
    takes one number from a seed's generator, and that starts the stream of the call's mask: rows first, so the mask of
    a seed's valid rows does not depend on how far the stack pads them, in this call or a later one. (On CUDA that
    holds for tensors of one size only, as the order of the draws there depends on their number.)
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.kept_levels = round((1 - probability) * _LEVELS)
        self.generators: list[Generator] = []

    def restart(self, seeds: Sequence[int], epoch: int, site: int, device: torch.device) -> None:
        """Begin an epoch for the seeds of the stack, in order; `site` tells a network's dropout layers apart."""
        self.mask_generator = Generator(device)
        self.generators = [
            Generator().manual_seed(int(np.random.SeedSequence([seed, epoch, site]).generate_state(1, np.uint64)[0]))
            for seed in seeds
        ]

    def forward(self, x: Tensor) -> Tensor:
        """[S, rows, ...] → the same shape and dtype."""
        if not self.training or self.kept_levels == _LEVELS:
            return x
        if len(self.generators) != len(x):
            raise TrainingError(
                f"dropout has generators for {len(self.generators)} seeds, but {len(x)} are stacked: "
                "call start_epoch with the seeds of the stack before its first training step"
            )
        return (x * self._mask(x)).mul_(_LEVELS / self.kept_levels)

    @torch.compiler.disable
    def _mask(self, x: Tensor) -> Tensor:
        """Ones where an element is kept, in x's shape and dtype.

        One thread takes 0.9 ns an element so and 4.6 ns with bernoulli_, whose bits differ between builds of torch. A
        boolean mask would make the product with x up to four times as slow.
        """
        elements = x[0].numel()
        words = torch.empty(len(x), -(-elements // 4), dtype=torch.int64, device=x.device)
        for member_words, generator in zip(words, self.generators, strict=True):
            self.mask_generator.manual_seed(int(torch.randint(1 << 62, (), generator=generator)))
            member_words.random_(_LEAST_WORD, None, generator=self.mask_generator)
        levels = words.view(torch.int16)[:, :elements]  # uniform from -32,768 to 32,767
        return levels.lt_(self.kept_levels - _LEVELS // 2).view(x.shape).to(x.dtype)
