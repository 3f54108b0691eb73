"""How many members of a stack fit the device: what a training step holds, measured on one of them."""

import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from attn_platform.training.config import TrainingConfig

BYTES_A_GB = 10**9
# Parts of the device's whole memory (not of what happens to be free, which would let the outcome depend on the hour)
SHARE_OF_GPU, SHARE_OF_CPU = 0.8, 0.5
# Weights, gradient and its flat copy, two moments, two temporaries of the step, the best epoch's weights
COPIES_OF_WEIGHTS = 8
# What the forward pass keeps for the backward pass, as much again for the gradients of these, and room for kernels
COPIES_OF_ACTIVATIONS = 2.5


def kept_for_backward(forward: Callable[[], Tensor]) -> int:
    """Bytes that `forward` keeps for the backward pass, each memory counted once."""
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(held.values())


def bytes_of_member(parameters: int, activations: int, element_size: int) -> int:
    """What one member holds while it is trained, from its number of parameters and its bytes kept for backward."""
    return int(COPIES_OF_WEIGHTS * parameters * element_size + COPIES_OF_ACTIVATIONS * activations)


def budget(config: TrainingConfig, device: torch.device) -> int:
    """Bytes that samples and stack may take on the device."""
    if config.memory_gb is not None:
        return int(config.memory_gb * BYTES_A_GB)
    if device.type == "cuda":
        return int(SHARE_OF_GPU * torch.cuda.get_device_properties(device).total_memory)
    return int(SHARE_OF_CPU * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def members_at_once(available: int, of_member: int) -> int:
    """How many members of that size fit into `available` bytes; one is always tried."""
    return max(1, available // max(1, of_member))
