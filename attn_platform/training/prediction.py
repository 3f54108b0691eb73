"""Predictions of a checkpoint: each seed's network on each session, their mean, and the mean of the tasks."""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from attn_platform.errors import CheckpointError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.registry import build_network
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.device import fixed_threads, resolve_device
from attn_platform.training.samples import CrossSections


def predict_by_seed(
    checkpoint: Checkpoint, cross_sections: CrossSections, device: str = "auto", progress: bool = False
) -> NDArray[np.floating]:
    """Predictions [S, R, K] in the weights' precision (float32 also of networks trained in bfloat16).

    Sessions are evaluated one at a time: a matrix product may round differently with the number of its rows, and a
    stock's forecast must be the same bits whatever other sessions are asked for.
    Raises CheckpointError if features or weights do not fit.
    """
    manifest = checkpoint.manifest
    manifest.require_features(cross_sections.feature_names)
    network = build_network(manifest.network, len(manifest.features), len(manifest.labels), manifest.seeds)
    try:
        network.load_state_dict(dict(checkpoint.weights))
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of {manifest.model} do not fit its network ({error}); train the window again"
        ) from error
    torch_device = resolve_device(device)
    dtype = next(iter(checkpoint.weights.values())).dtype
    network.to(torch_device, dtype).eval()
    seed_count, offsets = len(manifest.seeds), cross_sections.offsets
    predictions = torch.empty(seed_count, len(cross_sections.features), len(manifest.labels), dtype=dtype)
    with fixed_threads(manifest.training.threads), torch.inference_mode():
        for first, stop in tqdm(
            zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True),
            total=len(cross_sections.sessions),
            disable=not progress,
            unit="session",
        ):
            features = torch.tensor(cross_sections.features[first:stop], dtype=dtype, device=torch_device)
            batch = SessionBatch(features.expand(seed_count, -1, -1), ((stop - first,),) * seed_count)
            predictions[:, first:stop] = network(batch).cpu()
    return predictions.numpy()


def predict(
    checkpoint: Checkpoint, cross_sections: CrossSections, device: str = "auto", progress: bool = False
) -> NDArray[np.floating]:
    """Mean over the seeds of `predict_by_seed`: [R, K] (AI-69, AI-55)."""
    return predict_by_seed(checkpoint, cross_sections, device, progress).mean(axis=0)


def mean_of_tasks(predictions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Equal mean of the tasks' predictions [..., K] → [...]: AI-69's "10d+20d"."""
    return predictions.mean(axis=-1)
