"""Checkpoints: weights and everything needed to use, trace and repeat them, without pickle.

A checkpoint is a folder of two files: `weights-<hash>.safetensors` (each tensor with a leading seed axis), named by its
content, and `manifest.json`, which names that content. The manifest is replaced last, so at every moment, and after a
kill, the folder is the old checkpoint or the new one.
"""

import hashlib
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from attn_platform.errors import CheckpointError
from attn_platform.training.identity import ModelIdentity
from attn_platform.training.manifest import MANIFEST_FILE, REMEDY, CheckpointWindow, Manifest, read_file, read_manifest
from attn_platform.training.trainer import TrainingResult
from attn_platform.writing import replacing, write_atomically

UNNAMED_WEIGHTS = "weights.safetensors"
"""Weights of checkpoints from before they were named by their content."""
# Characters of the content's SHA-256 in the name of a file of weights
_NAMED_BY = 16


@dataclass(frozen=True)
class Checkpoint:
    """A trained model: `weights` [S, ...] by name, and its manifest."""

    weights: Mapping[str, Tensor]
    manifest: Manifest


def manifest_of(
    result: TrainingResult,
    *,
    model: str,
    window: CheckpointWindow,
    preprocessing_fingerprint: str,
    data_fingerprint: str,
    identity: ModelIdentity,
    warm_started_from: str | None = None,
) -> Manifest:
    """The manifest of a training result; the fingerprints name the panel's pre-processing and the samples' data."""
    return Manifest(
        model=model,
        network=result.network_config,
        training=result.training_config,
        features=result.feature_names,
        labels=result.label_names,
        seeds=result.seeds,
        window=window,
        preprocessing_fingerprint=preprocessing_fingerprint,
        data_fingerprint=data_fingerprint,
        code_fingerprint=identity.code(),
        identity=identity,
        weights_sha256=_sha256(_serialised(result.weights)),
        warm_started_from=warm_started_from,
        histories=result.histories,
        device=result.device,
        precision=result.precision,
        versions={"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        created=datetime.now(UTC),
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
    )


def save_checkpoint(directory: Path, weights: Mapping[str, Tensor], manifest: Manifest) -> None:
    """Write the checkpoint to `directory`, in place of an older one; nothing half-written ever bears that name.

    Raises CheckpointError if the manifest describes other weights.
    """
    data = _serialised(weights)
    if _sha256(data) != manifest.weights_sha256:
        raise CheckpointError(f"{directory}: the manifest describes other weights; make it from the same result")
    weights_path, manifest_path = weights_file(directory, manifest), directory / MANIFEST_FILE
    is_there = weights_path.exists()
    older = {directory / UNNAMED_WEIGHTS, *_described(manifest_path)} - {weights_path}
    try:
        with replacing(weights_path) as temporary:
            temporary.write_bytes(data)
        write_atomically(manifest_path, manifest.model_dump_json(indent=2))
    except BaseException:
        if not is_there:
            weights_path.unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()  # only succeeds where there was no checkpoint
        raise
    # What the older manifest described, not whatever lies there: another process may be saving, too
    for path in older:
        path.unlink(missing_ok=True)


def _described(manifest_path: Path) -> list[Path]:
    """The weights that a manifest describes; none where there is no manifest that can be read."""
    try:
        return [weights_file(manifest_path.parent, read_manifest(manifest_path))]
    except CheckpointError:
        return []


def weights_file(directory: Path, manifest: Manifest) -> Path:
    """File of the weights that the manifest describes."""
    return directory / f"weights-{manifest.weights_sha256[:_NAMED_BY]}.safetensors"


def load_checkpoint(directory: Path) -> Checkpoint:
    """The checkpoint in `directory`; CheckpointError, naming file and remedy, if it is missing or damaged."""
    manifest_path = directory / MANIFEST_FILE
    manifest = read_manifest(manifest_path)
    weights_path = weights_file(directory, manifest)
    if not weights_path.exists():
        # Replaced since its manifest was read, or written before weights were named by their content
        manifest = read_manifest(manifest_path)
        named, unnamed = weights_file(directory, manifest), directory / UNNAMED_WEIGHTS
        weights_path = unnamed if unnamed.exists() and not named.exists() else named
    data = read_file(weights_path)
    if _sha256(data) != manifest.weights_sha256:
        raise CheckpointError(
            f"{weights_path} is damaged: its {len(data)} bytes are not those the manifest describes; {REMEDY}"
        )
    return Checkpoint(weights=load_tensors(data), manifest=manifest)


def _serialised(weights: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.contiguous() for name, tensor in weights.items()})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
