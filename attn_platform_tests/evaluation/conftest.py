"""Fixtures of this package: a tiny home with raw tables, and the road that was run on one."""

from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.roads import road

__all__ = ["copy_of", "raw_home", "road", "shared_folder"]
