"""Checkpoints: weights and everything needed to use, trace and repeat them, without pickle.

A checkpoint is a folder of two files: `weights-<hash>.safetensors` (each tensor with a leading seed axis), named by its
content, and `manifest.json`, which names that content. The manifest is replaced last, so at every moment, and after a
kill, the folder is the old checkpoint or the new one.
"""

import hashlib
import json
import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from attn_platform.errors import CheckpointError, ConfigurationError
from attn_platform.models.history import SeedHistory
from attn_platform.models.registry import AnyNetworkConfig
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity, differences_text
from attn_platform.training.trainer import TrainingResult
from attn_platform.writing import replacing, write_atomically

_log = logging.getLogger(__name__)

UNNAMED_WEIGHTS = "weights.safetensors"
"""Weights of checkpoints from before they were named by their content."""
MANIFEST_FILE = "manifest.json"
# Characters of the content's SHA-256 in the name of a file of weights
_NAMED_BY = 16
_REMEDY = "train the window again, or restore the folder from a backup"
# What a repeated run measures anew: no part of what the checkpoint is
_MEASUREMENTS = {"created", "seconds", "peak_memory_bytes"}


class SessionRange(BaseModel):
    """First and last session of a set, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date
    last: date


class CheckpointWindow(BaseModel):
    """The sets of a rolling window, before the purge, and how many sessions are purged from train and valid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: SessionRange
    valid: SessionRange
    test: SessionRange
    purge: int = Field(ge=0)


class Manifest(BaseModel):
    """What a checkpoint was made from, by and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    network: AnyNetworkConfig
    training: TrainingConfig
    features: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    window: CheckpointWindow
    preprocessing_fingerprint: str
    data_fingerprint: str
    code_fingerprint: str
    identity: ModelIdentity | None = None
    """None of a checkpoint that was made before they kept it."""
    weights_sha256: str
    warm_started_from: str | None
    histories: tuple[SeedHistory, ...]
    device: str
    precision: str
    versions: dict[str, str]
    created: AwareDatetime
    seconds: float
    peak_memory_bytes: int

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that two runs of the same training share: no wall time, duration or memory."""
        unknown = {"identity"} if self.identity is None else set()
        content = self.model_dump(mode="json", exclude=_MEASUREMENTS | unknown)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def require_features(self, names: Sequence[str]) -> None:
        """CheckpointError that says what differs, unless `names` are the model's features in the same order."""
        if tuple(names) == self.features:
            return
        missing = [name for name in self.features if name not in names]
        unknown = [name for name in names if name not in self.features]
        differences = [
            f"{what}: {', '.join(those)}" for what, those in (("missing", missing), ("unknown", unknown)) if those
        ]
        raise CheckpointError(
            f"the features do not fit the checkpoint of {self.model} ({', '.join(differences) or 'another order'}); "
            "give it the features it was trained on, in their order, or train it again"
        )

    def require_identity(self, asked: ModelIdentity, preprocessing_fingerprint: str) -> None:
        """CheckpointError that says what differs, unless the checkpoint is the model that is `asked` for.

        One that was made before checkpoints kept their identity knows but the fingerprint of its panel's settings: it
        is taken, which is said once, where that is `preprocessing_fingerprint`.
        """
        if self.identity is None:
            self._require_preprocessing(preprocessing_fingerprint)
            _say_that_little_is_known(self.model)
        elif differences := self.identity.differences(asked):
            raise CheckpointError(
                f"the checkpoint of {self.model} for {self.window.test.first} is not what is asked for now (then / "
                f"now): {differences_text(differences)}; set these back, or train the window again"
            )

    def _require_preprocessing(self, fingerprint: str) -> None:
        if fingerprint != self.preprocessing_fingerprint:
            raise CheckpointError(
                f"{self.model} was trained for {self.window.test.first} on a panel of another universe, other factor "
                "settings or another pre-processing; set these back, or train the window again"
            )


@cache
def _say_that_little_is_known(model: str) -> None:
    _log.warning(
        "checkpoints of %s were made before checkpoints kept the source of what they were trained on: whether factors, "
        "labels or network have changed since is not known; train them again to have it checked",
        model,
    )


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
        return [weights_file(manifest_path.parent, _manifest(manifest_path))]
    except CheckpointError:
        return []


def weights_file(directory: Path, manifest: Manifest) -> Path:
    """File of the weights that the manifest describes."""
    return directory / f"weights-{manifest.weights_sha256[:_NAMED_BY]}.safetensors"


def load_checkpoint(directory: Path) -> Checkpoint:
    """The checkpoint in `directory`; CheckpointError, naming file and remedy, if it is missing or damaged."""
    manifest_path = directory / MANIFEST_FILE
    manifest = _manifest(manifest_path)
    weights_path = weights_file(directory, manifest)
    if not weights_path.exists():
        # Replaced since its manifest was read, or written before weights were named by their content
        manifest = _manifest(manifest_path)
        named, unnamed = weights_file(directory, manifest), directory / UNNAMED_WEIGHTS
        weights_path = unnamed if unnamed.exists() and not named.exists() else named
    data = _read(weights_path)
    if _sha256(data) != manifest.weights_sha256:
        raise CheckpointError(
            f"{weights_path} is damaged: its {len(data)} bytes are not those the manifest describes; {_REMEDY}"
        )
    return Checkpoint(weights=load_tensors(data), manifest=manifest)


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_read(path))
    except (ValidationError, ConfigurationError) as error:
        raise CheckpointError(f"{path} cannot be understood ({error}); {_REMEDY}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {_REMEDY}") from error


def _serialised(weights: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.contiguous() for name, tensor in weights.items()})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
