"""Whether both sides train the same network: same weights, same batch, loss and gradient compared in float32."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attn_platform.models.configuration import LossConfig, NetworkConfig
from attn_platform.models.registry import build_network
from attn_platform.training.samples import SampleTensors
from attn_platform.training.stack import Member, MemberStack
from training_peers.generated_samples import FEATURES, SPREAD, generated_frame, platform_samples
from training_peers.plain_data import (
    PlainBatch,
    SessionsOfFrame,
    WindowsOfFrame,
    only_session,
    padded_sessions,
    stacked_windows,
)
from training_peers.races import Race
from training_peers.sides import plain_loss
from training_peers.weights import plain_tensors

SEEDS = (0, 1)
COMPARED = 1  # position of the member that is compared, so that another one's numbers would be noticed
STOCKS, SESSIONS = 150, 24
SESSIONS_OF_BATCH = (7, 20, 3)
TOLERANCE = 1e-4


def largest_deviations(race: Race) -> tuple[float, float]:
    """Of the loss, over the loss; and of the gradient, length over length: the largest of the race's plain networks.

    Without dropout, whose masks differ. `ValueError` if one is beyond the tolerance.
    """
    config = _without_dropout(race.config)
    # A platform's window reaches over sessions, a plain one over the stock's rows: the same where no row is absent
    frame = generated_frame(STOCKS, SESSIONS, race.tasks, SPREAD if race.batch_unit == "session" else 0)
    units = np.array(SESSIONS_OF_BATCH[: race.batch_size]) if race.batch_unit == "session" else None
    loss, weights, gradient = _platform(race, config, frame, units)
    deviations = []
    for kind, network_of in race.plain.items():
        network = network_of(config, len(FEATURES), len(race.tasks))
        network.load_state_dict(weights, strict=False)
        network.train()
        plain = plain_loss(network, _plain_batch(race, config, frame, units))
        plain.backward()
        difference, length = 0.0, 0.0
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            difference += float((gradient[name] - parameter.grad).square().sum())
            length += float(parameter.grad.square().sum())
        deviation = abs(loss - plain.item()) / abs(plain.item()), (difference / length) ** 0.5
        if not max(deviation) < TOLERANCE:
            raise ValueError(f"{config.name}: {kind} is not the same network, loss and gradient deviate by {deviation}")
        deviations.append(deviation)
    return max(loss for loss, _ in deviations), max(gradient for _, gradient in deviations)


def _platform(
    race: Race, config: NetworkConfig, frame: pd.DataFrame, units: np.ndarray | None
) -> tuple[float, dict[str, Tensor], dict[str, Tensor]]:
    """Loss, weights and gradient of the compared member."""
    samples = platform_samples(frame, race.tasks, config.sample_steps, config.neighbours is not None)
    tensors = SampleTensors([samples], LossConfig(), torch.device("cpu"), torch.float32, race.batch_unit)
    network = build_network(config, len(FEATURES), len(race.tasks), SEEDS)
    network.train()
    network.start_epoch(SEEDS, 1)
    stack = MemberStack(network, [Member(0, seed) for seed in SEEDS], learning_rate=1.0)
    if units is None:
        last = np.arange(*samples.offsets[-2:])
        chosen, count = (np.stack([last] * len(SEEDS)), ((len(last),),) * len(SEEDS)), len(last)
    else:
        chosen, count = tensors.of_sessions(np.stack([units] * len(SEEDS))), len(units)
    loss = stack.loss(*tensors.batch(*chosen), [count] * len(SEEDS), "float32")
    loss.sum().backward()
    weights = {name: parameter.detach()[COMPARED].clone() for name, parameter in network.named_parameters()}
    gradient = {name: _gradient(parameter)[COMPARED] for name, parameter in network.named_parameters()}
    tasks = len(race.tasks)
    return loss[COMPARED].item(), plain_tensors(config, weights, tasks), plain_tensors(config, gradient, tasks)


def _plain_batch(race: Race, config: NetworkConfig, frame: pd.DataFrame, units: np.ndarray | None) -> PlainBatch:
    """The same samples for the plain network."""
    if units is None:
        windows = WindowsOfFrame(frame, race.tasks, config.sample_steps)
        of_stock = SESSIONS - config.sample_steps + 1
        return stacked_windows([windows[at] for at in range(of_stock - 1, len(windows), of_stock)])
    sessions = SessionsOfFrame(frame, race.tasks)
    chosen = [sessions[at] for at in units]
    return only_session(chosen) if race.batch_size == 1 else padded_sessions(chosen)


def _without_dropout(config: NetworkConfig) -> NetworkConfig:
    return config.model_copy(update={"dropout": 0.0}) if "dropout" in type(config).model_fields else config


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
