"""What a model reads: parts, attention and factors behind its forecasts of one session.

Factors are attributed by integrated gradients (Sundararajan, Taly & Yan 2017) along the straight path from all zeros,
every factor at its cross-section's mean, to the session's values x: for a target g, factor f of stock j gets

    x_jf ∫₀¹ ∂g/∂x_jf (α x) dα,

and these attributions sum to g(x) − g(0). Everything is that of the mean over the seeds, which is what is traded.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.evaluation.config import ExplanationConfig
from attn_platform.evaluation.explanation import Array, SessionExplanation, StockExplanation
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.device import fixed_threads, resolve_device
from attn_platform.training.manifest import Manifest
from attn_platform.training.prediction import network_of, session_batch
from attn_platform.training.samples import Samples

BETWEEN_STOCKS = ("stocks", "neighbours")  # attention with a row and a column a stock

_log = logging.getLogger(__name__)


def can_explain(manifest: Manifest) -> bool:
    """Whether the model is a network; trees have no gradients."""
    return not isinstance(manifest.network, XGBoostConfig)


def explain_session(
    checkpoint: Checkpoint,
    samples: Samples,
    horizon: str,
    config: ExplanationConfig,
    device: str = "auto",
) -> SessionExplanation:
    """What gives the forecasts of the samples' one session, for a task ("10d") or a mean of tasks ("10d+20d").

    The variance is that of the forecasts f over the stocks. Its attributions are those of Σ_m c_m f_m, with c_m fixed
    at the session's f_m − mean f: this is the variance at x, and 0 at zeros, where all stocks have the same forecast.
    Raises CheckpointError for trees and for features that are not the model's.
    """
    means = _Means(len(checkpoint.manifest.seeds))
    parts, attention = _Means(means.count), _Means(means.count)
    with fixed_threads(checkpoint.manifest.training.threads):
        for network, batch, mixture in _members(checkpoint, samples, horizon, device):
            with torch.no_grad():
                means.add("forecast", network(batch)[0] @ mixture)
                for name, part in network.forecast_parts(batch).items():
                    parts.add(name, part[0] @ mixture)
                for name, weights in network.attention(batch).items():
                    attention.add(name, weights[0] if name in BETWEEN_STOCKS else weights[0].mean(0))
        forecast = means["forecast"]
        centred = forecast - forecast.mean()
        variance = centred @ centred
        targets = centred / variance if variance > 0 else centred
        for network, batch, mixture in _members(checkpoint, samples, horizon, device):
            means.add("attributions", integrated_gradients(network, batch, _targets(targets, mixture), config))
    return SessionExplanation(
        symbols=samples.symbols,
        feature_names=samples.feature_names,
        forecast=forecast,
        parts=parts,
        attention=attention,
        attributions=_by_step(means["attributions"]),
    )


def explain_stock(
    checkpoint: Checkpoint,
    samples: Samples,
    symbol: str,
    horizon: str,
    config: ExplanationConfig,
    device: str = "auto",
) -> StockExplanation:
    """What gives one stock's forecast on the samples' one session.

    Raises MissingDataError if the stock is not in the session's cross-section; else as `explain_session`.
    """
    row = int(np.searchsorted(samples.symbols, symbol))
    if row == len(samples.symbols) or samples.symbols[row] != symbol:
        raise MissingDataError(
            f"{symbol} is not in the cross-section of {samples.sessions[0]}; choose one of its {len(samples)} stocks "
            f"(attn universe --date {samples.sessions[0]} lists them)"
        )
    chosen = np.eye(len(samples))[row]
    means = _Means(len(checkpoint.manifest.seeds))
    parts = _Means(means.count)
    with fixed_threads(checkpoint.manifest.training.threads):
        for network, batch, mixture in _members(checkpoint, samples, horizon, device):
            with torch.no_grad():
                means.add("forecast", network(batch)[0, row] @ mixture)
                at_means = network(replace(batch, features=torch.zeros_like(batch.features)))
                means.add("start", at_means[0, row] @ mixture)
                for name, part in network.forecast_parts(batch).items():
                    parts.add(name, part[0, row] @ mixture)
            means.add("attributions", integrated_gradients(network, batch, _targets(chosen, mixture), config))
    own = _by_step(means["attributions"])
    return StockExplanation(
        symbol=symbol,
        feature_names=samples.feature_names,
        forecast=float(means["forecast"]),
        parts={name: float(part) for name, part in parts.items()},
        start=float(means["start"]),
        attributions=own[row],
        others=float(np.delete(own, row, axis=0).sum()),
    )


def integrated_gradients(
    network: StackedNetwork, batch: SessionBatch, targets: Tensor, config: ExplanationConfig
) -> Tensor:
    """Attributions of Σ targets · predictions, targets [M, K], for a network of one member: as the features [M, …, F].

    Networks over steps read each sample by itself, so those with targets are taken, some at a time; a cross-section is
    one piece.
    """
    if batch.features.dim() == 3:
        return _attributions(network, batch, targets, config)
    attributions = torch.zeros_like(batch.features[0])
    for rows in targets.any(dim=1).nonzero()[:, 0].split(config.samples_at_once):
        piece = SessionBatch(batch.features[:, rows], ((len(rows),),))
        attributions[rows] = _attributions(network, piece, targets[rows], config)
    return attributions


def _attributions(network: StackedNetwork, batch: SessionBatch, targets: Tensor, config: ExplanationConfig) -> Tensor:
    at_means = replace(batch, features=torch.zeros_like(batch.features))
    with torch.no_grad():
        difference = float((targets * (network(batch) - network(at_means))[0]).sum())
    points = config.fewest_points
    while True:
        attributions = _path_gradient(network, batch, targets, points) * batch.features[0]
        missed = abs(float(attributions.sum()) - difference)
        if missed <= config.tolerance * float(attributions.abs().sum()):
            return attributions
        if 2 * points > config.most_points:
            _log.warning("with %d points, integrated gradients miss %.2g of %.2g", points, missed, difference)
            return attributions
        points *= 2


def _path_gradient(network: StackedNetwork, batch: SessionBatch, targets: Tensor, points: int) -> Tensor:
    """∫₀¹ gradient of Σ targets · predictions at α · features dα, by Gauss–Legendre's rule for u, α = u³.

    Layer norms turn fast where their input is small: evenly spread points would miss what happens near α = 0.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)  # on [−1, 1]
    u = (nodes + 1) / 2
    total = torch.zeros_like(batch.features[0])
    for alpha, weight in zip((u**3).tolist(), (weights / 2 * 3 * u**2).tolist(), strict=True):
        features = (alpha * batch.features).requires_grad_()
        predictions = network(replace(batch, features=features))[0]
        total += weight * torch.autograd.grad((targets * predictions).sum(), features)[0][0]
    return total


def _members(
    checkpoint: Checkpoint, samples: Samples, horizon: str, device: str
) -> Iterator[tuple[StackedNetwork, SessionBatch, Tensor]]:
    """Each seed's network alone, which bounds memory, with its batch and the weights of the tasks [K]."""
    manifest = checkpoint.manifest
    if not can_explain(manifest):
        raise CheckpointError(f"{manifest.model} is no network; explain one of the study's networks instead")
    manifest.require_features(samples.feature_names)
    tasks = horizon.split("+")
    mixture = torch.tensor([float(label in tasks) / len(tasks) for label in manifest.labels])
    for number, seed in enumerate(manifest.seeds):
        member = Checkpoint(
            {name: tensor[number : number + 1] for name, tensor in checkpoint.weights.items()},
            manifest.model_copy(update={"seeds": (seed,)}),
        )
        network = network_of(member, resolve_device(device))
        network.requires_grad_(False)
        like = network.heads.weight
        yield network, session_batch(samples, 0, 1, like), mixture.to(like)


def _targets(of_stocks: Array, mixture: Tensor) -> Tensor:
    return torch.outer(torch.from_numpy(of_stocks).to(mixture), mixture)


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()


def _by_step(attributed: Array) -> Array:
    return attributed if attributed.ndim == 3 else attributed[:, np.newaxis]


class _Means(dict[str, Array]):
    """Means over `count` seeds by name, of what is added seed by seed."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def add(self, name: str, values: Tensor) -> None:
        """What one seed has."""
        share = _array(values) / self.count
        self[name] = self[name] + share if name in self else share
