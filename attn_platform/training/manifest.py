"""The manifest of a checkpoint: everything that its weights were made from, by and how. Reading it loads no weights."""

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from attn_platform.errors import CheckpointError, ConfigurationError
from attn_platform.models.history import SeedHistory
from attn_platform.models.registry import AnyNetworkConfig
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity, differences_text

_log = logging.getLogger(__name__)

MANIFEST_FILE = "manifest.json"
REMEDY = "train the window again, or restore the folder from a backup"
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


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; CheckpointError, naming file and remedy, if it is missing or damaged."""
    try:
        return Manifest.model_validate_json(read_file(path))
    except (ValidationError, ConfigurationError) as error:
        raise CheckpointError(f"{path} cannot be understood ({error}); {REMEDY}") from error


def read_file(path: Path) -> bytes:
    """What is in a file of a checkpoint; CheckpointError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from error
