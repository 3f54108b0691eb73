"""Seconds from a command to its answer, and from a click in the UI to a portfolio, beside importing pandas.

Run: python benchmarks/start_up.py [HOME] [--date SESSION]: HOME (default: ./data) is one that `attn run` has made. Each
command is taken three times, and the fastest counts. The UI is started on the home; a week of the first strategy is
launched twice in the way of the button "Materialize", and the second one counts (the first one may still compile).
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ui_parts.served import ATTN, free_port, process_on, ui, until

from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.places import home_folder, is_home
from attn_platform.studies.settings import Home

TRIES, LAUNCHES = 3, 2
PEER = "import pandas"
LAUNCH = """
mutation Launch($execution: ExecutionParams!) {
  launchPipelineExecution(executionParams: $execution) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
STATUS = "query Status($run: ID!) { runOrError(runId: $run) { __typename ... on Run { status } } }"


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
    with ui(home) as served:
        for _ in range(LAUNCHES):
            seconds = launched(served.ask, f"portfolio_{strategy}", week)
        yield "one week from the UI", seconds, 8.0


def fastest_code_server(home: Home) -> float:
    """Seconds until Dagster's code server listens and has loaded the definitions."""
    return min(_code_server(home) for _ in range(TRIES))


def _code_server(home: Home) -> float:
    command = [sys.executable, "-m", "dagster", "api", "grpc", "--module-name", "attn_platform.definitions"]
    port, started = free_port(), time.perf_counter()
    with process_on([*command, "--port", str(port), "--host", "127.0.0.1"], home):
        until(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() or True)
        return time.perf_counter() - started


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

    until(is_done)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
