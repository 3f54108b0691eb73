"""What all members of a training share: data on the device, configuration, and how a stack of them begins."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attn_platform.errors import TrainingError
from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import build_network
from attn_platform.training.config import TrainingConfig
from attn_platform.training.device import compiled_on, members_step_together
from attn_platform.training.fingerprints import content_fingerprint, samples_fingerprint
from attn_platform.training.identity import ModelIdentity, Part, network_parts, training_parts
from attn_platform.training.memory import BYTES_A_GB, budget, bytes_of_member, kept_for_backward, members_at_once
from attn_platform.training.samples import Samples, SampleTensors, Sizes, own_sessions, row_multiple
from attn_platform.training.stack import Member, MemberStack
from attn_platform.training.validation import Validation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartingWeights:
    """Weights of another training, a row for each of `seeds`, to start from."""

    seeds: tuple[int, ...]
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class WindowSamples:
    """Purged training and validation sets of a window, and the folder of its curves (None: none are drawn)."""

    train: Samples
    valid: Samples
    start: StartingWeights | None = None
    curves: Path | None = None


class TrainingSetting:
    """Windows that are trained together on a device; every set has its labels and at least two stocks a session."""

    def __init__(
        self,
        network_config: NetworkConfig,
        windows: Sequence[WindowSamples],
        config: TrainingConfig,
        device: torch.device,
        precision: str,
    ) -> None:
        self.network_config, self.windows, self.config = network_config, windows, config
        self.device, self.precision = device, precision
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        train, valid = ([getattr(window, which).trainable() for window in windows] for which in ("train", "valid"))
        self.stacked = members_step_together(device, precision, config)
        rows = row_multiple(self.stacked, precision)
        self.training = SampleTensors(train, config.loss, device, self.dtype, config.batch_unit, rows)
        self.validation = Validation(SampleTensors(valid, config.loss, device, self.dtype))

    def units(self, member: Member) -> NDArray[np.int64]:
        """Numbers of the sessions, or of the samples, that a member trains on: what its batches are made of."""
        sessions = np.array(self.training.sessions_of_set[member.window])
        own = sessions[own_sessions(len(sessions), member.seed, self.config.sessions_every)]
        return own if self.config.batch_unit == "session" else self.training.samples_of(own)

    def identity(self, members: Sequence[Member]) -> ModelIdentity:
        """All that decides the outcome for these members: code, configuration, data, starting weights, machine."""
        run = {
            "members": [[member.window, member.seed] for member in members],
            "data": samples_fingerprint(*(s for window in self.windows for s in (window.train, window.valid))),
            "start": [window.start and _fingerprint_of(window.start) for window in self.windows],
            "torch": torch.__version__,
            "device": str(self.device),
            "precision": self.precision,
            **self.config.model_dump(mode="json", include={"threads", "compile"}),
            "stacked": self.stacked,
        }
        seeds = sorted({member.seed for member in members})
        parts = {**network_parts(self.network_config), **training_parts(self.config, self.network_config, seeds)}
        return ModelIdentity(parts={**parts, "run": Part(settings=run)})

    def stacks(self, members: Sequence[Member]) -> list[MemberStack]:
        """The members before their first step, stacked, or each in a stack of its own."""
        if self.stacked:
            return [self.stack(members)] if members else []
        return [self.stack([member]) for member in members]

    def stack(self, members: Sequence[Member], compiled: bool = True) -> MemberStack:
        """The members before their first step; `compiled` where device, configuration and network allow for it."""
        sample = self.windows[0].train
        seeds = [member.seed for member in members]
        network = build_network(self.network_config, len(sample.feature_names), len(sample.label_names), seeds)
        if self.config.start == "constant":
            levels = {number: self.training.best_constant(number) for number in {m.window for m in members}}
            network.start_from_constant(torch.stack([levels[member.window] for member in members]).cpu())
        for position, member in enumerate(members):
            start = self.windows[member.window].start
            if start is not None and member.seed in start.seeds:
                _start_from(network, position, start, member.seed)
        compiled = compiled and network.compiles and compiled_on(self.device, self.config.compile)
        return MemberStack(network.to(self.device, self.dtype), members, self.config.learning_rate, compiled)

    def batch(self, units: NDArray[np.int64]) -> tuple[NDArray[np.int64], Sizes, list[int]]:
        """Samples [S, M] and session sizes of units [S, B] (−1: none), and how many units each member has."""
        counts = (units >= 0).sum(axis=1).tolist()
        if self.config.batch_unit == "session":
            return *self.training.of_sessions(units), counts
        samples = np.where(units >= 0, units, self.training.zero_sample)
        return samples, tuple((count,) for count in counts), counts

    def members_at_once(self) -> int:
        """How many members the device's memory holds beside the samples: one step of one of them is measured."""
        member = Member(0, 0)
        stack = self.stack([member], compiled=False)
        stack.network.train()
        stack.network.start_epoch([0], 1)
        units = self.units(member)
        if self.config.batch_unit == "session":
            units = units[np.argsort(-self.training.sizes[units])]
        samples, sizes, counts = self.batch(units[np.newaxis, : self.config.batch_size])
        kept = kept_for_backward(lambda: stack.loss(*self.training.batch(samples, sizes), counts, self.precision))
        of_member = bytes_of_member(stack.adam.weights.numel(), kept, self.dtype.itemsize)
        of_samples = self.training.nbytes + self.validation.tensors.nbytes
        at_once = members_at_once(budget(self.config, self.device) - of_samples, of_member)
        _log.info(
            "a member takes %.3f GB beside %.3f GB of samples: up to %d at once",
            of_member / BYTES_A_GB, of_samples / BYTES_A_GB, at_once,
        )  # fmt: skip
        return at_once


def check_samples(network: NetworkConfig, window: WindowSamples, config: TrainingConfig) -> None:
    """TrainingError unless the window's sets fit each other, their order in time, and what the network reads."""
    train, valid = window.train, window.valid
    for what, of_train, of_valid in (
        ("features", train.feature_names, valid.feature_names),
        ("labels", train.label_names, valid.label_names),
        ("steps", train.steps, valid.steps),
    ):
        if of_train != of_valid:
            raise TrainingError(f"the training set has {what} {of_train}, the validation set {of_valid}")
    if train.steps != network.sample_steps:
        raise TrainingError(
            f"{network.name} reads {network.sample_steps} sessions a sample, but the samples hold {train.steps}"
        )
    if network.neighbours is not None and (train.groups is None or valid.groups is None):
        raise TrainingError(f"{network.name} reads {network.neighbours} neighbours, but the samples name no groups")
    if not len(train.sessions) or not len(valid.sessions):
        raise TrainingError(
            f"{len(train.sessions)} training and {len(valid.sessions)} validation sessions: none to use"
        )
    if len(train.sessions) < config.sessions_every:
        raise TrainingError(
            f"{len(train.sessions)} training sessions, of which one of {config.sessions_every} is to be trained on; "
            "lower training.sessions_every"
        )
    if train.sessions[-1] >= valid.sessions[0]:
        raise TrainingError(
            f"training sessions reach to {train.sessions[-1]}, but validation starts on {valid.sessions[0]}; "
            "the validation set must lie after the training set"
        )


def _fingerprint_of(start: StartingWeights) -> str:
    # Sums tell trained weights apart; the checkpoint that they come from has a hash of every bit
    sums = {name: tensor.double().sum().item() for name, tensor in start.weights.items()}
    return content_fingerprint({"seeds": start.seeds, "sums": sums})


@torch.no_grad()
def _start_from(network: StackedNetwork, position: int, start: StartingWeights, seed: int) -> None:
    """Give the member at `position` the weights of its seed."""
    own = {name: tuple(tensor.shape[1:]) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape[1:]) for name, tensor in start.weights.items()}
    if own != given:
        differing = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
        raise TrainingError(
            "the weights to start from do not fit the network, its features and tasks: "
            + "; ".join(f"{name} is {given.get(name)}, needs {own.get(name)}" for name in differing)
        )
    for name, tensor in network.state_dict().items():
        tensor[position] = start.weights[name][start.seeds.index(seed)]
