"""Fixtures of this package: a tiny home with raw tables, and one with the weeks of a strategy."""

from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.portfolio.walked import walked_home

__all__ = ["copy_of", "raw_home", "shared_folder", "walked_home"]
