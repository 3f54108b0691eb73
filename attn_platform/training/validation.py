"""What is measured on the validation sets after each epoch: the loss, which decides, and the RankIC, which informs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.losses import weighted_squared_error
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.ranks import standardised_ranks
from attn_platform.training.samples import SampleTensors


class Validation:
    """The validation sets with their labels ranked once."""

    def __init__(self, tensors: SampleTensors) -> None:
        self.tensors = tensors
        labels = tensors.labels.T
        self.label_ranks = [
            standardised_ranks(labels[:, start : start + size])
            for start, size in zip(tensors.starts[:-1].tolist(), tensors.sizes[:-1].tolist(), strict=True)
        ]

    @torch.inference_mode()
    def measure(self, network: StackedNetwork, windows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Loss [S] and RankIC [S], float64, of members with these windows: means over the sessions.

        The RankIC is the mean over the tasks, too. The windows go through their sessions side by side, one each.
        """
        tensors, distinct = self.tensors, sorted(set(windows))
        of_member = [distinct.index(window) for window in windows]
        index = torch.tensor(of_member, device=tensors.device)
        counts = [len(tensors.sessions_of_set[window]) for window in distinct]
        loss = tensors.labels.new_zeros(len(windows), dtype=torch.float64)
        rank_ic = torch.zeros_like(loss)
        for number in range(max(counts)):
            # A window whose sessions are over measures its last one again, which is not counted
            sessions = [
                tensors.sessions_of_set[window][min(number, count - 1)]
                for window, count in zip(distinct, counts, strict=True)
            ]
            samples, sizes = tensors.of_sessions(np.array(sessions)[:, None])
            batch, labels, weights = tensors.batch(samples, sizes)
            predictions = network(_for_members(batch, of_member, index)).to(labels.dtype)
            losses = weighted_squared_error(predictions, labels[index], weights[index])
            for place, (session, (size,)) in enumerate(zip(sessions, sizes, strict=True)):
                if number < counts[place]:
                    own = index == place
                    loss[own] += losses[own]
                    ranks = standardised_ranks(predictions[own, :size].mT)
                    rank_ic[own] += (ranks * self.label_ranks[session]).sum(-1).mean(-1)
        totals = torch.tensor([counts[place] for place in of_member], dtype=loss.dtype, device=loss.device)
        return loss / totals, rank_ic / totals


def _for_members(batch: SessionBatch, of_member: Sequence[int], index: Tensor) -> SessionBatch:
    """The windows' batch, a row for each member."""
    sizes = tuple(batch.session_sizes[place] for place in of_member)
    if len(batch.features) == 1:  # nothing is copied for the seeds of a single window
        expanded = batch.features.expand(len(of_member), *batch.features.shape[1:])
        groups = None if batch.groups is None else batch.groups.expand(len(of_member), -1)
        return SessionBatch(expanded, sizes, groups)
    return SessionBatch(batch.features[index], sizes, None if batch.groups is None else batch.groups[index])
