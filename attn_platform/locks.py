"""Locks between the processes of a machine: one file that says who holds it.

The kernel frees the lock of a process that dies, however it dies, so a file that was left behind locks nobody out. Only
this module would change where a lake lies in an object store: there a lock is an object with a lease.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from attn_platform.errors import BusyError

PAUSE_SECONDS = 0.02  # between two tries
OWNER_BYTES = 1000


@contextmanager
def exclusive(path: Path, refusal: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock `path`, in a folder that exists, while the block runs.

    `BusyError` says `refusal` and who holds the lock where it does not become free within `patience` seconds.
    """
    descriptor = _acquired(path, refusal, time.monotonic() + patience)
    try:
        yield
    finally:
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)  # while it is held: whoever waits for it finds that it is gone, and makes a new one
        finally:
            os.close(descriptor)


def holder(path: Path) -> str | None:
    """Who holds a lock; None where it is free."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor) else _owner(descriptor)
    finally:
        os.close(descriptor)


def _acquired(path: Path, refusal: str, deadline: float) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _locked(descriptor):
            if _is_in_place(descriptor, path):
                owner = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}"
                os.ftruncate(descriptor, 0)
                os.write(descriptor, owner.encode())
                return descriptor
            os.close(descriptor)
            continue
        owner = _owner(descriptor)
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise BusyError(f"{refusal} ({owner})")
        time.sleep(PAUSE_SECONDS)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_in_place(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one under that name: its last holder may have taken it away."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, OWNER_BYTES, 0).decode(errors="replace") or "a process that has just begun"
