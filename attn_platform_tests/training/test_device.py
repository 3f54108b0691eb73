"""Memory of the process: what is freed stays inside the context, and goes back at its end."""

import platform
from pathlib import Path

import pytest
import torch

from attn_platform.training.device import freed_memory_kept

MEGABYTE = 2**20


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_and_then_given_back() -> None:
    before = resident()
    with freed_memory_kept():
        block = torch.ones(300 * MEGABYTE, dtype=torch.uint8)
        del block
        kept = resident() - before
    after = resident() - before
    assert kept > 250 * MEGABYTE
    assert after < 100 * MEGABYTE
    block = torch.ones(300 * MEGABYTE, dtype=torch.uint8)
    del block
    assert resident() - before < 100 * MEGABYTE, "outside of the context nothing is kept"
