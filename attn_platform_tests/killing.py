"""Kills a piece of work at every step: once before each change that it makes to the files under a folder.

The work runs in a process of its own each time, and dies by SIGKILL: nothing of it is tidied up.
"""

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Work = Callable[[Path], object]
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def killed_at_every_step(work: Work, start: Path, results: Path, but_for: str | None = None) -> list[Path]:
    """Copies of the folder `start` in which `work` was killed before its first change, its second …; the last one not.

    `work` is a function of a module; it is given the copy. Changes of paths that hold the text `but_for` do not count.
    Processes are forked from a fresh one, which has no threads.
    """
    process = multiprocessing.get_context("spawn").Process(target=_kill_each, args=(work, start, results, but_for))
    process.start()
    process.join()
    assert process.exitcode == 0
    return sorted(results.iterdir())


def _kill_each(work: Work, start: Path, results: Path, but_for: str | None) -> None:
    results.mkdir()
    for step in range(1000):
        folder = results / f"{step:03d}"
        if start.exists():
            shutil.copytree(start, folder)
        else:
            folder.mkdir()
        child = os.fork()
        if child == 0:
            _run(work, folder, step, but_for)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return
        assert status == -signal.SIGKILL, f"step {step}: the work ended with {status}"
    raise AssertionError("the work does not come to an end")


def _run(work: Work, folder: Path, step: int, but_for: str | None) -> None:
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if _changes(event, arguments) and str(folder) in (path := str(arguments[0])):
            if but_for is not None and but_for in path:
                return
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(count)
    status = 1
    try:
        work(folder)
        status = 0
    finally:
        os._exit(status)


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    return event in CHANGES or (event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITING))
