"""A training step of either side: the platform's for all seeds at once, a plain one for one seed."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import LossConfig
from attn_platform.models.layers.additive_attention import session_blocks
from attn_platform.models.networks.gat_residual import FACTOR_LINKS
from attn_platform.models.registry import build_network
from attn_platform.training.config import TrainingConfig
from attn_platform.training.device import compiled_on, matrix_precision, members_step_together
from attn_platform.training.samples import SampleTensors, row_multiple
from attn_platform.training.stack import Member, MemberStack
from attn_platform.training.turns import Turns
from training_peers.flops import counted_flops
from training_peers.generated_samples import FEATURES, platform_samples
from training_peers.plain_data import PlainBatch, session_loader, window_loader
from training_peers.races import Race

LEARNING_RATE = TrainingConfig().learning_rate


class PlainSide:
    """One seed: a network of torch.nn, torch's Adam, float32, a DataLoader over slices of the frame."""

    def __init__(self, race: Race, kind: str, frame: pd.DataFrame, device: torch.device) -> None:
        torch.manual_seed(0)
        config = race.config
        self.device = device
        self.network = race.plain[kind](config, len(FEATURES), len(race.tasks)).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)
        order = torch.Generator().manual_seed(0)
        if race.batch_unit == "session":
            loader = session_loader(frame, race.tasks, race.batch_size, order)
        else:
            loader = window_loader(frame, race.tasks, race.batch_size, config.sample_steps, order)
        self._batches: Iterator[PlainBatch] = chain.from_iterable(repeat(loader))

    def run(self, steps: int) -> None:
        """So many steps of the seed."""
        for _ in range(steps):
            batch = next(self._batches).to(self.device)
            self.optimizer.zero_grad()
            plain_loss(self.network, batch).backward()
            self.optimizer.step()


class PlainAttention:
    """One seed's global graph attention alone: the layer's forward and backward pass on one session."""

    def __init__(self, race: Race, kind: str, stocks: int, device: torch.device) -> None:
        torch.manual_seed(0)
        self.layer = race.plain[kind](race.config, len(FEATURES), len(race.tasks)).all.to(device)
        self.h = torch.randn(stocks, self.layer.weight.in_features, device=device, requires_grad=True)

    def run(self, steps: int) -> None:
        """So many forward and backward passes."""
        for _ in range(steps):
            self.layer(self.h, None).square().mean().backward()


class PlatformAttention:
    """The same layer of all seeds."""

    def __init__(self, race: Race, seeds: Sequence[int], stocks: int, device: torch.device, precision: str) -> None:
        network = build_network(race.config, len(FEATURES), len(race.tasks), seeds).to(device)
        self.layer, self.precision = network.stages[FACTOR_LINKS].graph, precision
        h = torch.randn(len(seeds), stocks, self.layer.weight.shape[-1], device=device)
        self.batch = SessionBatch(h.requires_grad_(), ((stocks,),) * len(seeds))

    def run(self, steps: int) -> None:
        """So many forward and backward passes."""
        h = self.batch.features
        for _ in range(steps):
            with matrix_precision(self.precision, h.device):
                attended = self.layer(h, session_blocks(self.batch))
            attended.square().mean().backward()

    def flops(self) -> int:
        """Of a step of all seeds."""
        return counted_flops(lambda: self.run(1))


class PlatformSide:
    """All seeds as the trainer has them: stacked, or in turns on the cores."""

    def __init__(
        self,
        race: Race,
        seeds: Sequence[int],
        frame: pd.DataFrame,
        device: torch.device,
        precision: str,
        threads: int,
        stacking: Literal["auto", "on", "off"] = "auto",
    ) -> None:
        config = race.config
        samples = platform_samples(frame, race.tasks, config.sample_steps, config.neighbours is not None).trainable()
        self.race, self.precision = race, precision
        together = members_step_together(
            device, precision, TrainingConfig(batch_unit=race.batch_unit, stacking=stacking)
        )
        rows = row_multiple(together, precision)
        self.tensors = SampleTensors([samples], LossConfig(), device, torch.float32, race.batch_unit, rows)
        self.stacks = [self._stack(part, device) for part in ([seeds] if together else [[seed] for seed in seeds])]
        units = self.tensors.sessions_of_set[0] if race.batch_unit == "session" else self.tensors.samples_of_set[0]
        self._units = np.array(units)
        self._randoms = [np.random.default_rng(number) for number in range(len(self.stacks))]
        self._turns = Turns(0 if together else threads)

    def _stack(self, seeds: Sequence[int], device: torch.device) -> MemberStack:
        network = build_network(self.race.config, len(FEATURES), len(self.race.tasks), seeds).to(device)
        network.train()
        network.start_epoch(seeds, 1)
        is_compiled = compiled_on(device, TrainingConfig().compile) and network.compiles
        return MemberStack(network, [Member(0, seed) for seed in seeds], LEARNING_RATE, is_compiled)

    def run(self, steps: int) -> None:
        """So many steps of every seed, each on batches of its own."""
        self._turns.finish([self._steps(number, steps) for number in range(len(self.stacks))])

    def _steps(self, number: int, steps: int) -> Iterator[None]:
        stack, random = self.stacks[number], self._randoms[number]
        members, size = len(stack.members), self.race.batch_size
        by_session = self.race.batch_unit == "session"
        for _ in range(steps):
            units = np.stack([random.choice(self._units, size, replace=False) for _ in range(members)])
            chosen = self.tensors.of_sessions(units) if by_session else (units, ((size,),) * members)
            stack.step(*self.tensors.batch(*chosen), [size] * members, self.precision)
            yield

    def flops(self) -> int:
        """Of a step of all seeds."""
        return sum(counted_flops(partial(next, self._steps(number, 1))) for number in range(len(self.stacks)))


def plain_loss(network: nn.Module, batch: PlainBatch) -> Tensor:
    """wmse: the mean over stocks and tasks; of several sessions, the mean over them."""
    errors = batch.weights * (network(batch) - batch.labels).square()
    if batch.padding is None:
        return errors.mean()
    valid = ~batch.padding
    return ((errors.mean(-1) * valid).sum(1) / valid.sum(1)).mean()
