"""Fixtures of this package: a tiny home, and the road that was run on it."""

from attn_platform_tests.homes import copy_of, shared_folder
from attn_platform_tests.roads import road

__all__ = ["copy_of", "road", "shared_folder"]
