"""A clock of the day that runs faster than the machine's, for processes that run under libfaketime.

What a process is told is the machine's time plus an offset in a file, which it reads at each question; the offset grows
several times a second. Only the time of day is compressed: sleeps, timeouts and the monotonic clock are real, and so
are the times of files. libfaketime's own rate (`x60`) cannot be used with Python 3.11: where it fakes the monotonic
clock as well, waits for a lock do not end (version 0.9.10 does not know `sem_clockwait`), and where it does not,
`time.sleep` fails (`faked/sitecustomize.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attn_platform.writing import write_atomically

SECONDS_A_STEP = 0.25
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class MissingProgramError(RuntimeError):
    """What a night needs is not installed."""


class CompressedClock:
    """Runs from `start` at `rate` seconds a second, which may be changed at any moment."""

    def __init__(self, file: Path, start: datetime, rate: float) -> None:
        self.file, self._rate = file, rate
        self._from, self._since = start, time.time()
        self._lock = threading.Lock()
        self._step()

    def now(self) -> datetime:
        """The time that the processes are told, in UTC."""
        with self._lock:
            return self._now(time.time())

    def run_at(self, rate: float) -> None:
        """Go on from now at another rate."""
        with self._lock:
            machine = time.time()
            self._from, self._since, self._rate = self._now(machine), machine, rate

    def environment(self) -> dict[str, str]:
        """What a process needs to be told this time."""
        library = next((path for pattern in LIBRARIES for path in sorted(Path("/").glob(pattern[1:]))), None)
        if library is None:
            raise MissingProgramError("libfaketime is not installed: apt-get install faketime")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(Path(__file__).parent / "faked"), os.environ.get("PYTHONPATH")])
            ),
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, time goes on."""
        is_over = threading.Event()

        def run() -> None:
            while not is_over.wait(SECONDS_A_STEP):
                self._step()

        thread = threading.Thread(target=run, name="clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _now(self, machine: float) -> datetime:
        return (self._from + timedelta(seconds=(machine - self._since) * self._rate)).astimezone(UTC)

    def _step(self) -> None:
        with self._lock:
            machine = time.time()
            offset = self._now(machine).timestamp() - machine
        write_atomically(self.file, f"{offset:+.3f}\n")
