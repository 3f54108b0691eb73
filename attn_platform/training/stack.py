"""Members of a stack in training: networks of several seeds, on a GPU of several windows, side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.losses import weighted_squared_error
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.training.adam import StackedAdam
from attn_platform.training.device import matrix_precision


@dataclass(frozen=True)
class Member:
    """One network of a stack: a seed, and the position of its window among those trained together."""

    window: int
    seed: int


class MemberStack:
    """The members still in training: their network and their Adam state."""

    def __init__(
        self, network: StackedNetwork, members: Sequence[Member], learning_rate: float, compiled: bool = False
    ) -> None:
        self.network = network
        self.members = list(members)
        self.adam = StackedAdam(network, learning_rate)
        self._forward: Callable[[SessionBatch], Tensor] = torch.compile(network, dynamic=True) if compiled else network

    def step(
        self,
        batch: SessionBatch,
        labels: Tensor,
        weights: Tensor,
        counts: Sequence[int],
        precision: str,
        active: Sequence[bool] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One Adam step of each active member (None: all) on its own batch.

        Returns the losses before it [S], means over the member's `counts` of sessions or samples, and whether loss and
        gradient are finite [S]. Idle members keep weights, moments and running statistics.
        """
        buffers = [] if active is None else [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        loss = self.loss(batch, labels, weights, counts, precision)
        self.adam.forget_gradients()
        loss.sum().backward()  # no member has a part in another's loss, so the sum's gradient is each member's own
        finite = self.adam.step(active) & loss.isfinite()
        for buffer, before in buffers:
            idle = ~torch.tensor(active, device=buffer.device)
            buffer[idle] = before[idle]
        return loss.detach(), finite

    def loss(
        self, batch: SessionBatch, labels: Tensor, weights: Tensor, counts: Sequence[int], precision: str
    ) -> Tensor:
        """Mean loss of each member [S] over the sessions, or samples, of its batch."""
        with matrix_precision(precision, labels.device):
            predictions = self._forward(batch)
        total = weighted_squared_error(predictions.to(labels.dtype), labels, weights)
        return total / torch.tensor(counts, dtype=total.dtype, device=total.device)

    def keep(self, positions: Sequence[int]) -> None:
        """Drop all members but those at `positions`: parameters, buffers and Adam state."""
        index = torch.tensor(positions, dtype=torch.int64, device=self.adam.weights.device)
        self.network.keep_seeds(index)
        self.adam.keep(index)
        self.members = [self.members[position] for position in positions]
