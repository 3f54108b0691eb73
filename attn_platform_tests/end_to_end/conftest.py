"""Fixtures of this package: the road on a tiny home, and on its noisy twin."""

from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.roads import noisy_home, road

__all__ = ["copy_of", "noisy_home", "raw_home", "road", "shared_folder"]
