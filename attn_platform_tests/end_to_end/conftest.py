"""Fixtures of this package: the pipeline on a tiny home, and on its noisy twin."""

import pytest

from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.pipelines import noisy_home, pipeline
from attn_platform_tests.test_cli import Attn

__all__ = ["copy_of", "noisy_home", "pipeline", "raw_home", "shared_folder"]


@pytest.fixture
def attn(capsys: pytest.CaptureFixture[str]) -> Attn:
    return Attn(capsys)
