"""Gradient-boosted trees: AI-55's XGBoost, by the library `xgboost`, on plain arrays.

Rows weigh what they weigh in the networks' loss (w_k of wmse; 1 for mse), the validation loss is the networks' own, and
the rounds up to the least one are kept. A seed is a booster of its own; it decides which rows and factors a tree sees.
Boosters are kept as the bytes of the library's UBJSON format, in tensors of uint8, so that a checkpoint holds them like
any weights, without pickle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from torch import Tensor
from xgboost.core import XGBoostError

from attn_platform.errors import CheckpointError, TrainingError
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.models.history import SeedHistory, SeedProgress
from attn_platform.models.ranks import standardised_ranks
from attn_platform.progress import tqdm

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class TreeSamples:
    """Rows of T sessions, session t at offsets[t] to offsets[t+1].

    features [R, F] float32; labels [R], no value missing; weights [R] as `losses.row_weights` gives them, so that a
    session's sum of weight × squared error is its loss; offsets [T+1].
    """

    features: FloatArray
    labels: FloatArray
    weights: FloatArray
    offsets: NDArray[np.int64]

    def loss(self, predictions: FloatArray) -> float:
        """Weighted squared error of predictions [R], mean over the sessions."""
        errors = predictions.astype(np.float64) - self.labels
        return float((self.weights * errors**2).sum() / (len(self.offsets) - 1))

    @property
    def sample_weights(self) -> FloatArray:
        """w_k [R]: the loss's weights less their division by the stocks of the session."""
        sizes = np.diff(self.offsets)
        return self.weights * np.repeat(sizes, sizes)


def fit_trees(
    config: XGBoostConfig,
    training: TreeSamples,
    validation: TreeSamples,
    seeds: Sequence[int],
    threads: int,
    progress: bool = True,
) -> tuple[dict[str, Tensor], tuple[SeedHistory, ...]]:
    """Boost one ensemble of trees a seed; their bytes by `booster_name`, up to the best round, and their histories.

    The same samples, configuration, seed and threads give the same bytes. Raises TrainingError where the library
    refuses the samples (a value that is infinite, a label that is missing).
    """
    labels = _LabelRanks(validation)
    boosters, histories = {}, []
    try:
        matrix = xgboost.QuantileDMatrix(
            training.features, training.labels, weight=training.sample_weights, nthread=threads
        )
        held_out = xgboost.DMatrix(validation.features, nthread=threads)
        with tqdm(total=config.rounds, disable=not progress, unit="round", dynamic_ncols=True) as bar:
            for seed in seeds:
                bar.reset()
                booster = xgboost.Booster(_parameters(config, seed, threads), cache=[matrix, held_out])
                record = SeedProgress(seed=seed)
                for number in range(config.rounds):
                    booster.update(matrix, number)
                    forecasts = booster.predict(held_out)
                    record.add(training.loss(booster.predict(matrix)), validation.loss(forecasts), labels.ic(forecasts))
                    bar.set_description(_headline(record))
                    bar.update()
                    if record.waited >= config.patience:
                        break
                boosters[booster_name(seed)] = _bytes(booster[: record.best_epoch])
                histories.append(record.history(config.patience))
    except XGBoostError as error:
        reason = str(error).partition("\nStack trace")[0].rpartition("Check failed: ")[2]
        raise TrainingError(f"xgboost refuses the samples ({reason}); look at the panel and the labels") from error
    return boosters, tuple(histories)


def predict_trees(
    boosters: Mapping[str, Tensor], seeds: Sequence[int], features: FloatArray, threads: int
) -> NDArray[np.float32]:
    """Predictions [S, R, 1] of each seed's booster for features [R, F]; a row's depend on that row alone.

    Raises CheckpointError if a booster is missing or damaged, or was fitted on another number of factors.
    """
    rows = xgboost.DMatrix(features, nthread=threads)
    return np.stack([_load(boosters, seed, features.shape[1], threads).predict(rows) for seed in seeds])[
        ..., np.newaxis
    ]


def booster_name(seed: int) -> str:
    """Name of a seed's bytes among a checkpoint's tensors."""
    return f"seed_{seed}.booster"


def _parameters(config: XGBoostConfig, seed: int, threads: int) -> dict[str, object]:
    return {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "learning_rate": config.learning_rate,
        "max_depth": config.depth,
        "subsample": config.row_sampling,
        "colsample_bytree": config.column_sampling,
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }


def _bytes(booster: xgboost.Booster) -> Tensor:
    return torch.frombuffer(booster.save_raw("ubj"), dtype=torch.uint8).clone()


def _load(boosters: Mapping[str, Tensor], seed: int, feature_count: int, threads: int) -> xgboost.Booster:
    name = booster_name(seed)
    content = boosters[name].numpy().tobytes() if name in boosters else b""
    if not content:  # which the library answers by ending the process
        raise CheckpointError(f"the checkpoint has no {name}, only {', '.join(boosters)}; train the window again")
    try:
        booster = xgboost.Booster({"nthread": threads}, model_file=bytearray(content))
    except XGBoostError as error:
        raise CheckpointError(f"{name} is damaged, xgboost cannot read it; train the window again") from error
    fitted_on = booster.num_features()
    if fitted_on != feature_count:
        raise CheckpointError(
            f"{name} was fitted on {fitted_on} factors, not on {feature_count}; train the window again"
        )
    return booster


def _headline(record: SeedProgress) -> str:
    rank_ic = record.valid_rank_ic[-1]
    return f"seed {record.seed} · best valid loss {record.best_loss:.5f} · valid RankIC {rank_ic:.4f}"


class _LabelRanks:
    """Ranks of the labels of each session, taken once."""

    def __init__(self, samples: TreeSamples) -> None:
        self.sessions = [slice(start, stop) for start, stop in pairwise(samples.offsets)]
        self.ranks = [standardised_ranks(torch.from_numpy(samples.labels[rows])) for rows in self.sessions]

    def ic(self, predictions: FloatArray) -> float:
        """Spearman's correlation of predictions [R] and labels, mean over the sessions; 0 where all are equal."""
        forecasts = torch.from_numpy(predictions)
        pairs = zip(self.sessions, self.ranks, strict=True)
        return float(np.mean([(standardised_ranks(forecasts[rows]) @ ranks).item() for rows, ranks in pairs]))
