"""Predictions of a checkpoint: each seed's model on each session, their mean, and the mean of the tasks."""

import numpy as np
import torch
from numpy.typing import NDArray

from attn_platform.errors import CheckpointError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import build_network
from attn_platform.models.trees import predict_trees
from attn_platform.progress import tqdm
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.device import fixed_threads, freed_memory_kept, resolve_device
from attn_platform.training.samples import Samples


def network_of(checkpoint: Checkpoint, device: torch.device) -> StackedNetwork:
    """The checkpoint's network with its weights, a member a seed, ready to predict.

    Raises CheckpointError if the weights are another network's.
    """
    manifest = checkpoint.manifest
    network = build_network(manifest.network, len(manifest.features), len(manifest.labels), manifest.seeds)
    try:
        network.load_state_dict(dict(checkpoint.weights))
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of {manifest.model} do not fit its network ({error}); train the window again"
        ) from error
    dtype = next(iter(checkpoint.weights.values())).dtype
    return network.to(device, dtype).eval()


def session_batch(samples: Samples, number: int, members: int, like: torch.Tensor) -> SessionBatch:
    """Session `number` of the samples for every member, in the precision and on the device of `like`."""
    held = slice(int(samples.offsets[number]), int(samples.offsets[number + 1]))
    features = torch.tensor(samples.features(held), dtype=like.dtype, device=like.device)
    groups = None
    if samples.groups is not None:
        groups = torch.from_numpy(samples.groups[held]).to(like.device).expand(members, -1)
    sizes = ((held.stop - held.start,),) * members
    return SessionBatch(features.expand(members, *features.shape), sizes, groups)


def predict_by_seed(
    checkpoint: Checkpoint, samples: Samples, device: str = "auto", progress: bool = False
) -> NDArray[np.floating]:
    """Predictions [S, R, K] in the weights' precision (float32 also of networks trained in bfloat16).

    Sessions are evaluated one at a time: a matrix product may round differently with the number of its rows, and a
    stock's forecast must be the same bits whatever other sessions are asked for.
    Raises CheckpointError if features or weights do not fit.
    """
    manifest = checkpoint.manifest
    manifest.require_features(samples.feature_names)
    if isinstance(manifest.network, XGBoostConfig):
        return predict_trees(checkpoint.weights, manifest.seeds, samples.features(), manifest.training.threads)
    network = network_of(checkpoint, resolve_device(device))
    like = network.heads.weight
    predictions = torch.empty(len(manifest.seeds), len(samples), len(manifest.labels), dtype=like.dtype)
    with fixed_threads(manifest.training.threads), freed_memory_kept(), torch.inference_mode():
        for number in tqdm(range(len(samples.sessions)), disable=not progress, unit="session"):
            held = slice(int(samples.offsets[number]), int(samples.offsets[number + 1]))
            batch = session_batch(samples, number, len(manifest.seeds), like)
            predictions[:, held] = network(batch).cpu()
    return predictions.numpy()


def predict(
    checkpoint: Checkpoint, samples: Samples, device: str = "auto", progress: bool = False
) -> NDArray[np.floating]:
    """Mean over the seeds of `predict_by_seed`: [R, K] (AI-69, AI-55)."""
    return predict_by_seed(checkpoint, samples, device, progress).mean(axis=0)


def mean_of_tasks(predictions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Equal mean of the tasks' predictions [..., K] → [...]: AI-69's "10d+20d"."""
    return predictions.mean(axis=-1)
