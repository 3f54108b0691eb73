"""What a trained model is: each part of it with the code that it runs and the values that it was configured with.

A checkpoint keeps the identity that it was trained under. Whoever forecasts with it, or starts from its weights, asks
for one; where they differ in anything that the model learned from or consists of, the checkpoint is not what is asked
for. The code of the training itself (optimiser, batches, early stop) is on record as well, and refuses nothing: weights
found by an older loop are weights of the same model. It marks the checkpoint's asset as out of date, and a training
that was killed goes on only under the same code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from attn_platform.models.configuration import NetworkConfig, XGBoostConfig
from attn_platform.models.registry import network_source
from attn_platform.source_identity import Definition, source_identity
from attn_platform.training.config import TrainingConfig
from attn_platform.training.fingerprints import content_fingerprint
from attn_platform.training.labels import LabelConfig, label_prices, training_labels
from attn_platform.training.windows import WindowConfig

FACTOR = "factor "  # of each factor that the model reads, by name
NETWORK = "network "  # of the model's network, by its name
FACTORS = "factors"  # what they share, and which of them are missing for everybody
UNIVERSE, PREPROCESSING = "universe", "pre-processing"
LABELS, LOSS, TRAINING, THINNING = "labels", "loss", "training", "thinning"
SESSIONS_EVERY = "sessions_every"  # as `TrainingConfig` has it
MISSING = "missing"
# What a machine decides, not a study: no part of what is trained, but for rounding
MACHINE_SETTINGS = frozenset({"threads", "stacking", "device", "precision", "compile", "windows_together", "memory_gb"})
# Whose code is compared without being loaded
SESSION_BATCH = Definition("attn_platform.models.batch", "SessionBatch")
PREDICT_TREES, FIT_TREES = (Definition("attn_platform.models.trees", name) for name in ("predict_trees", "fit_trees"))
LOSS_CODE = [Definition("attn_platform.models.losses", name) for name in ("row_weights", "weighted_squared_error")]
TRAIN_TOGETHER = Definition("attn_platform.training.trainer", "train_together")
_MOST_NAMED = 5


class Part(BaseModel):
    """Hash of the code of one part of a model (empty: it has none), and what was configured, as JSON holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = ""
    settings: dict[str, Any] = {}


class ModelIdentity(BaseModel):
    """The parts of a model by the name that messages call them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, Part]

    def code(self, *names: str) -> str:
        """Hash over the code of the parts named, of all of them without names."""
        return content_fingerprint([self.parts[name].code for name in sorted(names or self.parts)])

    def origins(self) -> dict[str, str]:
        """What the rows of the panel come from (`market.origins`): a hash by factor and rule.

        It is empty for a factor that is missing for everybody.
        """
        if FACTORS not in self.parts:
            return {}
        shared = dict(self.parts[FACTORS].settings)
        missing = shared.pop(MISSING)
        found = {name: self.parts[name] for name in (UNIVERSE, PREPROCESSING) if name in self.parts}
        hashes = {name: content_fingerprint(part.model_dump()) for name, part in found.items()}
        for name, part in self.parts.items():
            if name.startswith(FACTOR):
                factor = name.removeprefix(FACTOR)
                hashes[factor] = "" if factor in missing else content_fingerprint([part.model_dump(), shared])
        return hashes

    def differences(self, asked: ModelIdentity, code_of_training: bool = False) -> list[str]:
        """What differs between this identity, of what is there, and the one `asked` for, a phrase a difference.

        A setting that only one of them has stands for a difference in code, if it means any. `code_of_training`: the
        code of the training counts as well.
        """
        found = []
        for name in dict.fromkeys((*asked.parts, *self.parts)):
            held, wanted = self.parts.get(name), asked.parts.get(name)
            if held is None or wanted is None:
                found.append(f"{name}: {'not in it' if held is None else 'no longer asked for'}")
                continue
            if held.code != wanted.code and (code_of_training or name != TRAINING):
                found.append(f"{name}: its {'source' if name.startswith(FACTOR) else 'code'} changed")
            found += [
                f"{name.replace(' ', '.')}.{path} {old} / {new}"
                for path, old, new in _differing(held.settings, wanted.settings)
            ]
        return found


def differences_text(differences: Sequence[str]) -> str:
    """Differences as one line, the first of them where there are many."""
    more = len(differences) - _MOST_NAMED
    return "; ".join(differences[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def network_parts(network: NetworkConfig) -> dict[str, Part]:
    """The part of a network with its layers, or of the trees; what its configuration class computes included."""
    is_trees = isinstance(network, XGBoostConfig)
    code = (PREDICT_TREES,) if is_trees else (network_source(network), SESSION_BATCH)
    settings = network.model_dump(mode="json", exclude={"name"})
    return {f"{NETWORK}{network.name}": Part(code=source_identity(type(network), *code), settings=settings)}


def label_parts(labels: LabelConfig) -> dict[str, Part]:
    """The part of the labels: returns, cross-section, ranks."""
    code = source_identity(label_prices, training_labels, LabelConfig)
    return {LABELS: Part(code=code, settings=labels.model_dump(mode="json"))}


def training_parts(training: TrainingConfig, network: NetworkConfig, seeds: Sequence[int]) -> dict[str, Part]:
    """The parts of the loss, and of the training with its loop; trees have but the seeds of its settings.

    Thinning is a part of its own, which a model trained on all sessions has not.
    """
    loss = Part(code=source_identity(*LOSS_CODE), settings=training.loss.model_dump(mode="json"))
    is_trees = isinstance(network, XGBoostConfig)
    settings = {} if is_trees else training.model_dump(mode="json", exclude={*MACHINE_SETTINGS, "loss", SESSIONS_EVERY})
    # Comparing identities decides whether a training goes on, not what is trained
    code = source_identity(FIT_TREES if is_trees else TRAIN_TOGETHER, without=(source_identity,))
    parts = {LOSS: loss, TRAINING: Part(code=code, settings={**settings, "seeds": list(seeds)})}
    if training.sessions_every > 1:
        parts[THINNING] = Part(settings={SESSIONS_EVERY: training.sessions_every})
    return parts


def window_parts(windows: WindowConfig) -> dict[str, Part]:
    """The part of the lengths of a window's sets."""
    return {"windows": Part(settings={"train": windows.train, "valid": windows.valid})}


_Difference = tuple[str, str, str]


def _differing(held: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[_Difference]:
    """Paths of settings that both have with other values, and both values; inside of them of what either has."""
    for name in [name for name in held if name in asked]:
        yield from _compared(name, held[name], asked[name])


def _compared(path: str, old: Any, new: Any) -> Iterator[_Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from _compared(f"{path}.{name}", old.get(name), new.get(name))
    elif old != new:
        yield path, _shown(old), _shown(new)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
