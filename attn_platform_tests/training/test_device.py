"""Precision by what the device can compute; memory of the process: kept inside the context, given back at its end."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from attn_platform.training import device as module
from attn_platform.training.device import computes_bfloat16, resolve_precision

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


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_and_then_given_back() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=True)
    inside, after, outside = (int(line) for line in run.stdout.split())
    assert inside > 250
    assert after < 100
    assert outside < 100, "outside of the context nothing is kept"


CPU = torch.device("cpu")


@pytest.fixture
def asked_anew():
    """The device is asked again, and its answer forgotten afterwards."""
    forget = (computes_bfloat16, module._say_float32_instead)
    for cached in forget:
        cached.cache_clear()
    yield
    for cached in forget:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("has_instructions", "has_lstm", "expected"),
    [(True, True, "bfloat16"), (True, False, "float32"), (False, True, "float32"), (False, False, "float32")],
)
@pytest.mark.usefixtures("asked_anew")
def test_bfloat16_is_used_where_processor_and_kernels_have_it(
    has_instructions: bool, has_lstm: bool, expected: str, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_instructions}, raising=False)
    monkeypatch.setattr(module, "cpu_has_bfloat16_lstm", lambda: has_lstm)
    assert resolve_precision("auto", CPU) == expected
    assert not caplog.records
    for _ in range(3):
        assert resolve_precision("bfloat16", CPU) == expected
    said = [record.getMessage() for record in caplog.records]
    instead = "precision bfloat16: device cpu has no instructions for it; float32 is used instead"
    assert said == ([] if expected == "bfloat16" else [instead])


@pytest.mark.usefixtures("asked_anew")
def test_other_precisions_are_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "computes_bfloat16", lambda _: True)
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("float64", CPU) == "float64"


OLDER_KERNELS = """
import torch
from attn_platform.models.configuration import LSTMConfig
from attn_platform.training.config import TrainingConfig
from attn_platform.training.trainer import train
from attn_platform_tests.training.synthetic import ragged

config = TrainingConfig(max_epochs=1, threads=1, device="cpu", precision="bfloat16", batch_unit="stock", batch_size=50)
samples = ragged(4, steps=3), ragged(2, first="2011-06-01", seed=1, steps=3)
print(train(LSTMConfig(steps=3, hidden=4), *samples, config, (0,), progress=False).precision)
"""


@pytest.mark.slow
def test_a_training_in_bfloat16_runs_where_onednn_is_held_to_avx2() -> None:
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, "-W", "ignore", "-c", OLDER_KERNELS]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == "float32"
    assert "float32 is used instead" in run.stderr
