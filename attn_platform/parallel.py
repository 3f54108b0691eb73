"""Threads for the factor loops, which release the interpreter lock.

Python threads rather than numba's parallel loops: these may be started from several threads at once, and survive a
fork.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_threads(task: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    """Run `task` on each of `items`, on as many threads as there are cores; the first error is raised."""
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(task, items):
            pass
