"""Training of a network for all seeds at once (AI-69, AI-55).

The seeds are stacked along the leading axis of every tensor. Each has its own initial weights, session order, early
stop and best epoch, so the outcome is that of training them one by one; a seed that has stopped leaves the stack.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from tqdm import tqdm

from attn_platform.errors import TrainingError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.losses import weighted_squared_error
from attn_platform.models.networks.base import NetworkConfig, StackedNetwork
from attn_platform.models.registry import build_network
from attn_platform.training.config import STUDY_SEEDS, TrainingConfig
from attn_platform.training.device import (
    fixed_threads,
    matrix_precision,
    peak_memory_bytes,
    resolve_device,
    resolve_precision,
)
from attn_platform.training.samples import CrossSections, TrainingTensors
from attn_platform.training.validation import Validation

_log = logging.getLogger(__name__)


class SeedHistory(BaseModel):
    """How one seed's training went; epochs count from 1, entry e-1 of a curve is epoch e."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    outcome: Literal["stopped early", "reached max_epochs", "diverged"]
    best_epoch: int  # 0: none
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    valid_rank_ic: tuple[float, ...]


@dataclass(frozen=True)
class TrainingResult:
    """Best weights of the seeds that did not diverge, and the history of all.

    `weights` has the network's parameters and buffers, each [len(seeds), ...], on the CPU.
    """

    network_config: NetworkConfig
    training_config: TrainingConfig
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    seeds: tuple[int, ...]
    weights: Mapping[str, Tensor]
    histories: tuple[SeedHistory, ...]
    device: str
    precision: str
    seconds: float
    peak_memory_bytes: int


def session_order(seed: int, epoch: int, session_count: int) -> list[int]:
    """The order in which a seed sees the sessions in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(session_count).tolist()


class SeedStack:
    """The seeds still in training: their network and their Adam state, side by side."""

    def __init__(self, network: StackedNetwork, seeds: Sequence[int], learning_rate: float) -> None:
        self.network = network
        self.seeds = list(seeds)
        self.optimizer = torch.optim.Adam(network.parameters(), learning_rate, fused=True)

    def step(self, batch: SessionBatch, labels: Tensor, weights: Tensor, precision: str) -> Tensor:
        """One Adam step of every seed on its own sessions; the losses before it [S], means over a seed's sessions."""
        self.optimizer.zero_grad(set_to_none=True)
        with matrix_precision(precision, labels.device):
            predictions = self.network(batch)
        loss = weighted_squared_error(predictions.to(labels.dtype), labels, weights) / len(batch.session_sizes[0])
        loss.sum().backward()  # no seed has a part in another's loss, so the sum's gradient is each seed's own
        self.optimizer.step()
        return loss.detach()

    def keep(self, positions: Sequence[int]) -> None:
        """Drop all seeds but those at `positions`: parameters, buffers and Adam state."""
        index = torch.tensor(positions, device=next(self.network.parameters()).device)
        self.network.keep_seeds(index)
        for state in self.optimizer.state.values():
            for moment in ("exp_avg", "exp_avg_sq"):
                state[moment] = state[moment][index]
        self.seeds = [self.seeds[position] for position in positions]


@dataclass
class _SeedProgress:
    """Running record of one seed."""

    seed: int
    train_loss: list[float]
    valid_loss: list[float]
    valid_rank_ic: list[float]
    best_epoch: int = 0
    diverged: bool = False

    @property
    def best_loss(self) -> float:
        return self.valid_loss[self.best_epoch - 1] if self.best_epoch else float("inf")

    def history(self, patience: int) -> SeedHistory:
        stopped = len(self.valid_loss) - self.best_epoch >= patience
        return SeedHistory(
            seed=self.seed,
            outcome="diverged" if self.diverged else "stopped early" if stopped else "reached max_epochs",
            best_epoch=self.best_epoch,
            train_loss=tuple(self.train_loss),
            valid_loss=tuple(self.valid_loss),
            valid_rank_ic=tuple(self.valid_rank_ic),
        )


def train(
    network_config: NetworkConfig,
    train: CrossSections,
    valid: CrossSections,
    config: TrainingConfig,
    seeds: Sequence[int] = STUDY_SEEDS,
    device: str = "auto",
    progress: bool = True,
    initial_weights: Mapping[str, Tensor] | None = None,
) -> TrainingResult:
    """Train one network a seed, all at once, and keep each seed's weights of its epoch of least validation loss.

    `train` and `valid` are purged by the caller; rows that miss a label are left out here. `initial_weights` (as in
    `TrainingResult.weights`, a row for each of `seeds`) start from another window's weights instead of random ones.
    The same data, configuration, seeds and device give the same bits. A seed whose loss is no longer finite is dropped
    with a warning. Raises TrainingError if the inputs cannot be trained on or all seeds diverge, ConfigurationError if
    the device is not there.
    """
    started = time.perf_counter()
    torch_device = resolve_device(device)
    precision = resolve_precision(config.precision, torch_device)
    dtype = torch.float64 if precision == "float64" else torch.float32
    _check_inputs(train, valid, seeds)
    with fixed_threads(config.threads):
        training = TrainingTensors(train.trainable(), config.loss, torch_device, dtype)
        validation = Validation(TrainingTensors(valid.trainable(), config.loss, torch_device, dtype))
        network = build_network(network_config, len(train.feature_names), len(train.label_names), seeds)
        if initial_weights is not None:
            _start_from(network, initial_weights)
        elif config.start == "constant":
            network.start_from_constant(training.best_constant().cpu())
        stack = SeedStack(network.to(torch_device, dtype), seeds, config.learning_rate)
        records, best_weights = _run_epochs(stack, training, validation, config, precision, progress)
    converged = tuple(record.seed for record in records if not record.diverged)
    if not converged:
        raise TrainingError(
            f"the loss of all {len(seeds)} seeds stopped being finite in the first {len(records[0].train_loss) + 1} "
            f"epochs; lower learning_rate ({config.learning_rate:g}), or look for extreme values in the features"
        )
    return TrainingResult(
        network_config=network_config,
        training_config=config,
        feature_names=train.feature_names,
        label_names=train.label_names,
        seeds=converged,
        weights={
            name: torch.stack([best_weights[seed][name] for seed in converged]).cpu() for name in network.state_dict()
        },
        histories=tuple(record.history(config.patience) for record in records),
        device=str(torch_device),
        precision=precision,
        seconds=time.perf_counter() - started,
        peak_memory_bytes=peak_memory_bytes(torch_device),
    )


def _check_inputs(train: CrossSections, valid: CrossSections, seeds: Sequence[int]) -> None:
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise TrainingError(f"seeds must be one or more different integers from 0 on, not {list(seeds)}")
    for what, of_train, of_valid in (
        ("features", train.feature_names, valid.feature_names),
        ("labels", train.label_names, valid.label_names),
    ):
        if of_train != of_valid:
            raise TrainingError(f"the training set has {what} {of_train}, the validation set {of_valid}")
    if not len(train.sessions) or not len(valid.sessions):
        raise TrainingError(
            f"{len(train.sessions)} training and {len(valid.sessions)} validation sessions: none to use"
        )
    if train.sessions[-1] >= valid.sessions[0]:
        raise TrainingError(
            f"training sessions reach to {train.sessions[-1]}, but validation starts on {valid.sessions[0]}; "
            "the validation set must lie after the training set"
        )


def _start_from(network: StackedNetwork, weights: Mapping[str, Tensor]) -> None:
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if own != given:
        differing = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
        raise TrainingError(
            "the initial weights do not fit the network, its features, tasks and seeds: "
            + "; ".join(f"{name} is {given.get(name)}, needs {own.get(name)}" for name in differing)
        )
    network.load_state_dict(dict(weights))


def _run_epochs(
    stack: SeedStack,
    training: TrainingTensors,
    validation: Validation,
    config: TrainingConfig,
    precision: str,
    progress: bool,
) -> tuple[list[_SeedProgress], dict[int, dict[str, Tensor]]]:
    """Train until every seed has stopped; the seeds' records, and their best weights."""
    records = {seed: _SeedProgress(seed, [], [], []) for seed in stack.seeds}
    best_weights: dict[int, dict[str, Tensor]] = {}
    steps = -(-training.session_count // config.sessions_per_batch)
    with tqdm(total=steps, disable=not progress, unit="step", dynamic_ncols=True) as bar:
        for epoch in range(1, config.max_epochs + 1):
            bar.reset()
            bar.set_description(_headline(epoch, stack.seeds, records))
            train_loss = _train_epoch(stack, training, epoch, config.sessions_per_batch, precision, bar)
            stack.network.eval()
            with matrix_precision(precision, train_loss.device):
                valid_loss, rank_ic = validation.measure(stack.network, len(stack.seeds))
            continuing = []
            state = stack.network.state_dict()
            for position, seed in enumerate(stack.seeds):
                record = records[seed]
                losses = train_loss[position].item(), valid_loss[position].item()
                if not np.isfinite(losses).all():
                    record.diverged = True
                    _log.warning(
                        "seed %d: loss no longer finite in epoch %d (training %g, validation %g); the seed is dropped, "
                        "its weights are not kept",
                        seed,
                        epoch,
                        *losses,
                    )
                    continue
                better = losses[1] < record.best_loss
                record.train_loss.append(losses[0])
                record.valid_loss.append(losses[1])
                record.valid_rank_ic.append(rank_ic[position].item())
                if better:
                    record.best_epoch = epoch
                    best_weights[seed] = {name: tensor[position].clone() for name, tensor in state.items()}
                if epoch - record.best_epoch < config.patience:
                    continuing.append(position)
            _log.info(_headline(epoch, stack.seeds, records))
            if not continuing:
                break
            if len(continuing) < len(stack.seeds):
                stack.keep(continuing)
        bar.set_description(_headline(epoch, [], records))
    return list(records.values()), best_weights


def _train_epoch(
    stack: SeedStack, training: TrainingTensors, epoch: int, sessions_per_batch: int, precision: str, bar: tqdm
) -> Tensor:
    """One pass of every seed over all sessions, in its own order; mean loss over the sessions [S], float64."""
    stack.network.train()
    orders = [session_order(seed, epoch, training.session_count) for seed in stack.seeds]
    total = torch.zeros(len(orders), dtype=torch.float64, device=training.features.device)
    for start in range(0, training.session_count, sessions_per_batch):
        sessions = [order[start : start + sessions_per_batch] for order in orders]
        total += stack.step(*training.gather(sessions), precision) * len(sessions[0])
        bar.update()
    return total / training.session_count


def _headline(epoch: int, training_seeds: Sequence[int], records: Mapping[int, _SeedProgress]) -> str:
    """One line on where the training stands: means over the seeds that have finished an epoch and not diverged."""
    measured = [record for record in records.values() if record.best_epoch and not record.diverged]
    line = f"epoch {epoch} · {len(training_seeds)} seeds"
    if measured:
        best_loss = np.mean([record.best_loss for record in measured])
        rank_ic = np.mean([record.valid_rank_ic[-1] for record in measured])
        line += f" · best valid loss {best_loss:.5f} · valid RankIC {rank_ic:.4f}"
    return line
