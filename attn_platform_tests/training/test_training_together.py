"""Windows and seeds on one axis, in parts that fit the memory, killed and gone on with: always the same weights."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Generator, Tensor

from attn_platform.errors import TrainingError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import GatResidualConfig, LossConfig, MultiTaskBaselineConfig, NetworkConfig
from attn_platform.models.layers.dropout import StackedDropout
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import register_network
from attn_platform.training import epochs
from attn_platform.training.config import TrainingConfig
from attn_platform.training.memory import kept_for_backward
from attn_platform.training.resume import SavedState, StateAfterEpoch
from attn_platform.training.setting import StartingWeights, TrainingSetting, WindowSamples
from attn_platform.training.stack import MemberStack
from attn_platform.training.trainer import TrainingResult, train, train_together
from attn_platform_tests.training.synthetic import ragged, with_features

NETWORK = MultiTaskBaselineConfig(width=8, normalisation="batch")
CONFIG = TrainingConfig(
    learning_rate=3e-3,
    patience=3,
    max_epochs=9,
    precision="float64",
    threads=1,
    stacking="on",
    start="random",
    device="cpu",
)
IN_TURNS = CONFIG.model_copy(update={"stacking": "off", "threads": 2})
SEEDS = (0, 1)


class FragileConfig(NetworkConfig):
    name: str = "fragile"


@register_network(FragileConfig)
class Fragile(StackedNetwork):
    """Its gradient is infinite where the forecast is 0, its loss is not; and it drops a third of what it reads."""

    def __init__(
        self, config: FragileConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.dropout = StackedDropout(1 / 3)
        self.heads = StackedLinear(feature_count, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        return self.heads(self.dropout(batch.features)).abs().sqrt()


def window(number: int, sessions: int, stocks: tuple[int, int] = (20, 40)) -> WindowSamples:
    return WindowSamples(
        ragged(sessions, seed=10 + number, noise=4.0, stocks=stocks),
        ragged(4 + number, first="2011-06-01", seed=20 + number, noise=4.0, stocks=stocks),
    )


WINDOWS = [window(0, 12), window(1, 9), window(2, 12, stocks=(30, 60))]


def assert_same(found: TrainingResult, expected: TrainingResult, exact: bool = False) -> None:
    assert [h.outcome for h in found.histories] == [h.outcome for h in expected.histories]
    assert [h.best_epoch for h in found.histories] == [h.best_epoch for h in expected.histories]
    for name, tensor in expected.weights.items():
        tolerance = 0.0 if exact else 1e-9
        torch.testing.assert_close(found.weights[name], tensor, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("unit", ["session", "stock"])
def test_windows_side_by_side_equal_windows_trained_alone(unit: str) -> None:
    """Training sets of different lengths: who has no more batches in an epoch waits for the others."""
    config = CONFIG.model_copy(update={"batch_unit": unit, "batch_size": 64 if unit == "stock" else 2})
    together = train_together(NETWORK, WINDOWS, config, SEEDS, progress=False)
    for found, of_window in zip(together, WINDOWS, strict=True):
        alone = train(NETWORK, of_window.train, of_window.valid, config, SEEDS, progress=False)
        assert isinstance(found, TrainingResult)
        assert_same(found, alone)
        for ours, theirs in zip(found.histories, alone.histories, strict=True):
            np.testing.assert_allclose(ours.train_loss, theirs.train_loss, rtol=1e-10)
            np.testing.assert_allclose(ours.valid_loss, theirs.valid_loss, rtol=1e-10)
            np.testing.assert_allclose(ours.valid_rank_ic, theirs.valid_rank_ic, atol=1e-10)


@pytest.mark.parametrize("unit", ["session", "stock"])
def test_members_in_turns_are_what_they_are_stacked(unit: str) -> None:
    changes = {"batch_unit": unit, "batch_size": 64 if unit == "stock" else 2}
    stacked = train_together(NETWORK, WINDOWS, CONFIG.model_copy(update=changes), SEEDS, progress=False)
    in_turns = train_together(NETWORK, WINDOWS, IN_TURNS.model_copy(update=changes), SEEDS, progress=False)
    for found, expected in zip(in_turns, stacked, strict=True):
        assert isinstance(found, TrainingResult)
        assert_same(found, expected)


@pytest.mark.parametrize("network", [NETWORK, FragileConfig(), GatResidualConfig(hidden=8, masked_attention=False)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_members_in_turns_have_the_bits_of_those_alone(network: NetworkConfig, precision: str) -> None:
    """However many threads there are: a member's arithmetic is one thread's."""
    config = IN_TURNS.model_copy(update={"precision": precision, "max_epochs": 3})
    [together] = train_together(network, WINDOWS[:1], config, (0, 1, 2), progress=False)
    assert isinstance(together, TrainingResult)
    for position, seed in enumerate(together.seeds):
        one_thread = config.model_copy(update={"threads": 1})
        [alone] = train_together(network, WINDOWS[:1], one_thread, [seed], progress=False)
        assert isinstance(alone, TrainingResult)
        assert alone.histories[0] == together.histories[position]
        for name, tensor in alone.weights.items():
            assert torch.equal(tensor[0], together.weights[name][position])


def test_batches_of_stocks_train_like_a_plain_loop() -> None:
    """AI-69's time-series batches: samples of all sessions in the seed's order, loss Σ w_k (forecast − label)² / B."""
    config = CONFIG.model_copy(
        update={"batch_unit": "stock", "batch_size": 50, "max_epochs": 2, "loss": LossConfig(name="mse")}
    )
    linear = MultiTaskBaselineConfig(width=8)
    train_set, valid_set = WINDOWS[0].train, WINDOWS[0].valid
    result = train(linear, train_set, valid_set, config, [3], progress=False)
    x, y = torch.from_numpy(train_set.features()).double(), torch.from_numpy(train_set.labels).double()
    torch.manual_seed(3)
    layers = [torch.nn.Linear(5, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)]
    plain = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2]).double()
    optimizer = torch.optim.Adam(plain.parameters(), lr=config.learning_rate)
    curve = []
    for epoch in (1, 2):
        order, losses = epochs.sample_order(3, epoch, len(x)), []
        for start in range(0, len(x), 50):
            rows = order[start : start + 50]
            loss = ((plain(x[rows]) - y[rows]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item()] * len(rows)
        curve.append(np.mean(losses))
    np.testing.assert_allclose(result.histories[0].train_loss, curve, rtol=1e-10)
    if result.histories[0].best_epoch == 2:
        torch.testing.assert_close(result.weights["heads.weight"][0], plain[-1].weight.detach().T, rtol=1e-9, atol=0)


@pytest.mark.slow
def test_members_that_do_not_fit_together_are_trained_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    whole = train_together(NETWORK, WINDOWS, CONFIG, SEEDS, progress=False)
    with caplog.at_level(logging.INFO):
        tight = train_together(NETWORK, WINDOWS, CONFIG.model_copy(update={"memory_gb": 1e-9}), SEEDS, progress=False)
    assert "up to 1 at once" in caplog.text
    for found, expected in zip(tight, whole, strict=True):
        assert_same(found, expected)


def test_memory_kept_for_backward_counts_each_tensor_once() -> None:
    x = torch.randn(100, 50, requires_grad=True)

    def forward() -> Tensor:
        squared = x.square()  # keeps x
        return squared.exp().sum() + x.square().sum()  # keeps the exponential, and x again

    assert kept_for_backward(forward) == 2 * x.nbytes


def test_a_gradient_that_is_not_finite_ends_its_seed_only(caplog: pytest.LogCaptureFixture) -> None:
    train_set, valid_set = WINDOWS[0].train, WINDOWS[0].valid
    [healthy] = train_together(FragileConfig(), [WINDOWS[0]], CONFIG, [1], progress=False)
    zero = {name: torch.zeros(1, *shape) for name, shape in {"heads.weight": (5, 2), "heads.bias": (1, 2)}.items()}
    with caplog.at_level(logging.WARNING):
        result = train(
            FragileConfig(), train_set, valid_set, CONFIG, [0, 1], progress=False, start=StartingWeights((0,), zero)
        )
    assert "seed 0: loss or gradient no longer finite in epoch 1 from step 1 on" in caplog.text
    assert result.seeds == (1,)
    assert isinstance(healthy, TrainingResult)
    assert_same(replace(result, histories=result.histories[1:]), healthy)


def test_a_window_that_diverges_leaves_the_others() -> None:
    broken = replace(
        WINDOWS[1], train=with_features(WINDOWS[1].train, np.full((len(WINDOWS[1].train), 5), np.inf, np.float32))
    )
    results = train_together(NETWORK, [WINDOWS[0], broken], CONFIG, SEEDS, progress=False)
    assert isinstance(results[1], TrainingError)
    assert "all 2 seeds" in str(results[1])
    assert_same(results[0], train(NETWORK, WINDOWS[0].train, WINDOWS[0].valid, CONFIG, SEEDS, progress=False))


KILLED = """
import sys
from pathlib import Path
from attn_platform.training.trainer import train_together
from attn_platform_tests.training import test_training_together as those
network = those.FragileConfig() if sys.argv[2] == "dropout" else those.NETWORK
train_together(network, those.WINDOWS, those.CONFIG, those.SEEDS, progress=False, state=Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("which", ["batch norm", "dropout"])
def test_a_killed_training_goes_on_and_ends_in_the_same_weights(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(state), which], cwd=Path(__file__).parents[2])
    file = state / "members-0.safetensors"
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None or file.exists(), "the training ended before it kept anything"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    network = FragileConfig() if which == "dropout" else NETWORK
    uninterrupted = train_together(network, WINDOWS, CONFIG, SEEDS, progress=False)
    begun: list[int] = []
    monkeypatch.setattr(epochs, "EpochOfStack", partial(_noting, begun, epochs.EpochOfStack))
    with caplog.at_level(logging.INFO):
        resumed = train_together(network, WINDOWS, CONFIG, SEEDS, progress=False, state=state)
    assert "going on after epoch" in caplog.text
    assert 1 not in begun, "the first epoch was trained again"
    for found, expected in zip(resumed, uninterrupted, strict=True):
        assert_same(found, expected, exact=True)
        assert found.histories == expected.histories


def _noting(
    begun: list[int], original: type[epochs.EpochOfStack], setting: TrainingSetting, stack: MemberStack, epoch: int
) -> epochs.EpochOfStack:
    begun.append(epoch)
    return original(setting, stack, epoch)


@cache
def uninterrupted(stacking: str) -> list[TrainingResult | TrainingError]:
    return train_together(NETWORK, WINDOWS, CONFIG if stacking == "on" else IN_TURNS, SEEDS, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize(("stacking", "epoch"), [*(("on", epoch) for epoch in range(1, 9)), ("off", 3), ("off", 7)])
def test_goes_on_from_every_epoch(stacking: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state after each epoch, also where some members have stopped, is enough."""

    write = SavedState.write

    def stop_after(self: SavedState, state: StateAfterEpoch) -> None:
        write(self, state)
        if state.epoch == epoch:
            raise KeyboardInterrupt

    config, expected_results = (CONFIG if stacking == "on" else IN_TURNS), uninterrupted(stacking)
    monkeypatch.setattr(SavedState, "write", stop_after)
    with pytest.raises(KeyboardInterrupt):
        train_together(NETWORK, WINDOWS, config, SEEDS, progress=False, state=tmp_path)
    monkeypatch.setattr(SavedState, "write", write)
    resumed = train_together(NETWORK, WINDOWS, config, SEEDS, progress=False, state=tmp_path)
    for found, expected in zip(resumed, expected_results, strict=True):
        assert_same(found, expected, exact=True)


@pytest.mark.parametrize("damage", ["other data", "other configuration", "truncated", "no tensors"])
def test_a_state_of_something_else_is_not_gone_on_from(damage: str, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"max_epochs": 2})
    train_together(NETWORK, WINDOWS[:1], config, SEEDS, progress=False, state=tmp_path)
    windows = WINDOWS[1:2] if damage == "other data" else WINDOWS[:1]
    if damage == "other configuration":
        config = config.model_copy(update={"learning_rate": 1e-3})
    file = tmp_path / "members-0.safetensors"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    if damage == "no tensors":
        file.write_text("not a state")
    [again] = train_together(NETWORK, windows, config, SEEDS, progress=False, state=tmp_path)
    [fresh] = train_together(NETWORK, windows, config, SEEDS, progress=False)
    assert_same(again, fresh, exact=True)


def test_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    windows = [replace(w, curves=tmp_path / str(number)) for number, w in enumerate(WINDOWS[:2])]
    results = train_together(NETWORK, windows, CONFIG, SEEDS, progress=False)
    train_together(NETWORK, windows, CONFIG, SEEDS, progress=False)  # a second training replaces them
    for number, result in enumerate(results):
        for history in result.histories:
            events = EventAccumulator(str(tmp_path / str(number) / f"seed_{history.seed}")).Reload()
            for name, curve in (
                ("loss/train", history.train_loss),
                ("loss/valid", history.valid_loss),
                ("RankIC/valid", history.valid_rank_ic),
            ):
                drawn = events.Scalars(name)
                assert [event.step for event in drawn] == list(range(1, len(curve) + 1))
                np.testing.assert_allclose([event.value for event in drawn], curve, rtol=1e-6)


@pytest.mark.parametrize("unit", ["session", "stock"])
def test_thinned_seeds_train_on_sessions_of_their_own_and_validate_on_all(unit: str) -> None:
    """One of three sessions each: as if each seed's training set held no others, but for where its forecasts start."""
    batches = {"batch_unit": unit, "batch_size": 64 if unit == "stock" else 1, "sessions_every": 3}
    thinned = CONFIG.model_copy(update=batches)
    plain = thinned.model_copy(update={"sessions_every": 1})
    window, seeds = WINDOWS[0], (0, 1, 2, 4)
    together = train(NETWORK, window.train, window.valid, thinned, seeds, progress=False)
    for position, seed in enumerate(seeds):
        days = window.train.sessions[seed % 3 :: 3]
        own = window.train.of_seed(seed, 3)
        assert own.sessions.tolist() == days.tolist()
        np.testing.assert_array_equal(own.labels, window.train.labels[np.isin(window.train.sample_sessions(), days)])
        alone = train(NETWORK, own, window.valid, plain, [seed], progress=False)
        assert together.histories[position].valid_loss == pytest.approx(alone.histories[0].valid_loss, rel=1e-9)
        for name, tensor in alone.weights.items():
            torch.testing.assert_close(together.weights[name][position], tensor[0], rtol=1e-9, atol=1e-9)


def test_too_few_sessions_to_thin_are_refused() -> None:
    with pytest.raises(TrainingError, match="12 training sessions, of which one of 13 is to be trained on"):
        train(NETWORK, WINDOWS[0].train, WINDOWS[0].valid, CONFIG.model_copy(update={"sessions_every": 13}), SEEDS)
