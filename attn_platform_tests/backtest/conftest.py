"""Fixtures of this package: a tiny home with raw tables."""

from attn_platform_tests.homes import copy_of, raw_home, shared_folder

__all__ = ["copy_of", "raw_home", "shared_folder"]
