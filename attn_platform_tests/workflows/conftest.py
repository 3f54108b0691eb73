"""Fixtures of this package: a tiny home, and the pipeline that was run on it."""

from attn_platform_tests.homes import copy_of, shared_folder
from attn_platform_tests.pipelines import pipeline

__all__ = ["copy_of", "pipeline", "shared_folder"]
