from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from attn_platform.errors import CheckpointError
from attn_platform.models.configuration import MultiTaskBaselineConfig
from attn_platform.training.checkpoints import Checkpoint, manifest_of
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity
from attn_platform.training.manifest import CheckpointWindow, SessionRange
from attn_platform.training.prediction import mean_of_tasks, predict, predict_by_seed
from attn_platform.training.samples import Samples
from attn_platform.training.trainer import train
from attn_platform_tests.training.synthetic import ragged, with_features

DAY = SessionRange(first=date(2011, 1, 4), last=date(2011, 1, 4))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    result = train(
        MultiTaskBaselineConfig(width=32, normalisation="batch"),
        ragged(40, stocks=(60, 80)),
        ragged(8, first="2011-06-01", seed=1, stocks=(60, 80)),
        TrainingConfig(learning_rate=3e-3, max_epochs=6, threads=2, device="cpu"),
        seeds=(0, 1, 2),
        progress=False,
    )
    window = CheckpointWindow(train=DAY, valid=DAY, test=DAY, purge=0)
    manifest = manifest_of(
        result, model="baseline", window=window, preprocessing_fingerprint="p", data_fingerprint="d",
        identity=ModelIdentity(parts={}),
    )  # fmt: skip
    return Checkpoint(result.weights, manifest)


@pytest.fixture(scope="module")
def test_set() -> Samples:
    return ragged(6, first="2011-09-01", seed=2, stocks=(60, 80))


def test_against_the_formula_in_float64(checkpoint: Checkpoint, test_set: Samples) -> None:
    weights = {name: tensor.double().numpy() for name, tensor in checkpoint.weights.items()}
    predictions = predict_by_seed(checkpoint, test_set, device="cpu")
    assert predictions.shape == (3, len(test_set), 2)
    assert predictions.dtype == np.float32
    for seed in range(3):
        x = test_set.features().astype(np.float64)
        for block in ("0", "1"):
            linear, norm = f"shared.linears.{block}", f"shared.norms.{block}"
            x = np.maximum(x @ weights[f"{linear}.weight"][seed] + weights[f"{linear}.bias"][seed], 0)
            x = (x - weights[f"{norm}.running_mean"][seed]) / np.sqrt(weights[f"{norm}.running_var"][seed] + 1e-5)
            x = x * weights[f"{norm}.weight"][seed] + weights[f"{norm}.bias"][seed]
        expected = x @ weights["heads.weight"][seed] + weights["heads.bias"][seed]
        np.testing.assert_allclose(predictions[seed], expected, atol=2e-5)


def test_a_forecast_is_the_same_bits_whatever_else_is_asked_for(checkpoint: Checkpoint, test_set: Samples) -> None:
    together = predict_by_seed(checkpoint, test_set, device="cpu")
    for session, start, stop in zip(test_set.sessions, test_set.offsets, test_set.offsets[1:], strict=False):
        alone = predict_by_seed(checkpoint, test_set.between(session, session), device="cpu")
        assert alone.tobytes() == np.ascontiguousarray(together[:, start:stop]).tobytes()


def test_later_sessions_change_nothing(checkpoint: Checkpoint, test_set: Samples) -> None:
    features = test_set.features()
    features[test_set.offsets[3] :] = 1e3
    changed = predict(checkpoint, with_features(test_set, features), device="cpu")
    before = slice(0, test_set.offsets[3])
    assert changed[before].tobytes() == predict(checkpoint, test_set, device="cpu")[before].tobytes()


def test_labels_are_not_needed_and_not_read(checkpoint: Checkpoint, test_set: Samples) -> None:
    unlabelled = replace(test_set, labels=test_set.labels[:, :0], label_names=())
    np.testing.assert_array_equal(predict(checkpoint, unlabelled), predict(checkpoint, test_set))


def test_prediction_is_the_mean_of_the_seeds_and_finds_the_signal(checkpoint: Checkpoint, test_set: Samples) -> None:
    by_seed, mean = predict_by_seed(checkpoint, test_set), predict(checkpoint, test_set)
    np.testing.assert_allclose(mean, (by_seed[0] + by_seed[1] + by_seed[2]) / 3, rtol=1e-5, atol=1e-6)
    sections = [slice(a, b) for a, b in pairwise(test_set.offsets)]
    for task in range(2):
        rank_ics = [stats.spearmanr(mean[s, task], test_set.labels[s, task]).statistic for s in sections]
        assert np.mean(rank_ics) > 0.4


def test_mean_of_tasks() -> None:
    np.testing.assert_array_equal(mean_of_tasks(np.array([[1.0, 3.0], [-2.0, 0.5]])), [2.0, -0.75])


def test_other_features_are_refused(checkpoint: Checkpoint, test_set: Samples) -> None:
    with pytest.raises(CheckpointError, match="unknown: size"):
        predict(checkpoint, replace(test_set, feature_names=("size", *test_set.feature_names[1:])))


def test_weights_of_another_shape_are_refused(checkpoint: Checkpoint, test_set: Samples) -> None:
    weights = dict(checkpoint.weights) | {"heads.bias": torch.zeros(3, 1, 5)}
    with pytest.raises(CheckpointError, match=r"(?s)baseline do not fit.*heads\.bias.*train the window again"):
        predict(replace(checkpoint, weights=weights), test_set)


def test_no_sessions_give_no_predictions(checkpoint: Checkpoint, test_set: Samples) -> None:
    nothing = test_set.between(np.datetime64("2030-01-01"), np.datetime64("2030-01-02"))
    assert predict(checkpoint, nothing).shape == (0, 2)
