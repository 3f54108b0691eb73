"""What is measured on the validation set after each epoch: the loss, which decides, and the RankIC, which informs."""

from itertools import pairwise

import torch
from torch import Tensor

from attn_platform.models.losses import weighted_squared_error
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.training.samples import TrainingTensors


def standardised_ranks(values: Tensor) -> Tensor:
    """Ranks along the last axis, ties sharing their mean, centred and of unit length; all zeros if all are equal.

    The sum of products of two such vectors is Spearman's correlation.
    """
    values = values.contiguous()
    ordered = values.sort(dim=-1).values.contiguous()
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    centred = (below + not_above - values.shape[-1]).double()  # twice the rank's distance from the mean rank
    return torch.nn.functional.normalize(centred, dim=-1)


class Validation:
    """The validation set with its labels ranked once."""

    def __init__(self, tensors: TrainingTensors) -> None:
        self.tensors = tensors
        labels = tensors.labels.T
        self.label_ranks = [standardised_ranks(labels[:, start:stop]) for start, stop in pairwise(tensors.offsets)]

    @torch.inference_mode()
    def measure(self, network: StackedNetwork, seed_count: int) -> tuple[Tensor, Tensor]:
        """Loss [S] and RankIC [S], float64: means over the sessions, the RankIC also over the tasks."""
        tensors = self.tensors
        loss = tensors.labels.new_zeros(seed_count, dtype=torch.float64)
        rank_ic = torch.zeros_like(loss)
        for session, label_ranks in enumerate(self.label_ranks):
            batch, labels, weights = tensors.gather([[session]] * seed_count)
            predictions = network(batch).to(labels.dtype)
            loss += weighted_squared_error(predictions, labels, weights)
            valid = predictions[:, : label_ranks.shape[-1]]
            rank_ic += (standardised_ranks(valid.mT) * label_ranks).sum(-1).mean(-1)
        return loss / tensors.session_count, rank_ic / tensors.session_count
