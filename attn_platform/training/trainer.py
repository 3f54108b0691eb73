"""Training of a network for all seeds at once, and where asked for for several windows at once (AI-69, AI-55).

The members, one a window and seed, are stacked along the leading axis of every tensor, or take turns on the cores of a
CPU (`TrainingConfig.stacking`). Each has its own initial weights, order of samples, early stop and best epoch, so the
outcome is that of training them one by one; a member that has stopped leaves the others.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from attn_platform.errors import TrainingError
from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.history import SeedHistory, SeedProgress
from attn_platform.training.config import STUDY_SEEDS, TrainingConfig
from attn_platform.training.device import (
    fixed_threads,
    freed_memory_kept,
    peak_memory_bytes,
    resolve_device,
    resolve_precision,
)
from attn_platform.training.epochs import run_epochs
from attn_platform.training.resume import SavedState
from attn_platform.training.samples import Samples
from attn_platform.training.setting import StartingWeights, TrainingSetting, WindowSamples, check_samples
from attn_platform.training.stack import Member
from attn_platform.training.turns import Turns


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


def train(
    network_config: NetworkConfig,
    train: Samples,
    valid: Samples,
    config: TrainingConfig,
    seeds: Sequence[int] = STUDY_SEEDS,
    progress: bool = True,
    start: StartingWeights | None = None,
) -> TrainingResult:
    """Train one window; see `train_together`, whose TrainingError is raised here."""
    [result] = train_together(network_config, [WindowSamples(train, valid, start)], config, seeds, progress)
    if isinstance(result, TrainingError):
        raise result
    return result


def train_together(
    network_config: NetworkConfig,
    windows: Sequence[WindowSamples],
    config: TrainingConfig,
    seeds: Sequence[int] = STUDY_SEEDS,
    progress: bool = True,
    state: Path | None = None,
) -> list[TrainingResult | TrainingError]:
    """Train one network a window and seed, all at once, and keep each one's weights of least validation loss.

    Sets are purged by the caller; samples that miss a label are left out here. The same data, configuration, seeds and
    device give the same bits. After each epoch the state is kept in the folder `state`, from which a run that was
    killed goes on; the caller removes it once the results are safe. A member whose loss or gradient is no longer finite
    is dropped with a warning; a window that loses all its seeds so has the TrainingError that says so for a result.
    Raises TrainingError if a set cannot be trained on, ConfigurationError if the device is not there.
    """
    started = time.perf_counter()
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise TrainingError(f"seeds must be one or more different integers from 0 on, not {list(seeds)}")
    for window in windows:
        check_samples(network_config, window, config)
    device = resolve_device(config.device)
    members = [Member(number, seed) for number in range(len(windows)) for seed in seeds]
    records: list[SeedProgress] = []
    best: dict[int, dict[str, Tensor]] = {}
    with fixed_threads(config.threads), freed_memory_kept():
        setting = TrainingSetting(network_config, windows, config, device, resolve_precision(config.precision, device))
        at_once = setting.members_at_once()
        if setting.stacked:
            workers, in_part = 0, at_once
        else:  # who waits for a turn takes next to no memory
            workers, in_part = min(config.threads, len(members), at_once), len(members)
        for first in range(0, len(members), in_part):
            part = members[first : first + in_part]
            path = None if state is None else state / f"members-{first}.safetensors"
            with Turns(workers) as turns:
                end = run_epochs(setting, part, SavedState(path, setting.identity(part)), turns, progress)
            records += end.records
            best |= {first + position: weights for position, weights in end.best.items()}
    seconds = time.perf_counter() - started
    return [
        _result(
            setting,
            records[number * len(seeds) : (number + 1) * len(seeds)],
            [best.get(position, {}) for position in range(number * len(seeds), (number + 1) * len(seeds))],
            seconds,
        )
        for number in range(len(windows))
    ]


def _result(
    setting: TrainingSetting, records: Sequence[SeedProgress], best: Sequence[Mapping[str, Tensor]], seconds: float
) -> TrainingResult | TrainingError:
    """Outcome of one window from its members' records and best weights."""
    config, samples = setting.config, setting.windows[records[0].window].train
    converged = [position for position, record in enumerate(records) if not record.diverged]
    if not converged:
        return TrainingError(
            f"the loss of all {len(records)} seeds stopped being finite in the first "
            f"{max(len(record.train_loss) for record in records) + 1} epochs; lower learning_rate "
            f"({config.learning_rate:g}), or look for extreme values in the features"
        )
    names = best[converged[0]]
    return TrainingResult(
        network_config=setting.network_config,
        training_config=config,
        feature_names=samples.feature_names,
        label_names=samples.label_names,
        seeds=tuple(records[position].seed for position in converged),
        weights={name: torch.stack([best[position][name] for position in converged]) for name in names},
        histories=tuple(record.history(config.patience) for record in records),
        device=str(setting.device),
        precision=setting.precision,
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(setting.device),
    )
