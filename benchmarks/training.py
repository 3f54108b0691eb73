"""Time of a training step: all seeds stacked against one seed at a time in plain torch.

    python benchmarks/training.py [--stocks 830] [--seeds 5] [--rounds 20] [--normalisation none|batch]

A step is one session for every seed: forward, backward and Adam. Both sides train the same network, each in float32 and
with bfloat16 products, so that what stacking gives and what the precision gives can be told apart. The variants take
turns, so that whatever else the machine does hits them alike; ratios are medians of the rounds' ratios to the first.
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
from attn_platform.training.device import fixed_threads, matrix_precision
from attn_platform.training.samples import CrossSections, TrainingTensors
from attn_platform.training.trainer import SeedStack

FEATURES, TASKS = 42, 2  # AI-69
SESSIONS = 40  # enough for steps not to find their data in the cache
SPREAD = 15  # sessions differ by up to this many stocks, as the universe does within a quarter

WARM_UP = 2  # steps of each variant before the clock runs

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


def plain_step(tensors: TrainingTensors, config: MultiTaskBaselineConfig, seeds: int, precision: str) -> Step:
    """One network a seed, stepped one after another, with torch's own layers and default Adam."""
    members = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for block in range(config.depth):
            layers += [nn.Linear(config.width if block else FEATURES, config.width), nn.ReLU()]
            if config.normalisation == "batch":
                layers.append(nn.BatchNorm1d(config.width))
        network = nn.Sequential(*layers, nn.Linear(config.width, TASKS))
        members.append((network, torch.optim.Adam(network.parameters(), TrainingConfig().learning_rate)))

    def step(number: int) -> None:
        for (network, optimizer), [session] in zip(members, sessions_of_step(number, seeds), strict=True):
            rows = slice(tensors.offsets[session], tensors.offsets[session + 1])
            optimizer.zero_grad()
            with matrix_precision(precision, tensors.features.device):
                predictions = network(tensors.features[rows])
            loss = weighted_squared_error(predictions.float(), tensors.labels[rows], tensors.weights[rows])
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
    parser.add_argument("--normalisation", choices=["none", "batch"], default=MultiTaskBaselineConfig().normalisation)
    arguments = parser.parse_args()
    config = MultiTaskBaselineConfig(normalisation=arguments.normalisation)
    tensors = TrainingTensors(sample_sessions(arguments.stocks), LossConfig(), torch.device("cpu"), torch.float32)
    variants: dict[str, Step] = {
        f"{name}, {precision}": make(tensors, config, arguments.seeds, precision)
        for precision in ("float32", "bfloat16")
        for name, make in (("one seed at a time, plain torch", plain_step), ("stacked", stacked_step))
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    with fixed_threads(arguments.threads):
        for number in range(-WARM_UP, arguments.rounds):
            for name, step in variants.items():
                started = time.perf_counter()
                step(number)
                if number >= 0:
                    times[name].append(1e3 * (time.perf_counter() - started))
    plain = next(iter(times.values()))
    print(
        f"{arguments.seeds} seeds × {arguments.stocks} stocks, normalisation {config.normalisation}, "
        f"{arguments.threads} threads"
    )
    print(f"{'':44}{'least ms':>10}{'median ms':>11}{'ratio':>8}")
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(plain, taken, strict=True))
        print(f"{name:44}{min(taken):>10.2f}{statistics.median(taken):>11.2f}{ratio:>7.1f}×")


if __name__ == "__main__":
    main()
