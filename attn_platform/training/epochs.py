"""The epochs of a stack: each member goes through its samples in its own order until it no longer gets better."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from attn_platform.models.history import SeedProgress
from attn_platform.training.curves import Curves
from attn_platform.training.device import matrix_precision
from attn_platform.training.resume import SavedState, StateAfterEpoch
from attn_platform.training.setting import TrainingSetting
from attn_platform.training.stack import Member, MemberStack

_log = logging.getLogger(__name__)

NO_UNIT = -1


def sample_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which a seed goes through the `count` sessions (or samples) of its training set in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def run_epochs(
    setting: TrainingSetting, members: Sequence[Member], saved: SavedState, progress: bool
) -> StateAfterEpoch:
    """Train the members until each has stopped, going on from what `saved` holds; the state in the end."""
    config = setting.config
    stack = setting.stack(members)
    state = saved.read() or StateAfterEpoch.before_the_first(members)
    if state.epoch:
        _log.info("going on after epoch %d with the state in %s", state.epoch, saved.path)
        state.restore(stack, members)
    folders = [window.curves for window in setting.windows]
    with Curves(folders, state.records) as curves, tqdm(disable=not progress, unit="step", dynamic_ncols=True) as bar:
        while stack.members and state.epoch < config.max_epochs:
            state.epoch += 1
            bar.set_description(headline(state.epoch, len(stack.members), state.records), refresh=False)
            losses, first_bad = _train_epoch(setting, stack, state.epoch, bar)
            stack.network.eval()
            with matrix_precision(setting.precision, setting.device):
                windows = [member.window for member in stack.members]
                valid_losses, rank_ics = setting.validation.measure(stack.network, windows)
            measured = zip(losses.tolist(), valid_losses.tolist(), rank_ics.tolist(), first_bad.tolist(), strict=True)
            weights = stack.network.state_dict()
            continuing = []
            for position, (member, (loss, valid_loss, rank_ic, bad)) in enumerate(
                zip(stack.members, measured, strict=True)
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
                if record.waited < config.patience:
                    continuing.append(position)
            _log.info(headline(state.epoch, len(stack.members), state.records))
            if len(continuing) < len(stack.members):
                stack.keep(continuing)
            state.stacked = [members.index(member) for member in stack.members]
            state.take(stack)
            saved.write(state)
        bar.set_description(headline(state.epoch, 0, state.records))
    return state


def _train_epoch(setting: TrainingSetting, stack: MemberStack, epoch: int, bar: tqdm) -> tuple[Tensor, Tensor]:
    """One pass of every member over its samples; its mean loss [S], float64, and its first step that was not finite.

    Steps count from 1; 0 says that all were finite.
    """
    size = setting.config.batch_size
    stack.network.train()
    stack.network.start_epoch([member.seed for member in stack.members], epoch)
    orders = []
    for member in stack.members:
        own = setting.units(member)
        orders.append(own[sample_order(member.seed, epoch, len(own))])
    lengths = np.array([len(order) for order in orders])
    steps = -(-int(lengths.max()) // size)
    # Some members may have fewer: those sit out what is left of the epoch
    plan = np.full((len(orders), steps * size), NO_UNIT)
    for row, order in zip(plan, orders, strict=True):
        row[: len(order)] = order
    total = torch.zeros(len(orders), dtype=torch.float64, device=setting.device)
    first_bad = torch.zeros(len(orders), dtype=torch.int64, device=setting.device)
    bar.reset(total=steps)
    for step in range(steps):
        units = plan[:, step * size : (step + 1) * size]
        units = units[:, (units >= 0).any(axis=0)]
        active = units[:, 0] >= 0
        if not active.all():  # an idle member computes its first batch once more, to no effect
            units = np.where(active[:, np.newaxis], units, plan[:, : units.shape[1]])
        samples, sizes, counts = setting.batch(units)
        loss, finite = stack.step(
            *setting.training.batch(samples, sizes),
            counts,
            setting.precision,
            None if active.all() else active.tolist(),
        )
        total += torch.where(torch.from_numpy(active).to(loss.device), loss * torch.tensor(counts).to(loss), 0.0)
        first_bad = torch.where((first_bad == 0) & ~finite, step + 1, first_bad)
        bar.update()
    return total / torch.from_numpy(lengths).to(total), first_bad


def headline(epoch: int, stacked: int, records: Sequence[SeedProgress]) -> str:
    """One line on where the training stands: means over the seeds that have finished an epoch and not diverged."""
    measured = [record for record in records if record.best_epoch and not record.diverged]
    line = f"epoch {epoch} · {stacked} in training"
    if measured:
        best_loss = np.mean([record.best_loss for record in measured])
        rank_ic = np.mean([record.valid_rank_ic[-1] for record in measured])
        line += f" · best valid loss {best_loss:.5f} · valid RankIC {rank_ic:.4f}"
    return line
