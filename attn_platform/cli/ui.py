"""`attn ui`: Dagster's UI on a home, and the home's reports beside it."""

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
    reports_port: Annotated[
        int | None, typer.Option(help="Port of the reports, which links of the UI open. Default: 3001.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Open Dagster's UI on a home: assets, runs, checks, schedules; and serve its reports, which the UI links.

    Example: attn ui --home data
    """
    from attn_platform.cli.supervising import supervise
    from attn_platform.orchestration.instance import prepare
    from attn_platform.orchestration.reloading import WEBSERVER_VARIABLE
    from attn_platform.reports.serving import REPORTS_PORT, URL_VARIABLE, serving

    target = open_home(home)
    address = f"http://localhost:{port}"
    environment = {**os.environ, WEBSERVER_VARIABLE: address, **prepare(target)}
    command = ["-m", "dagster", "dev", "--module-name", "attn_platform.definitions", "--port", str(port)]
    with serving(target.reports, REPORTS_PORT if reports_port is None else reports_port) as reports:
        printing.show(f"Dagster of {target.root} at {address}, reports at {reports} (stop with Ctrl-C)")
        code = supervise([sys.executable, *command], {URL_VARIABLE: reports, **environment})
    raise SystemExit(code)
