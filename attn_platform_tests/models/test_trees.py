"""Boosted trees against splits found by hand, the library's own early stop, and rows that stand twice."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import xgboost
from safetensors.torch import load, save
from scipy import stats

from attn_platform.errors import CheckpointError, ConfigurationError, TrainingError
from attn_platform.models.configuration import LossConfig, XGBoostConfig
from attn_platform.models.losses import row_weights
from attn_platform.models.registry import build_network, parse_network_config
from attn_platform.models.trees import TreeSamples, booster_name, fit_trees, predict_trees

WHOLE = {"row_sampling": 1.0, "column_sampling": 1.0}


def samples(
    sessions: int, seed: int, loss: str = "wmse", signal: float = 0.4, levels: int | None = None
) -> TreeSamples:
    """Sessions of 30 to 60 stocks whose labels follow the first of five features; rounded to some `levels`."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(30, 60, sessions)
    offsets = np.append(0, np.cumsum(sizes))
    features = rng.standard_normal((offsets[-1], 5)).astype(np.float32)
    if levels:
        features = np.round(features * levels / 4)
    labels = (signal * features[:, 0] + rng.standard_normal(offsets[-1])).astype(np.float32)
    weights = row_weights(labels[:, np.newaxis], offsets, LossConfig(name=loss))[:, 0]
    return TreeSamples(features, labels, weights, offsets)


def fit(config: XGBoostConfig, training: TreeSamples, validation: TreeSamples, seeds=(0,)):
    return fit_trees(config, training, validation, seeds, threads=1, progress=False)


@pytest.fixture(scope="module")
def sets() -> tuple[TreeSamples, TreeSamples]:
    return samples(60, 1), samples(25, 2)


@pytest.fixture(scope="module")
def fitted(sets):
    """Three seeds under the study's configuration."""
    return fit(XGBoostConfig(), *sets, seeds=(0, 1, 7))


def test_the_defaults_are_the_studys() -> None:
    config = parse_network_config({"name": "xgboost"})
    assert config == XGBoostConfig(
        learning_rate=0.05, rounds=1000, patience=20, depth=3, row_sampling=0.8, column_sampling=0.8
    )
    assert (config.sample_steps, config.neighbours) == (1, None)


def test_it_is_no_network() -> None:
    with pytest.raises(ConfigurationError, match="'xgboost' is no network"):
        build_network(XGBoostConfig(), 5, 1, [0])


@pytest.mark.parametrize("loss", ["wmse", "mse"])
def test_first_split_is_the_best_one_of_a_plain_search(loss: str) -> None:
    """Greatest gain G²/(H+λ) over all factors and thresholds, and the leaves −ηG/(H+λ), for w·(y − b)², λ = 1."""
    training = samples(12, 3, loss, levels=6)
    config = XGBoostConfig(depth=1, rounds=1, **WHOLE)
    boosters, _ = fit(config, training, samples(4, 4))
    sizes = np.diff(training.offsets)
    if loss == "mse":
        w = np.ones(len(training.labels))
    else:
        w = np.empty(len(training.labels))
        for start, stop in pairwise(training.offsets):
            order = np.argsort(-training.labels[start:stop])
            w[start + order] = 0.5 ** (np.arange(stop - start) / ((stop - start) / 2))
    assert len(sizes) == 12
    base = np.average(training.labels.astype(float), weights=w)
    gradient = w * (base - training.labels)
    best = (-np.inf, 0, 0.0)
    for factor in range(5):
        values = training.features[:, factor]
        for threshold in np.unique(values)[1:]:
            below = values < threshold
            gain = sum(gradient[side].sum() ** 2 / (w[side].sum() + 1) for side in (below, ~below))
            best = max(best, (gain, factor, float(threshold)))
    _, factor, threshold = best
    below = training.features[:, factor] < threshold
    leaf = {side: -0.05 * gradient[below == side].sum() / (w[below == side].sum() + 1) for side in (True, False)}
    expected = base + np.where(below, leaf[True], leaf[False])
    found = predict_trees(boosters, [0], training.features, threads=1)
    assert found.shape == (1, len(expected), 1)
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-6)


def test_a_weight_of_two_is_a_row_that_stands_twice() -> None:
    """One session, so that all rows are divided by the same number of stocks."""
    once, validation = samples(1, 5, levels=6), samples(5, 6)
    twice = np.arange(len(once.labels)) % 3 == 0
    weights = np.where(twice, 2.0, 1.0) / len(once.labels)
    rows = np.repeat(np.arange(len(once.labels)), np.where(twice, 2, 1))
    repeated = TreeSamples(
        once.features[rows], once.labels[rows], np.full(len(rows), 1 / len(rows)), np.array([0, len(rows)])
    )
    config = XGBoostConfig(rounds=30, patience=30, **WHOLE)
    weighted, doubled = (fit(config, part, validation)[0] for part in (replace(once, weights=weights), repeated))
    found = [predict_trees(boosters, [0], validation.features, threads=1) for boosters in (weighted, doubled)]
    np.testing.assert_allclose(*found, atol=1e-6)
    plain = fit(config, replace(once, weights=np.full(len(weights), 1 / len(weights))), validation)[0]
    assert not np.allclose(found[0], predict_trees(plain, [0], validation.features, threads=1), atol=1e-3)


def test_boosting_is_the_librarys_with_its_own_early_stop(sets, fitted) -> None:
    """Weights w_k for training; 1/N of them for validation, so that the weighted error is the mean over sessions."""
    training, validation = sets
    sizes = np.diff(training.offsets)
    matrix = xgboost.QuantileDMatrix(
        training.features, training.labels, weight=training.weights * np.repeat(sizes, sizes), nthread=1
    )
    held_out = xgboost.DMatrix(validation.features, validation.labels, weight=validation.weights, nthread=1)
    parameters = {
        "objective": "reg:squarederror", "tree_method": "hist", "eta": 0.05, "max_depth": 3, "subsample": 0.8,
        "colsample_bytree": 0.8, "seed": 7, "nthread": 1,
    }  # fmt: skip
    curves: dict = {}
    booster = xgboost.train(
        parameters, matrix, 1000, evals=[(held_out, "valid")], early_stopping_rounds=20, evals_result=curves,
        verbose_eval=False,
    )  # fmt: skip
    boosters, histories = fitted
    history = histories[2]
    assert (history.seed, history.best_epoch) == (7, booster.best_iteration + 1)
    squared = np.square(curves["valid"]["rmse"]) * validation.weights.sum() / (len(validation.offsets) - 1)
    np.testing.assert_allclose(history.valid_loss, squared, rtol=1e-5)
    expected = booster.predict(held_out, iteration_range=(0, booster.best_iteration + 1))
    found = predict_trees(boosters, [7], validation.features, threads=1)[0, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_history_is_measured_on_the_sessions(sets, fitted) -> None:
    """Loss and RankIC of the round that is kept, from the kept booster's forecasts, a session at a time."""
    boosters, histories = fitted
    for history in histories:
        assert history.outcome == "stopped early"
        assert len(history.valid_loss) == history.best_epoch + 20
        assert history.best_epoch == int(np.argmin(history.valid_loss)) + 1
        for part, curve in zip(sets, (history.train_loss, history.valid_loss), strict=True):
            forecast = predict_trees(boosters, [history.seed], part.features, threads=1)[0, :, 0]
            sessions = [slice(start, stop) for start, stop in pairwise(part.offsets)]
            losses = [(part.weights[s] * (forecast[s] - part.labels[s]) ** 2).sum() for s in sessions]
            assert curve[history.best_epoch - 1] == pytest.approx(np.mean(losses), rel=1e-5)
        rank_ic = [stats.spearmanr(forecast[s], part.labels[s]).statistic for s in sessions]
        assert history.valid_rank_ic[history.best_epoch - 1] == pytest.approx(np.mean(rank_ic), abs=1e-9)
        assert history.valid_rank_ic[history.best_epoch - 1] > 0.2


def test_it_learns_the_weighted_loss_better_than_the_plain_one_does() -> None:
    """What the weights are for: on the same rows the weighted loss of wmse's trees is the lower one."""
    parts = {loss: (samples(60, 1, loss), samples(25, 2, loss)) for loss in ("wmse", "mse")}
    losses = {}
    for loss, (training, validation) in parts.items():
        boosters, _ = fit(XGBoostConfig(), training, validation)
        forecasts = predict_trees(boosters, [0], parts["wmse"][1].features, threads=1)[0, :, 0]
        losses[loss] = parts["wmse"][1].loss(forecasts)
    assert losses["wmse"] < losses["mse"]


def test_the_same_seed_gives_the_same_bytes_whatever_others_are_fitted(sets, fitted) -> None:
    boosters, histories = fitted
    alone, [history] = fit(XGBoostConfig(), *sets, seeds=(7,))
    assert torch.equal(alone[booster_name(7)], boosters[booster_name(7)])
    assert history == histories[2]
    assert not torch.equal(boosters[booster_name(0)], boosters[booster_name(1)])


def test_rounds_end_where_the_configuration_says(sets) -> None:
    _, [history] = fit(XGBoostConfig(rounds=5), *sets)
    assert (history.best_epoch, history.outcome, len(history.valid_loss)) == (5, "reached max_epochs", 5)


def test_forecasts_survive_safetensors_and_do_not_depend_on_other_rows(sets, fitted) -> None:
    boosters, _ = fitted
    features = sets[1].features
    whole = predict_trees(load(save(boosters)), [0, 1, 7], features, threads=2)
    assert whole.dtype == np.float32
    assert whole.shape == (3, len(features), 1)
    for rows in (slice(0, 1), slice(10, 40)):
        assert np.array_equal(predict_trees(boosters, [0, 1, 7], features[rows], threads=1), whole[:, rows])


@pytest.mark.parametrize(("column", "reason"), [("features", "inf"), ("labels", "NaN")])
def test_samples_that_the_library_refuses_are_named(column: str, reason: str) -> None:
    spoilt = samples(5, 1)
    getattr(spoilt, column)[3] = np.inf if column == "features" else np.nan
    with pytest.raises(TrainingError, match=rf"^xgboost refuses the samples \(.*{reason}.*\); look at the panel"):
        fit(XGBoostConfig(), spoilt, samples(5, 2))


def test_boosters_that_do_not_fit_are_named(sets, fitted) -> None:
    boosters, features = fitted[0], sets[1].features
    name = booster_name(1)
    with pytest.raises(CheckpointError, match=f"{name} was fitted on 5 factors, not on 4"):
        predict_trees(boosters, [1], features[:, :4], threads=1)
    with pytest.raises(CheckpointError, match=r"no seed_3\.booster, only seed_0\.booster, seed_1\.booster"):
        predict_trees(boosters, [3], features, threads=1)
    for cut, message in ((0, f"no {name}"), (1000, f"{name} is damaged"), (len(boosters[name]) - 200, "damaged")):
        with pytest.raises(CheckpointError, match=message):
            predict_trees({name: boosters[name][:cut]}, [1], features, threads=1)
