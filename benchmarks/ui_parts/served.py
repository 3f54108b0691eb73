"""The UI on a home, for as long as something is measured."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_platform.studies.settings import Home

ATTN = str(Path(sys.executable).with_name("attn"))
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 300.0
LOCATIONS = "{ workspaceOrError { __typename ... on Workspace { locationEntries { loadStatus } } } }"


@dataclass(frozen=True)
class UI:
    """Where it is, and a function that asks its GraphQL interface."""

    address: str
    ask: Callable[..., Any]


@contextmanager
def ui(home: Home) -> Iterator[UI]:
    """Dagster's web server and daemon on a home, ready."""
    port = free_port()

    def ask(query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            content = json.load(answer)
        if "errors" in content:
            raise RuntimeError(content["errors"])
        return content["data"]

    def is_loaded() -> bool:
        entries = ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)

    command = [ATTN, "ui", "--home", str(home.root), "--port", str(port)]
    with process_on(command, home):
        until(is_loaded)
        yield UI(f"http://127.0.0.1:{port}", ask)


@contextmanager
def process_on(command: Sequence[str], home: Home) -> Iterator[None]:
    """A command on a home, with all that it starts, until the end of the block."""
    environment = {**os.environ, "ATTN_HOME": str(home.root), "DAGSTER_HOME": str(home.dagster)}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what is to run in the background that way, and Dagster then ignores SIGTERM, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    environment["ATTN_EVENT_LOG"] = str(home.dagster / "history" / "runs")
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def until(condition: Any) -> None:
    """Wait until a condition holds; what cannot be reached yet does not hold."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"not within {PATIENCE_SECONDS:.0f} s")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
