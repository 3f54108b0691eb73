"""The processes of an installation, as `docker/compose.yaml` starts them: PostgreSQL, code server, daemon.

PostgreSQL is Debian's, in a temporary folder on the loopback interface, as an unprivileged user; its clock is the
machine's. What Dagster and its runs are told is up to the environment that they are given.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from attn_platform.orchestration.instance import CONFIGURATION
from attn_platform.studies.settings import Home
from attn_platform_tests.end_to_end.compressed_clock import MissingProgramError

CONFIGURED = Path(__file__).parents[2] / "docker" / CONFIGURATION
BINARIES = ("/usr/lib/postgresql/*/bin",)
USER = "dagster"
LOCATION = "attn_platform"
PATIENCE_SECONDS = 600.0  # until a server answers: two busy cores take minutes to import what it needs


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    """A server with an empty database; the environment that `docker/dagster.yaml` reads."""
    port, is_root = free_port(), os.geteuid() == 0
    folder.mkdir(parents=True)
    if is_root:  # which PostgreSQL refuses
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"

    def run(program: str, *arguments: object) -> None:
        command = [str(_program(program)), *map(str, arguments)]
        command = ["runuser", "-u", "postgres", "--", *command] if is_root else command
        with (folder.parent / f"{folder.name}.log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/")

    run("initdb", "--pgdata", data, "--username", USER, "--auth", "trust", "--encoding", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "start", "--wait", "--pgdata", data, "--log", folder / "server.log", "--options", options)
    try:
        run("createdb", "--host", "127.0.0.1", "--port", port, "--username", USER, USER)
        yield {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(port),
            "POSTGRES_DB": USER,
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": "trusted",  # not asked for on this interface
        }
    finally:
        run("pg_ctl", "stop", "--mode", "fast", "--pgdata", data)


def has_postgresql() -> bool:
    """Whether a server and Dagster's storage for it are installed."""
    try:
        _program("initdb")
        import dagster_postgres  # noqa: F401
    except (MissingProgramError, ImportError):
        return False
    return True


def _program(name: str) -> Path:
    folders = [folder for pattern in BINARIES for folder in sorted(Path("/").glob(pattern[1:]), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
    if found is None:
        raise MissingProgramError("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found)


def keep_records_in_postgresql(home: Home, patience: float = 1.0) -> None:
    """Give a home the instance of `docker/`; runs may take `patience` times as long to start as there."""
    config = yaml.safe_load(CONFIGURED.read_text(encoding="utf-8"))
    config["run_monitoring"] |= {"start_timeout_seconds": int(180 * patience)}
    home.dagster.mkdir(parents=True, exist_ok=True)
    (home.dagster / CONFIGURATION).write_text(yaml.safe_dump(config), encoding="utf-8")


class Services:
    """Code server and daemon of a home, each of which can be killed and started again."""

    def __init__(self, home: Home, logs: Path, environment: Mapping[str, str]) -> None:
        self.home, self.logs, self.environment = home, logs, dict(environment)
        self.port = free_port()
        self.workspace = logs / "workspace.yaml"
        server = {"host": "127.0.0.1", "port": self.port, "location_name": LOCATION}
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_code_server(self) -> None:
        """Start it, and wait until it answers."""
        module = ("--module-name", "attn_platform.definitions", "--location-name", LOCATION)
        address = ("--host", "127.0.0.1", "--port", str(self.port))
        self._start("code-server", ("dagster", "api", "grpc", *module, *address))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.call("dagster", "api", "grpc-health-check", "--host", "127.0.0.1", "--port", str(self.port)):
            if time.monotonic() > deadline or self._running["code-server"].poll() is not None:
                raise RuntimeError(f"the code server does not answer: see {self.logs}/code-server.log")
            time.sleep(1)

    def start_daemon(self) -> None:
        """Start the daemon."""
        self._start("daemon", ("dagster._daemon", "run", "--workspace", str(self.workspace)))

    def kill(self, name: str) -> None:
        """End a process without a warning."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def call(self, *command: str) -> int:
        """Run a module's command to its end; returns its exit code."""
        return self._open("calls", ("-m", *command)).wait()

    def attn(self, *arguments: str) -> int:
        """Run `attn` to its end; returns its exit code."""
        return self._open("calls", ("-c", "from attn_platform.cli import main; main()", *arguments)).wait()

    def stop(self) -> None:
        """Ask all of them to end."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _start(self, name: str, command: Sequence[str]) -> None:
        self._running[name] = self._open(name, ("-m", *command))

    def _open(self, log: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.logs / f"{log}.log").open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, *command], env=self.environment, stdout=stream, stderr=stream, cwd=self.home.root
            )
