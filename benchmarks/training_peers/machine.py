"""What the machine can do at best: large matrix products."""

import time

import torch

SIZES = {"cpu": 4096, "cuda": 16384}
ROUNDS = 5


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the fastest of some products of square matrices, in bfloat16 with float32 accumulation."""
    size = SIZES[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(_seconds(a, b) for _ in range(ROUNDS))


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    _wait(a)
    started = time.perf_counter()
    a @ b
    _wait(a)
    return time.perf_counter() - started


def _wait(tensor: torch.Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
