"""Fixtures of this package: tiny homes, and the pipeline that was run on one."""

from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.pipelines import pipeline

__all__ = ["copy_of", "pipeline", "raw_home", "shared_folder"]
