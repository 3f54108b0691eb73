"""Time of a training step: all seeds stacked against one seed at a time in plain torch.

    python benchmarks/training.py [--stocks 830] [--seeds 5] [--rounds 20]

A step is one session for every seed: forward, backward and Adam. The variants take turns, so that whatever else the
machine does hits them alike; the table has the least and the median time, and the median ratio to plain torch.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from attn_platform.models.losses import LossConfig, weighted_squared_error
from attn_platform.models.networks.multi_task_baseline import MultiTaskBaselineConfig
from attn_platform.models.registry import build_network
from attn_platform.training.config import TrainingConfig
from attn_platform.training.device import fixed_threads
from attn_platform.training.samples import CrossSections, TrainingTensors
from attn_platform.training.trainer import SeedStack
from attn_platform.training.validation import Validation

FEATURES, TASKS = 42, 2  # AI-69
TRAIN_SESSIONS, VALID_SESSIONS = 1512, 504  # one window
SESSIONS = 40  # enough for steps not to find their data in the cache
SPREAD = 15  # sessions differ by up to this many stocks, as the universe does within a quarter

Step = Callable[[int], object]


def sample_sessions(stocks: int) -> CrossSections:
    """Random features and labels; their values do not matter for the time."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(stocks - SPREAD, stocks + SPREAD + 1, SESSIONS)
    return CrossSections(
        sessions=np.datetime64("2011-01-04", "D") + np.arange(SESSIONS),
        offsets=np.append(0, np.cumsum(sizes)),
        symbols=np.full(sizes.sum(), "600000.SH"),
        features=rng.standard_normal((sizes.sum(), FEATURES), dtype=np.float32),
        labels=rng.standard_normal((sizes.sum(), TASKS), dtype=np.float32),
        feature_names=tuple(f"factor_{i}" for i in range(FEATURES)),
        label_names=("10d", "20d"),
    )


def sessions_of_step(step: int, seeds: int) -> list[list[int]]:
    """Every seed another session."""
    return [[(step + 7 * seed) % SESSIONS] for seed in range(seeds)]


def plain_step(tensors: TrainingTensors, config: MultiTaskBaselineConfig, seeds: int) -> Step:
    """One network a seed, stepped one after another, with torch's own layers in float32."""
    members = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for block in range(config.depth):
            layers += [nn.Linear(config.width if block else FEATURES, config.width), nn.ReLU()]
            layers += [nn.BatchNorm1d(config.width)]
        network = nn.Sequential(*layers, nn.Linear(config.width, TASKS))
        members.append((network, torch.optim.Adam(network.parameters(), TrainingConfig().learning_rate)))

    def step(number: int) -> None:
        for (network, optimizer), [session] in zip(members, sessions_of_step(number, seeds), strict=True):
            rows = slice(tensors.offsets[session], tensors.offsets[session + 1])
            optimizer.zero_grad()
            loss = weighted_squared_error(network(tensors.features[rows]), tensors.labels[rows], tensors.weights[rows])
            loss.backward()
            optimizer.step()

    return step


def stacked_step(tensors: TrainingTensors, config: MultiTaskBaselineConfig, seeds: int, precision: str) -> Step:
    """The platform's step."""
    network = build_network(config, FEATURES, TASKS, range(seeds))
    stack = SeedStack(network, range(seeds), TrainingConfig().learning_rate)
    return lambda number: stack.step(*tensors.gather(sessions_of_step(number, seeds)), precision)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=830, help="stocks a session")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20, help="steps of each variant")
    parser.add_argument("--threads", type=int, default=TrainingConfig().threads)
    arguments = parser.parse_args()
    config = MultiTaskBaselineConfig()
    tensors = TrainingTensors(sample_sessions(arguments.stocks), LossConfig(), torch.device("cpu"), torch.float32)
    variants: dict[str, Step] = {
        "one seed at a time, plain torch, float32": plain_step(tensors, config, arguments.seeds),
        "stacked, float32": stacked_step(tensors, config, arguments.seeds, "float32"),
        "stacked, bfloat16 products": stacked_step(tensors, config, arguments.seeds, "bfloat16"),
    }
    with fixed_threads(arguments.threads):
        times: dict[str, list[float]] = {name: [] for name in variants}
        for number in range(-2, arguments.rounds):  # two steps to warm up
            for name, step in variants.items():
                started = time.perf_counter()
                step(number)
                if number >= 0:
                    times[name].append(1e3 * (time.perf_counter() - started))
        validation, network = Validation(tensors), build_network(config, FEATURES, TASKS, range(arguments.seeds))
        network.eval()
        started = time.perf_counter()
        validation.measure(network, arguments.seeds)
        validation_ms = 1e3 * (time.perf_counter() - started) / SESSIONS
    plain = next(iter(times.values()))
    print(f"{arguments.seeds} seeds × {arguments.stocks} stocks, {arguments.threads} threads")
    print(f"{'':42}{'least ms':>10}{'median ms':>11}{'ratio':>8}{'window epoch':>15}")
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(plain, taken, strict=True))
        epoch = (TRAIN_SESSIONS * min(taken) + VALID_SESSIONS * validation_ms) / 1e3
        print(f"{name:42}{min(taken):>10.2f}{statistics.median(taken):>11.2f}{ratio:>7.1f}×{epoch:>13.1f} s")
    print(f"validation: {validation_ms:.2f} ms a session, float32")


if __name__ == "__main__":
    main()
