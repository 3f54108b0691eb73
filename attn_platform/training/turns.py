"""Pieces of independent work on a few threads: how the members of a stack share the cores of a CPU.

A member's step is a few dozen small operations on numbers that one core's cache holds. Splitting each of them over the
cores makes the cores wait for each other at each; giving each core a member to itself, never.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import torch

PIECE = 0.05  # seconds: long beside handing a piece over, short beside an epoch, whose end the last pieces share


class Turns:
    """Threads that work on tasks in pieces, each with a single thread of torch's own for its arithmetic.

    A task is an iterator: it works whenever it is advanced. Which thread advances it, and when, decides nothing of what
    comes out, as tasks share no numbers. With `workers` 0 the caller's thread does everything, and torch keeps the
    threads that it has.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, "turn", torch.set_num_threads, (1,)) if workers else None

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def finish(self, tasks: Sequence[Iterator[object]], advanced: Callable[[int], object] = lambda steps: None) -> None:
        """Advance all tasks to their ends, the one least far first; `advanced` hears of the steps made.

        What a task raises is raised here; pieces at work then still end, the others do not begin.
        """
        if self._threads is None:
            for task in tasks:
                for _ in task:
                    advanced(1)
            return
        steps = dict.fromkeys(range(len(tasks)), 0)
        waiting = set(steps)
        at_work: dict[Future[tuple[int, bool]], int] = {}
        while waiting or at_work:
            while waiting and len(at_work) < self._workers:
                number = min(waiting, key=lambda each: (steps[each], each))
                waiting.remove(number)
                at_work[self._threads.submit(_piece, tasks[number])] = number
            for done in wait(at_work, return_when=FIRST_COMPLETED).done:
                number = at_work.pop(done)
                made, is_over = done.result()
                steps[number] += made
                advanced(made)
                if not is_over:
                    waiting.add(number)


def _piece(task: Iterator[object]) -> tuple[int, bool]:
    """Advance a task for a while; how often, and whether it is over."""
    started, made = time.perf_counter(), 0
    for _ in task:
        made += 1
        if time.perf_counter() - started >= PIECE:
            return made, False
    return made, True
