"""Ranks of a cross-section, ready for Spearman's correlation."""

import torch
from torch import Tensor


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
