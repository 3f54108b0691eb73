"""Fixtures of the whole suite."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import settings

from attn_platform.register import Register

# A shell starts a suite in the background with SIGINT ignored. Dagster gives SIGTERM the same handler, children inherit
# it, and what collects a step's output then outlives the step.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long one example takes says more about what else the machine does than about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# Bottleneck is installed to be compared with. Pandas would sum with it, and users' pandas would not.
pd.set_option("compute.use_bottleneck", False)

PIPELINE = {"pipeline", "noisy_home"}
"""Fixtures that run the whole pipeline, which takes minutes; their tests are slow, however short they are."""

WHOLLY_SLOW = {"test_point_in_time.py"}
"""Files of such tests alone, which are not even read without the slow tests: this one names its tests by the graph."""

REAL_DATA = Path(__file__).parents[2] / "shared" / "data" / "ashare"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what only holds slow tests where those are not asked for."""
    return True if collection_path.name in WHOLLY_SLOW and config.option.markexpr == "not slow" else None


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the whole pipeline as slow."""
    for item in items:
        if isinstance(item, pytest.Function) and PIPELINE & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real A-share files, which lie beside the checkout and are no part of it."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def scratch() -> Iterator[Callable[[Register], None]]:
    """Makes a register one in which what the test enters is gone after it."""
    with ExitStack() as stack:

        def made_scratch(register: Register) -> None:
            register.everybodys()
            stack.enter_context(patch.dict(register._entries))

        yield made_scratch
