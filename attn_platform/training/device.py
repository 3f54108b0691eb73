"""Where and in which precision the arithmetic of training and prediction runs."""

import ctypes
import logging
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Literal

import torch

from attn_platform.errors import ConfigurationError
from attn_platform.models.layers.recurrent import cpu_has_bfloat16_lstm
from attn_platform.training.config import Precision, TrainingConfig

_log = logging.getLogger(__name__)


def resolve_device(name: str) -> torch.device:
    """The device called `name`; "auto" is a GPU where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"there is no device {name!r}; use auto, cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"device {name!r} was asked for, but this torch ({torch.__version__}) sees no GPU; "
            "use device auto or cpu, or install a CUDA build of torch on a machine with a GPU"
        )
    return device


def resolve_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16", "float64"]:
    """The precision that `device` computes in when `precision` is asked for.

    bfloat16 only where the device has instructions for it: elsewhere it is emulated, slower than float32 and not for
    every layer. "auto" then means float32; who asked for bfloat16 is told that float32 is used instead.
    """
    if precision in ("auto", "bfloat16") and computes_bfloat16(device):
        return "bfloat16"
    if precision == "bfloat16":
        _say_float32_instead(str(device))
    return "float64" if precision == "float64" else "float32"


@cache
def computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies matrices and steps recurrent layers in bfloat16 by instructions of its own.

    On a CPU both the processor and the kernels in use are asked: oneDNN may be held to an older instruction set
    (ONEDNN_MAX_CPU_ISA) than the processor's.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")) and cpu_has_bfloat16_lstm()


@cache
def _say_float32_instead(device: str) -> None:
    """Once a process, not once a window."""
    _log.warning("precision bfloat16: device %s has no instructions for it; float32 is used instead", device)


def matrix_precision(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Context in which matrix products run in bfloat16 if `precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def compiled_on(device: torch.device, choice: Literal["auto", "on", "off"]) -> bool:
    """Whether networks that allow for it are compiled there: by choice, or on a GPU, which brings what it takes."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def members_step_together(device: torch.device, precision: str, config: TrainingConfig) -> bool:
    """Whether all members of a training make each step as one, or each by itself (`training.turns`).

    A GPU is idle with one member's numbers. A core's cache is full with one member's session in float32; in bfloat16
    its products are done before the other threads have had their turn of the interpreter, and a batch of stocks'
    windows is no session: large enough to keep all cores at work on one product.
    """
    if config.stacking != "auto":
        return config.stacking == "on"
    return device.type != "cpu" or precision == "bfloat16" or config.batch_unit == "stock"


# mallopt's names and defaults (glibc, malloc.h); the padding is what a training step frees and asks for again
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER_TRIM, _PADDING = 2**31 - 1, 2**28
_DEFAULTS = {_MMAP_MAX: 65536, _TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024}


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Context in which the C library keeps what is freed for the next request, and gives it back in the end.

    glibc takes blocks of more than 32 MB from the system each time anew, and every step of a training asks for the same
    ones: without this a step of the LSTM took 367 ms for 169 ms, one of inter_task_attention 118 ms for 90 ms. Where
    the C library is another one, nothing happens.
    """
    library = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if library is not None:
        for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER_TRIM), (_TOP_PAD, _PADDING)):
            library.mallopt(name, value)
    try:
        yield
    finally:
        if library is not None:
            for name, value in _DEFAULTS.items():
                library.mallopt(name, value)
            library.malloc_trim(0)


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """CPU threads of torch inside of the context; put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory held so far: by torch on a GPU, by this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, kibibytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
