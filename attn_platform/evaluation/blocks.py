"""Sessions in blocks, on all cores: intermediates of what is computed session by session are as large as a block.

The kernels release the interpreter lock (`factors.parallel`).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from attn_platform.parallel import over_threads

SESSIONS_AT_ONCE = 128

_Result = TypeVar("_Result")


def over_blocks(task: Callable[..., _Result], *arrays: np.ndarray) -> list[_Result]:
    """What `task` gives for each block of sessions of the arrays [T, …], in order; without a session, for that."""
    starts = range(0, max(len(arrays[0]), 1), SESSIONS_AT_ONCE)
    found: dict[int, _Result] = {}

    def of_block(at: int) -> None:
        found[at] = task(*(array[at : at + SESSIONS_AT_ONCE] for array in arrays))

    over_threads(of_block, starts)
    return [found[at] for at in starts]
