"""`attn ui`: Dagster's UI on a home."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home

UI_PORT = 3000


def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = UI_PORT,
    home: HomeOption = None,
) -> None:
    """Open Dagster's UI on a home: assets, runs, checks, schedules.

    Example: attn ui --home data
    """
    from attn_platform.orchestration.instance import prepare

    target = open_home(home)
    environment = {**os.environ, **prepare(target)}
    printing.show(f"Dagster of {target.root} at http://localhost:{port} (stop with Ctrl-C)")
    command = ["-m", "dagster", "dev", "--module-name", "attn_platform.definitions", "--port", str(port)]
    # In this process's place, so that whatever stops `attn ui` stops Dagster.
    os.execve(sys.executable, [sys.executable, *command], environment)
