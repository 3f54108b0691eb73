"""The epochs of a training: each member goes through its samples in its own order until it no longer gets better."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from attn_platform.models.history import SeedProgress
from attn_platform.progress import tqdm
from attn_platform.training.curves import Curves
from attn_platform.training.device import matrix_precision
from attn_platform.training.resume import SavedState, StateAfterEpoch
from attn_platform.training.setting import TrainingSetting
from attn_platform.training.stack import Member, MemberStack
from attn_platform.training.turns import Turns

_log = logging.getLogger(__name__)

NO_UNIT = -1


def sample_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which a seed goes through the `count` sessions (or samples) of its training set in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def run_epochs(
    setting: TrainingSetting, members: Sequence[Member], saved: SavedState, turns: Turns, progress: bool
) -> StateAfterEpoch:
    """Train the members until each has stopped, going on from what `saved` holds; the state in the end."""
    config = setting.config
    state = saved.read() or StateAfterEpoch.before_the_first(members)
    stacks = setting.stacks([members[position] for position in state.stacked])
    if state.epoch:
        _log.info("going on after epoch %d with the state in %s", state.epoch, saved.path)
        state.restore(stacks)
    folders = [window.curves for window in setting.windows]
    with Curves(folders, state.records) as curves, tqdm(disable=not progress, unit="step", dynamic_ncols=True) as bar:
        while stacks and state.epoch < config.max_epochs:
            state.epoch += 1
            in_training = sum(len(stack.members) for stack in stacks)
            bar.set_description(headline(state.epoch, in_training, state.records), refresh=False)
            epochs = [EpochOfStack(setting, stack, state.epoch) for stack in stacks]
            bar.reset(total=sum(epoch.steps for epoch in epochs))
            turns.finish([epoch.run() for epoch in epochs], bar.update)
            for stack, epoch in zip(stacks, epochs, strict=True):
                _keep_what_goes_on(setting, members, state, stack, epoch, curves)
            _log.info(headline(state.epoch, in_training, state.records))
            stacks = [stack for stack in stacks if stack.members]
            state.stacked = [members.index(member) for stack in stacks for member in stack.members]
            state.take(stacks)
            saved.write(state)
        bar.set_description(headline(state.epoch, 0, state.records))
    return state


def _keep_what_goes_on(
    setting: TrainingSetting,
    members: Sequence[Member],
    state: StateAfterEpoch,
    stack: MemberStack,
    epoch: EpochOfStack,
    curves: Curves,
) -> None:
    """Write down what the epoch of a stack came to, keep new best weights, drop the members that stop."""
    weights = stack.network.state_dict()
    continuing = []
    for position, (member, (loss, valid_loss, rank_ic, bad)) in enumerate(
        zip(stack.members, epoch.measured(), strict=True)
    ):
        record = state.records[members.index(member)]
        if bad or not np.isfinite([loss, valid_loss]).all():
            record.diverged = True
            _log.warning(
                "seed %d: loss or gradient no longer finite in epoch %d%s (training loss %g, validation loss "
                "%g); the seed is dropped, its weights are not kept",
                member.seed, state.epoch, f" from step {bad} on" if bad else "", loss, valid_loss,
            )  # fmt: skip
            continue
        if record.add(loss, valid_loss, rank_ic):
            # On the CPU, where a state that was kept in a file comes back to
            best = {name: tensor[position].to("cpu", copy=True) for name, tensor in weights.items()}
            state.best[members.index(member)] = best
        curves.add(record, state.epoch)
        if record.waited < setting.config.patience:
            continuing.append(position)
    if len(continuing) < len(stack.members):
        stack.keep(continuing)


class EpochOfStack:
    """One pass of a stack's members over their samples, each in its own order, and their validation after it."""

    def __init__(self, setting: TrainingSetting, stack: MemberStack, epoch: int) -> None:
        self._setting, self._stack, self._epoch = setting, stack, epoch
        size = setting.config.batch_size
        orders = []
        for member in stack.members:
            own = setting.units(member)
            orders.append(own[sample_order(member.seed, epoch, len(own))])
        self._lengths = torch.tensor([len(order) for order in orders], dtype=torch.float64)
        self.steps = -(-max(map(len, orders)) // size)
        # Some members may have fewer: those sit out what is left of the epoch
        self._plan = np.full((len(orders), self.steps * size), NO_UNIT)
        for row, order in zip(self._plan, orders, strict=True):
            row[: len(order)] = order
        self._total = torch.zeros(len(orders), dtype=torch.float64, device=setting.device)
        # The first step of each member that was not finite, from 1 on; 0: all were finite
        self._first_bad = torch.zeros(len(orders), dtype=torch.int64, device=setting.device)

    def run(self) -> Iterator[None]:
        """Work through the epoch, a step each time that the iterator is advanced."""
        setting, stack, size = self._setting, self._stack, self._setting.config.batch_size
        stack.network.train()
        stack.network.start_epoch([member.seed for member in stack.members], self._epoch)
        for step in range(self.steps):
            units = self._plan[:, step * size : (step + 1) * size]
            units = units[:, (units >= 0).any(axis=0)]
            active = units[:, 0] >= 0
            if not active.all():  # an idle member computes its first batch once more, to no effect
                units = np.where(active[:, np.newaxis], units, self._plan[:, : units.shape[1]])
            samples, sizes, counts = setting.batch(units)
            loss, finite = stack.step(
                *setting.training.batch(samples, sizes),
                counts,
                setting.precision,
                None if active.all() else active.tolist(),
            )
            of_units = loss * torch.tensor(counts).to(loss)
            self._total += torch.where(torch.from_numpy(active).to(loss.device), of_units, 0.0)
            self._first_bad = torch.where((self._first_bad == 0) & ~finite, step + 1, self._first_bad)
            yield
        stack.network.eval()
        with matrix_precision(setting.precision, setting.device):
            windows = [member.window for member in stack.members]
            self._valid_loss, self._rank_ic = setting.validation.measure(stack.network, windows)

    def measured(self) -> Iterator[tuple[float, float, float, int]]:
        """Of each member its mean training loss, validation loss, RankIC, and its first step that was not finite."""
        losses = self._total / self._lengths.to(self._total)
        columns = (losses, self._valid_loss, self._rank_ic, self._first_bad)
        return zip(*(column.tolist() for column in columns), strict=True)


def headline(epoch: int, stacked: int, records: Sequence[SeedProgress]) -> str:
    """One line on where the training stands: means over the seeds that have finished an epoch and not diverged."""
    measured = [record for record in records if record.best_epoch and not record.diverged]
    line = f"epoch {epoch} · {stacked} in training"
    if measured:
        best_loss = np.mean([record.best_loss for record in measured])
        rank_ic = np.mean([record.valid_rank_ic[-1] for record in measured])
        line += f" · best valid loss {best_loss:.5f} · valid RankIC {rank_ic:.4f}"
    return line
