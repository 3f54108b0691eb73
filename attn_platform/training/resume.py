"""State of a training after an epoch: a killed run goes on from it and ends in the weights of one that was not.

One safetensors file, written under a temporary name that is renamed. It says what was being trained; a state of
anything else is left alone, with what differs, and the training begins anew. Orders and dropout masks depend on seed
and epoch only, so no state of a random generator is kept.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from attn_platform.models.history import SeedProgress
from attn_platform.training.identity import ModelIdentity, differences_text
from attn_platform.training.stack import Member, MemberStack
from attn_platform.writing import replacing

_log = logging.getLogger(__name__)

_ABOUT = "about"
_ADAM, _BUFFER, _BEST = "adam/", "buffer/", "best/"


@dataclass
class StateAfterEpoch:
    """Records of all members, which of them are still stacked (positions among all), their best weights, the tensors.

    `tensors` hold the stacks' weights, Adam state and buffers by name; the best weights are on the CPU.
    """

    epoch: int
    records: list[SeedProgress]
    stacked: list[int]
    best: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def before_the_first(cls, members: Sequence[Member]) -> Self:
        """Nothing done yet."""
        records = [SeedProgress(window=member.window, seed=member.seed) for member in members]
        return cls(epoch=0, records=records, stacked=list(range(len(members))))

    def take(self, stacks: Sequence[MemberStack]) -> None:
        """Remember the stacks as they are."""
        of_each = [
            _prefixed(_ADAM, stack.adam.state()) | _prefixed(_BUFFER, dict(stack.network.named_buffers()))
            for stack in stacks
        ]
        self.tensors = {name: torch.cat([of[name] for of in of_each]) for name in of_each[0]} if of_each else {}

    @torch.no_grad()
    def restore(self, stacks: Sequence[MemberStack]) -> None:
        """Make new stacks of the members that are still stacked what was remembered."""
        first = 0
        for stack in stacks:
            rows = slice(first, first := first + len(stack.members))
            own = {name: tensor[rows] for name, tensor in self.tensors.items()}
            stack.adam.restore(_without_prefix(_ADAM, own))
            for name, buffer in stack.network.named_buffers():
                buffer.copy_(own[_BUFFER + name])


class _About(BaseModel):
    """What a file says of itself."""

    model_config = ConfigDict(extra="forbid")

    identity: ModelIdentity
    epoch: int
    records: list[SeedProgress]
    stacked: list[int]


class SavedState:
    """The file at `path` for the training that `identity` describes; without a path nothing is kept."""

    def __init__(self, path: Path | None, identity: ModelIdentity) -> None:
        self.path = path
        self.identity = identity

    def write(self, state: StateAfterEpoch) -> None:
        """Replace what was kept."""
        if self.path is None:
            return
        about = _About(identity=self.identity, epoch=state.epoch, records=state.records, stacked=state.stacked)
        tensors = dict(state.tensors)
        for member, weights in state.best.items():
            tensors |= _prefixed(f"{_BEST}{member}/", weights)
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with replacing(self.path) as temporary:
            save_file(contiguous, temporary, {_ABOUT: about.model_dump_json()})

    def read(self) -> StateAfterEpoch | None:
        """What `write` kept last for this training; None where there is nothing of it."""
        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about = _About.model_validate_json((file.metadata() or {}).get(_ABOUT, ""))
                if differences := about.identity.differences(self.identity, code_of_training=True):
                    _log.warning(
                        "%s is the state of another training (then / now): %s; beginning anew",
                        self.path, differences_text(differences),
                    )  # fmt: skip
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 – it is no mapping
        except (SafetensorError, OSError, ValidationError) as error:
            _log.warning("%s cannot be gone on from (%s); beginning anew", self.path, error)
            return None
        best = {
            member: weights
            for member in range(len(about.records))
            if (weights := _without_prefix(f"{_BEST}{member}/", tensors))
        }
        stacked = {name: tensor for name, tensor in tensors.items() if not name.startswith(_BEST)}
        return StateAfterEpoch(about.epoch, about.records, about.stacked, best, stacked)


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
