"""Seconds from a command to its answer, and from a click in the UI to a portfolio, beside importing pandas.

Run: python benchmarks/start_up.py [HOME] [--date SESSION]: HOME (default: ./data) is one that `attn run` has made. Each
command is taken three times, and the fastest counts. The UI is started on the home; a week of the first strategy is
launched twice in the way of the button "Materialize", and the second one counts (the first one may still compile).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.places import home_folder, is_home
from attn_platform.studies.settings import Home

TRIES, LAUNCHES = 3, 2
PEER = "import pandas"
ATTN = str(Path(sys.executable).with_name("attn"))
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 300.0
LAUNCH = """
mutation Launch($execution: ExecutionParams!) {
  launchPipelineExecution(executionParams: $execution) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
STATUS = "query Status($run: ID!) { runOrError(runId: $run) { __typename ... on Run { status } } }"
LOCATIONS = "{ workspaceOrError { __typename ... on Workspace { locationEntries { loadStatus } } } }"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, nargs="?", default=home_folder())
    parser.add_argument("--date", help="session of `universe --date`; default: the last of the home")
    arguments = parser.parse_args()
    if not is_home(arguments.home):
        print(f"there is no home at {arguments.home} to start on; make run makes one")
        return
    home = Home.open(arguments.home)
    week = str(partitions_of(home).rebalances.get_partition_keys()[-1])
    at, session = ["--home", str(home.root)], arguments.date or str(home.last_session)
    strategy = home.study.strategies[0].name
    peer = fastest([sys.executable, "-c", PEER])
    rows = [
        (PEER, peer, None),
        ("a mistyped option", fastest([ATTN, "universe", "--dat", session, *at]), 1.0),
        ("a mistyped home", fastest([ATTN, "doctor", "--home", str(home.root / "nowhere")]), 1.0),
        ("a mistyped strategy", fastest([ATTN, "portfolio", "nobody", *at]), 1.0),
        ("factors --list", fastest([ATTN, "factors", "--list", *at]), 2.0),
        ("universe --date", fastest([ATTN, "universe", "--date", session, *at]), 2.0),
        ("doctor", fastest([ATTN, "doctor", *at]), 4.0),
        ("portfolio", fastest([ATTN, "portfolio", strategy, "--date", week, *at]), None),
        ("run, all fresh", fastest([ATTN, "run", *at]), None),
        *ui_rows(home, home.study.strategies[0].name, week),
    ]
    print(f"{'':32}{'seconds':>10}{'× pandas':>10}{'goal':>8}")
    for name, seconds, goal in rows:
        print(f"{name:32}{seconds:10.2f}{seconds / peer:10.1f}{'' if goal is None else format(goal, '.0f'):>8}")


def fastest(command: Sequence[str]) -> float:
    """Seconds of the fastest of some tries, whatever the exit code."""
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def ui_rows(home: Home, strategy: str, week: str) -> Iterator[tuple[str, float, float]]:
    """The code server, by itself, and one week's portfolio from the launch to its success."""
    yield "code server ready", fastest_code_server(home), 5.0
    with ui(home) as ask:
        for _ in range(LAUNCHES):
            seconds = launched(ask, f"portfolio_{strategy}", week)
        yield "one week from the UI", seconds, 8.0


def fastest_code_server(home: Home) -> float:
    """Seconds until Dagster's code server listens and has loaded the definitions."""
    return min(_code_server(home) for _ in range(TRIES))


def _code_server(home: Home) -> float:
    command = [sys.executable, "-m", "dagster", "api", "grpc", "--module-name", "attn_platform.definitions"]
    port, started = _free_port(), time.perf_counter()
    with _process([*command, "--port", str(port), "--host", "127.0.0.1"], home):
        _until(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() or True)
        return time.perf_counter() - started


@contextmanager
def ui(home: Home) -> Iterator[Any]:
    """Dagster's web server and daemon on a home; gives a function that asks its GraphQL interface."""
    port = _free_port()

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
    with _process(command, home):
        _until(is_loaded)
        yield ask


def launched(ask: Any, asset: str, key: str) -> float:
    """Seconds from the launch of one partition of an asset to its success."""
    execution = {
        "selector": {
            "repositoryName": "__repository__",
            "repositoryLocationName": "attn_platform.definitions",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
            "assetCheckSelection": None,
        },
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": key}]},
    }
    started = time.perf_counter()
    answer = ask(LAUNCH, execution=execution)["launchPipelineExecution"]
    if "run" not in answer:
        raise RuntimeError(answer)
    run = answer["run"]["runId"]

    def is_done() -> bool:
        status = ask(STATUS, run=run)["runOrError"]["status"]
        if status in ("FAILURE", "CANCELED"):
            raise RuntimeError(f"run {run} ended as {status}")
        return bool(status == "SUCCESS")

    _until(is_done)
    return time.perf_counter() - started


@contextmanager
def _process(command: Sequence[str], home: Home) -> Iterator[None]:
    environment = {**os.environ, "ATTN_HOME": str(home.root), "DAGSTER_HOME": str(home.dagster)}
    environment["ATTN_EVENT_LOG"] = str(home.dagster / "history" / "runs")
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _until(condition: Any) -> None:
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
