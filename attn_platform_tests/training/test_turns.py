"""Tasks in pieces on a few threads: all are finished, the one least far first, and what one raises is raised."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from attn_platform.training import turns
from attn_platform.training.turns import Turns


def counting(steps: int, seen: list[int], number: int) -> Iterator[None]:
    for _ in range(steps):
        seen.append(number)
        yield


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_task_is_advanced_to_its_end(workers: int) -> None:
    seen: list[int] = []
    made: list[int] = []
    lengths = [5, 0, 7, 1]
    with Turns(workers) as pool:
        pool.finish([counting(length, seen, number) for number, length in enumerate(lengths)], made.append)
    assert [seen.count(number) for number in range(4)] == lengths
    assert sum(made) == sum(lengths)


def test_the_task_least_far_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PIECE", 0.0)  # one step a piece
    seen: list[int] = []
    with Turns(1) as pool:
        pool.finish([counting(3, seen, 0), counting(3, seen, 1), counting(1, seen, 2)])
    assert seen == [0, 1, 2, 0, 1, 0, 1]


def test_tasks_run_at_the_same_time_on_one_thread_of_torch_each() -> None:
    both = threading.Barrier(2, timeout=30)
    threads: list[int] = []

    def task() -> Iterator[None]:
        both.wait()  # passes only where the other task is at work, too
        threads.append(torch.get_num_threads())
        yield

    before = torch.get_num_threads()
    with Turns(2) as pool:
        pool.finish([task(), task()])
    assert threads == [1, 1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_task_raises_is_raised(workers: int) -> None:
    def failing() -> Iterator[None]:
        yield
        raise ValueError("of the second step")

    def long() -> Iterator[None]:
        for _ in range(1000):
            time.sleep(0.01)
            yield

    started = time.monotonic()
    with pytest.raises(ValueError, match="of the second step"), Turns(workers) as pool:
        pool.finish([failing(), long()])
    assert time.monotonic() - started < 5
