"""Memory of the process: what is freed stays inside the context, and goes back at its end."""

import platform
import subprocess
import sys

import pytest

# In a process of its own: what other tests have freed would be handed out again
PROGRAM = """
from pathlib import Path
import torch
from attn_platform.training.device import freed_memory_kept

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

def take_and_free():
    block = torch.ones(300 * 2**20, dtype=torch.uint8)

before = resident()
with freed_memory_kept():
    take_and_free()
    print(resident() - before)
print(resident() - before)
take_and_free()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_and_then_given_back() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=True)
    inside, after, outside = (int(line) for line in run.stdout.split())
    assert inside > 250
    assert after < 100
    assert outside < 100, "outside of the context nothing is kept"
