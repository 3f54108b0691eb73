"""Stopping a command: one Ctrl-C or SIGTERM ends it within seconds, with one line that says how to go on.

A signal is raised in the main thread, as `Stopped`. That alone would not do: Dagster puts handlers of its own in place
while it runs assets, and drops the signals that come while it records events; what is raised in a destructor or in a
callback is swallowed; native code returns to Python when it is done. So a thread hears of every signal, whoever handles
it (`signal.set_wakeup_fd`), and ends the process where the main thread has not done so within `GRACE`, or where a
second signal comes. A command that comes to its end after a signal has not succeeded, whatever it returns. Nothing is
lost by that: a file is written whole or not at all, and a training keeps its state after every epoch.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 3.0  # seconds for the main thread to end by itself
EXIT_BY_SIGNAL = 128  # exit codes of processes that a signal ended begin here


class Stopped(BaseException):
    """A signal asks this process to end. No `Exception`: nobody who handles errors is to go on."""


class Stopping:
    """Whether this process was asked to end, and its end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._said = threading.Lock()
        self._is_raised = False
        self.signal: signal.Signals | None = None

    def raise_in_main_thread(self, number: int, frame: FrameType | None) -> None:
        """The handler of the signals; those after the first one are the watching thread's."""
        self.signal = self.signal or signal.Signals(number)
        if not self._is_raised:
            self._is_raised = True
            raise Stopped

    def _say(self) -> None:
        """The one line on what has happened and how to go on, once."""
        if self.signal is not None and self._said.acquire(blocking=False):
            again = shlex.join(["attn", *self._command])
            line = (
                f"attn: stopped by {self.signal.name}; whole files and whole epochs of trainings are kept, and nothing "
                f"is half written. To go on from them: {again}\n"
            )
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, line.encode())

    def watch(self, numbers: int) -> None:
        """Wait for signals, whose numbers come from a pipe, and see to it that the first one ends the process.

        Until the pipe's other end is closed, when the command has come to its end.
        """
        deadline: float | None = None
        while True:
            if deadline is not None:
                left = max(0.0, deadline - time.monotonic())
                if not select.select([numbers], [], [], left)[0]:
                    self.end()
            number = os.read(numbers, 1)
            if not number:
                break
            if number[0] not in SIGNALS:
                continue
            self.signal = self.signal or signal.Signals(number[0])
            if deadline is not None:
                self.end()
            deadline = time.monotonic() + GRACE
        os.close(numbers)

    def end(self) -> NoReturn:
        """Say so, and end the process and those that it started, whatever fails on the way.

        At once: what Python and the libraries take down at an ordinary exit takes seconds, and is the system's to free.
        """
        try:
            with suppress(OSError, ValueError):  # nobody reads any more, or the stream is closed
                self._say()
            for process in multiprocessing.active_children():
                process.kill()
            for group in _groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
        finally:
            os._exit(EXIT_BY_SIGNAL + (self.signal or 0))


_stopping: Stopping | None = None
_groups: set[int] = set()  # of processes that end with this one


@contextmanager
def ended_with_the_command(group: int) -> Iterator[None]:
    """Inside, a signal that ends this process at once ends a group of processes, too."""
    _groups.add(group)
    try:
        yield
    finally:
        _groups.discard(group)


def stop_if_asked() -> None:
    """Raises `Stopped` where a signal has come that somebody else has handled."""
    if _stopping is not None and _stopping.signal is not None:
        raise Stopped


@contextmanager
def stopping_at_signals(command: Sequence[str]) -> Iterator[None]:
    """Inside, signals end the process; `command` are the arguments that it was started with.

    Elsewhere than in a main thread, which alone has signals, nothing is changed. A Ctrl-C that is ignored stays so: a
    shell starts what is to run on in the background like that.
    """
    global _stopping
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = Stopping(command)
    former = {number: signal.getsignal(number) for number in SIGNALS}
    # Dagster gives SIGTERM the handler that SIGINT has, also where SIGINT is ignored: SIGTERM would be so from its
    # first run on. What is ignored is blocked instead, here and in all threads and processes that start inside.
    ignored = {number for number, handler in former.items() if handler is signal.SIG_IGN}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ignored)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watching = threading.Thread(target=stopping.watch, args=(reading,), name="signals", daemon=True)
    watching.start()
    former_pipe = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _stopping = stopping
    try:
        try:
            for number, handler in former.items():
                if handler is not None:  # None: set by others than Python, who alone can set it again
                    signal.signal(number, stopping.raise_in_main_thread)
            yield
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            signal.set_wakeup_fd(former_pipe)
            for number, handler in former.items():
                if handler is not None:
                    signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _stopping = None
            os.close(writing)
            watching.join()  # what had come until here is known
    finally:  # `Stopped` is raised once: where that was in the lines above, it is not in these
        if stopping.signal is not None:
            stopping.end()
