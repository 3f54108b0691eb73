"""Loaded by Python processes under libfaketime (`compressed_clock`): their `time.sleep` sleeps.

Since Python 3.11 it sleeps until a moment of the monotonic clock. libfaketime 0.9.10 moves that moment also where it
leaves the clock alone, and the kernel refuses the result (its issue 426). A `select` of nothing takes a duration.
"""

import select
import time


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
