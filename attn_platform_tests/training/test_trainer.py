import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch import Generator, Tensor

from attn_platform.errors import ConfigurationError, TrainingError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import LossConfig, MultiTaskBaselineConfig, NetworkConfig
from attn_platform.models.layers.stacked_linear import StackedLinear
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.ranks import standardised_ranks
from attn_platform.models.registry import build_network, parse_network_config, register_network
from attn_platform.training.config import TrainingConfig
from attn_platform.training.epochs import sample_order
from attn_platform.training.samples import Samples
from attn_platform.training.setting import StartingWeights
from attn_platform.training.trainer import TrainingResult, train
from attn_platform_tests.models.references import plain_baseline, plain_state
from attn_platform_tests.training.synthetic import SIGNAL, ragged, rows_of

WIDTH = 8
NETWORK = MultiTaskBaselineConfig(width=WIDTH, normalisation="batch")
CONFIG = TrainingConfig(
    learning_rate=1e-3, patience=2, max_epochs=12, precision="float64", threads=1, start="random", device="cpu"
)


def data(noise: float = 3.0) -> tuple[Samples, Samples]:
    return ragged(12, noise=noise), ragged(6, first="2011-06-01", seed=1, noise=noise)


def run(
    train_set: Samples,
    valid_set: Samples,
    config: TrainingConfig = CONFIG,
    seeds: Sequence[int] = (0, 1, 2),
    **options,
) -> TrainingResult:
    return train(NETWORK, train_set, valid_set, config, seeds, progress=False, **options)


def sessions_of(sections: Samples) -> list[tuple[Tensor, Tensor]]:
    """Features and labels of each session."""
    bounds = pairwise(sections.offsets)
    return [
        (torch.from_numpy(sections.features()[a:b]).double(), torch.from_numpy(sections.labels[a:b]).double())
        for a, b in bounds
    ]


def plain_loss(predictions: Tensor, labels: Tensor, loss: LossConfig) -> Tensor:
    """wmse or mse of one session, task by task."""
    losses = []
    for task in range(labels.shape[1]):
        weight = torch.ones(len(labels), dtype=torch.float64)
        if loss.name == "wmse":
            best_first = torch.argsort(labels[:, task], descending=True)
            weight[best_first] = 0.5 ** (torch.arange(len(labels)).double() / (loss.half_life * len(labels)))
        losses.append((weight * (predictions[:, task] - labels[:, task]) ** 2).mean())
    return sum(losses) / len(losses)


def plain_constant(days: list[tuple[Tensor, Tensor]], loss: LossConfig) -> list[float]:
    """For each task the constant of least mean loss over the days, found by search."""

    def mean_loss(constant: float, task: int) -> float:
        return float(
            np.mean([plain_loss(torch.full((len(y), 1), constant), y[:, [task]], loss).item() for _, y in days])
        )

    return [
        float(optimize.minimize_scalar(mean_loss, args=(task,), bounds=(-1, 1), options={"xatol": 1e-12}).x)
        for task in range(days[0][1].shape[1])
    ]


def plain_training(seed: int, train_set: Samples, valid_set: Samples, config: TrainingConfig):
    """One seed with torch's own layers and Adam: curves and the state of the best epoch."""
    network = plain_baseline(seed, 5, WIDTH, 2)
    train_days, valid_days = sessions_of(train_set), sessions_of(valid_set)
    if config.start == "constant":
        with torch.no_grad():
            network[-1].weight.zero_()
            network[-1].bias.copy_(torch.tensor(plain_constant(train_days, config.loss)))
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    train_curve, valid_curve, best, best_state = [], [], np.inf, {}
    for epoch in range(1, config.max_epochs + 1):
        network.train()
        losses = []
        order = sample_order(seed, epoch, len(train_days))
        for start in range(0, len(order), config.batch_size):
            days = [train_days[t] for t in order[start : start + config.batch_size]]
            predictions = network(torch.cat([x for x, _ in days])).split([len(x) for x, _ in days])
            of_days = [plain_loss(p, y, config.loss) for p, (_, y) in zip(predictions, days, strict=True)]
            optimizer.zero_grad()
            (sum(of_days) / len(of_days)).backward()
            optimizer.step()
            losses += [loss.item() for loss in of_days]
        train_curve.append(np.mean(losses))
        network.eval()
        with torch.no_grad():
            valid_curve.append(np.mean([plain_loss(network(x), y, config.loss).item() for x, y in valid_days]))
        if valid_curve[-1] < best:
            best = valid_curve[-1]
            best_state = {name: value.clone() for name, value in plain_state(network).items()}
        if epoch - (1 + int(np.argmin(valid_curve))) >= config.patience:
            break
    return train_curve, valid_curve, best_state


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        CONFIG.model_copy(update={"loss": LossConfig(half_life=1.0), "max_epochs": 5}),
        CONFIG.model_copy(update={"loss": LossConfig(name="mse"), "batch_size": 5, "max_epochs": 5}),
    ],
    ids=["wmse, a session a batch", "wmse that halves at N", "mse, five sessions a batch"],
)
def test_equals_plain_torch_training_of_each_seed_alone(config: TrainingConfig) -> None:
    train_set, valid_set = data()
    result = run(train_set, valid_set, config)
    for position, seed in enumerate(result.seeds):
        train_curve, valid_curve, state = plain_training(seed, train_set, valid_set, config)
        history = result.histories[position]
        np.testing.assert_allclose(history.train_loss, train_curve, rtol=1e-10)
        np.testing.assert_allclose(history.valid_loss, valid_curve, rtol=1e-10)
        assert history.best_epoch == 1 + int(np.argmin(valid_curve))
        for name, expected in state.items():
            torch.testing.assert_close(result.weights[name][position], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("loss", ["wmse", "mse"])
def test_starts_from_the_constant_of_least_loss(loss: str) -> None:
    train_set, valid_set = data()
    config = CONFIG.model_copy(update={"start": "constant", "loss": LossConfig(name=loss), "max_epochs": 3})
    result = run(train_set, valid_set, config, seeds=[0])
    train_curve, valid_curve, _ = plain_training(0, train_set, valid_set, config)
    # The search for the plain reference's constant is exact to about the root of float64's precision.
    np.testing.assert_allclose(result.histories[0].train_loss, train_curve, rtol=1e-5)
    np.testing.assert_allclose(result.histories[0].valid_loss, valid_curve, rtol=1e-5)


def test_stacked_seeds_that_stop_at_different_epochs_equal_seeds_trained_alone() -> None:
    train_set, valid_set = data(noise=10.0)
    seeds = (0, 1, 2, 3)
    result = run(train_set, valid_set, seeds=seeds)
    assert len({len(history.valid_loss) for history in result.histories}) > 1, "the case needs different lengths"
    for position, seed in enumerate(seeds):
        alone = run(train_set, valid_set, seeds=[seed])
        np.testing.assert_allclose(result.histories[position].valid_loss, alone.histories[0].valid_loss, rtol=1e-10)
        for name, expected in alone.weights.items():
            torch.testing.assert_close(result.weights[name][position], expected[0], rtol=1e-9, atol=1e-10)


def test_same_inputs_give_the_same_bits() -> None:
    train_set, valid_set = data()
    for precision in ("float32", "bfloat16"):
        config = CONFIG.model_copy(update={"precision": precision, "max_epochs": 2, "threads": 2})
        first, second = run(train_set, valid_set, config), run(train_set, valid_set, config)
        assert first.histories == second.histories
        assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_bfloat16_products_train_like_float32() -> None:
    train_set, valid_set = data(noise=0.5)
    losses = {
        precision: np.array([h.valid_loss for h in run(
            train_set, valid_set, CONFIG.model_copy(update={"precision": precision, "patience": 12})
        ).histories])
        for precision in ("float32", "bfloat16")
    }  # fmt: skip
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.01)
    assert (losses["float32"][:, -1] < 0.9 * losses["float32"][:, 0]).all()


def test_order_of_the_stocks_does_not_matter() -> None:
    def shuffled(sections: Samples) -> Samples:
        rng = np.random.default_rng(9)
        bounds = pairwise(sections.offsets)
        rows = np.concatenate([a + rng.permutation(b - a) for a, b in bounds])
        return rows_of(sections, rows)

    train_set, valid_set = data()
    config = CONFIG.model_copy(update={"max_epochs": 3})
    result, other = run(train_set, valid_set, config), run(shuffled(train_set), shuffled(valid_set), config)
    for name, expected in result.weights.items():
        torch.testing.assert_close(other.weights[name], expected, rtol=1e-9, atol=1e-10)


def test_early_stop_after_patience_epochs_and_weights_of_the_best_epoch() -> None:
    """Validation labels contradict the training labels, so learning makes validation worse at once."""
    train_set = ragged(12, noise=0.1)
    valid_set = ragged(6, first="2011-06-01", seed=1, noise=0.1, signal=-SIGNAL)
    config = CONFIG.model_copy(update={"patience": 3, "max_epochs": 30, "learning_rate": 3e-3})
    result = run(train_set, valid_set, config)
    for position, history in enumerate(result.histories):
        assert history.outcome == "stopped early"
        assert history.best_epoch == 1 + int(np.argmin(history.valid_loss))
        assert len(history.valid_loss) == history.best_epoch + 3
        until_best = run(
            train_set, valid_set, config.model_copy(update={"max_epochs": history.best_epoch}), seeds=[history.seed]
        )
        assert until_best.histories[0].outcome == "reached max_epochs"
        for name, expected in until_best.weights.items():
            torch.testing.assert_close(result.weights[name][position], expected[0], rtol=1e-9, atol=1e-10)


def test_each_seed_and_epoch_has_its_own_order_of_all_sessions() -> None:
    orders = [sample_order(seed, epoch, 50).tolist() for seed in range(3) for epoch in range(1, 4)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 9
    assert sample_order(1, 2, 50).tolist() == orders[4]


def initial_weights(seeds: Sequence[int]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in build_network(NETWORK, 5, 2, seeds).state_dict().items()}


def test_a_seed_that_diverges_dies_alone(caplog: pytest.LogCaptureFixture) -> None:
    train_set, valid_set = data()
    weights = initial_weights([0, 1, 2])
    weights["heads.bias"][1] = torch.nan
    with caplog.at_level(logging.WARNING):
        result = run(train_set, valid_set, start=StartingWeights((0, 1, 2), weights))
    assert result.seeds == (0, 2)
    assert result.histories[1].outcome == "diverged"
    assert result.histories[1].valid_loss == ()
    assert "seed 1" in caplog.text
    assert "epoch 1" in caplog.text
    healthy = run(train_set, valid_set, seeds=[0, 2])
    for name, expected in healthy.weights.items():
        torch.testing.assert_close(result.weights[name], expected, rtol=1e-9, atol=1e-10)


def test_training_fails_when_every_seed_diverges() -> None:
    train_set, valid_set = data()
    weights = initial_weights([0, 1])
    weights["heads.weight"][:] = torch.inf
    with pytest.raises(TrainingError, match=r"all 2 seeds.*learning_rate"):
        run(train_set, valid_set, seeds=[0, 1], start=StartingWeights((0, 1), weights))


def test_initial_weights_start_where_another_training_ended() -> None:
    train_set, valid_set = data()
    one_epoch = CONFIG.model_copy(update={"max_epochs": 1})
    first = run(train_set, valid_set, one_epoch)
    continued = run(train_set, valid_set, one_epoch, start=StartingWeights(first.seeds, first.weights))
    assert (np.array([h.train_loss[0] for h in continued.histories]) < [h.train_loss[0] for h in first.histories]).all()
    narrow = dict(first.weights) | {"heads.bias": first.weights["heads.bias"][..., :1]}
    with pytest.raises(TrainingError, match=r"heads\.bias is \(1, 1\), needs \(1, 2\)"):
        run(train_set, valid_set, start=StartingWeights(first.seeds, narrow))


def test_seeds_without_weights_to_start_from_start_like_new_ones() -> None:
    train_set, valid_set = data()
    one_epoch = CONFIG.model_copy(update={"max_epochs": 1, "start": "constant"})
    first = run(train_set, valid_set, one_epoch, seeds=[1])
    mixed = run(train_set, valid_set, one_epoch, seeds=[0, 1], start=StartingWeights((1,), first.weights))
    fresh = run(train_set, valid_set, one_epoch, seeds=[0])
    warm = run(train_set, valid_set, one_epoch, seeds=[1], start=StartingWeights((1,), first.weights))
    for name in first.weights:
        torch.testing.assert_close(mixed.weights[name][0], fresh.weights[name][0], rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(mixed.weights[name][1], warm.weights[name][0], rtol=1e-9, atol=1e-10)


def test_rows_without_labels_are_left_out() -> None:
    train_set, valid_set = data()
    config = CONFIG.model_copy(update={"max_epochs": 2})
    labels = train_set.labels.copy()
    labels[train_set.offsets[:-1], 0] = np.nan  # the first stock of every session
    rows = np.setdiff1d(np.arange(len(labels)), train_set.offsets[:-1])
    without = replace(
        rows_of(train_set, rows),
        offsets=train_set.offsets - np.arange(len(train_set.offsets)),
    )
    result, expected = run(replace(train_set, labels=labels), valid_set, config), run(without, valid_set, config)
    assert result.histories == expected.histories


def test_learns_a_planted_signal() -> None:
    train_set = ragged(40, noise=1.0, stocks=(60, 80))
    valid_set = ragged(10, first="2011-06-01", seed=1, stocks=(60, 80))
    config = CONFIG.model_copy(update={"learning_rate": 3e-3, "max_epochs": 10, "precision": "auto"})
    result = run(train_set, valid_set, config)
    assert min(history.valid_rank_ic[history.best_epoch - 1] for history in result.histories) > 0.4


def test_validation_rank_ic_is_spearmans() -> None:
    """One epoch, so that the returned weights are those that were validated."""
    train_set, valid_set = data()
    result = run(train_set, valid_set, CONFIG.model_copy(update={"max_epochs": 1}))
    network = build_network(NETWORK, 5, 2, result.seeds).double()
    network.load_state_dict(dict(result.weights))
    network.eval()
    for position, history in enumerate(result.histories):
        correlations = []
        for x, y in sessions_of(valid_set):
            with torch.no_grad():
                predictions = network(SessionBatch(x.expand(3, -1, -1), ((len(x),),) * 3))[position]
            correlations += [stats.spearmanr(predictions[:, task], y[:, task]).statistic for task in range(2)]
        assert history.valid_rank_ic[0] == pytest.approx(np.mean(correlations), abs=1e-12)


def test_ranks_share_ties_and_a_constant_has_none() -> None:
    values = torch.tensor([[3.0, 1.0, 3.0, 2.0, 1.0], [4.0, 4.0, 4.0, 4.0, 4.0]])
    ranks = standardised_ranks(values)
    centred = stats.rankdata(values[0]) - 3
    np.testing.assert_allclose(ranks[0], centred / np.linalg.norm(centred), rtol=1e-14)
    assert not ranks[1].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sessions": np.datetime64("2011-01-10") + np.arange(6)}, "must lie after the training set"),
        ({"feature_names": ("a", "b", "c", "d", "e")}, "features"),
        ({"label_names": ("5d", "10d")}, "labels"),
    ],
)
def test_sets_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    train_set, valid_set = data()
    with pytest.raises(TrainingError, match=message):
        run(train_set, replace(valid_set, **change))


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_must_be_different(seeds: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match="seeds"):
        run(*data(), seeds=seeds)


def test_empty_set_is_refused() -> None:
    train_set, valid_set = data()
    nothing = valid_set.between(np.datetime64("2020-01-01"), np.datetime64("2020-02-01"))
    with pytest.raises(TrainingError, match="12 training and 0 validation sessions"):
        run(train_set, nothing)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"no GPU.*auto or cpu"):
        train(NETWORK, *data(), CONFIG.model_copy(update={"device": "cuda"}))


def test_unknown_device_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="'abacus'"):
        train(NETWORK, *data(), CONFIG.model_copy(update={"device": "abacus"}))


def test_thread_count_is_put_back() -> None:
    before = torch.get_num_threads()
    run(*data(), CONFIG.model_copy(update={"max_epochs": 1, "threads": before + 1}), seeds=[0])
    assert torch.get_num_threads() == before


def test_progress_bar_says_where_training_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    train(NETWORK, *data(), CONFIG.model_copy(update={"max_epochs": 2}), seeds=[0, 1])
    bar = terminal.getvalue()
    assert "epoch 2 · 2 in training · best valid loss" in bar
    assert "valid RankIC" in bar


class LinearConfig(NetworkConfig):
    name: Literal["one_file_linear"] = "one_file_linear"


@register_network(LinearConfig)
class OneFileLinear(StackedNetwork):
    """What a researcher writes for a new network."""

    def __init__(
        self, config: LinearConfig, feature_count: int, task_count: int, generators: Sequence[Generator]
    ) -> None:
        super().__init__(config, feature_count, task_count, generators)
        self.heads = StackedLinear(feature_count, task_count, generators)

    def forward(self, batch: SessionBatch) -> Tensor:
        return self.heads(batch.features)


def test_a_network_of_ones_own_trains_by_its_name() -> None:
    config = CONFIG.model_copy(update={"learning_rate": 0.02, "loss": LossConfig(name="mse")})
    result = train(parse_network_config({"name": "one_file_linear"}), *data(noise=0.1), config, (0,), progress=False)
    learnt = result.weights["heads.weight"][0].numpy()
    for task in range(2):
        assert np.corrcoef(learnt[:, task], SIGNAL[:, task])[0, 1] > 0.95
