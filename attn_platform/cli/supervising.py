"""A program that a command runs beside itself, and that ends with it.

It has a session of its own: a Ctrl-C in the terminal reaches the command alone, which ends the program in turn, and
what the program says meanwhile is not shown.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from attn_platform.cli.stopping import ended_with_the_command

GRACE = 2.0  # seconds for the program to end by itself: less than the command has


def supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program, show what it says, and return its exit code; however this ends, nothing of the program is left."""
    program = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    ending = threading.Event()
    threading.Thread(target=_show, args=(program, ending), name="output", daemon=True).start()
    with ended_with_the_command(program.pid):
        try:
            return program.wait()
        finally:
            ending.set()
            _end(program)


def _show(program: subprocess.Popen[bytes], ending: threading.Event) -> None:
    assert program.stdout is not None
    for line in program.stdout:
        if not ending.is_set():
            sys.stderr.write(line.decode(errors="replace"))
            sys.stderr.flush()


def _end(program: subprocess.Popen[bytes]) -> None:
    """Ask the program to end, and end what is left of its session after `GRACE`."""
    if program.poll() is None:
        program.send_signal(signal.SIGTERM)  # SIGINT is blocked in what a shell has started in the background
        with suppress(subprocess.TimeoutExpired):
            program.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
