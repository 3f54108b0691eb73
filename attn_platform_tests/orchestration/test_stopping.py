"""One signal ends a command: within seconds, with one line, and with what was whole by then."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from attn_platform.orchestration.instance import open_instance
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import FIRST_WINDOW, MODEL, STUDY, TRAINING, CopyOf
from attn_platform_tests.pipelines import Pipeline

# A shell that starts the suite in the background has Ctrl-C ignored in all that it starts; and Dagster gives SIGTERM
# the handler of SIGINT, once it has run an asset in the process of the tests
ATTN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
ATTN += "signal.signal(signal.SIGTERM, signal.SIG_DFL); "
WITHIN = 5.0  # seconds
BAR = re.compile(r"step/s\]|\d+/\d+ \[|step \[")  # the training's own
ENDLESS = {**TRAINING, "max_epochs": 1_000_000, "patience": 1_000_000}


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ATTN + code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, list[str]]:
    """Exit code, and lines on stderr, of a process after one signal; fails where it goes on."""
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=WITHIN)
    finally:
        process.kill()
    return process.returncode, [line for line in err.splitlines() if line.strip() and not BAR.search(line)]


def test_a_training_ends_at_the_last_whole_epoch(pipeline: Pipeline, copy_of: CopyOf, tmp_path: Path) -> None:
    """In Dagster's hands, which hold signals back, and would try again what one has stopped."""
    home = copy_of(pipeline.home, own=(MODEL,))
    models = [{**STUDY["models"][0], "training": ENDLESS}, *STUDY["models"][1:]]
    (home.root / "tiny.yaml").write_text(yaml.safe_dump({**STUDY, "models": models}), encoding="utf-8")
    home.save()
    arguments = ("materialize", f"checkpoint_{MODEL}", "--partitions", FIRST_WINDOW, "--home", str(home.root))
    process = start("from attn_platform.cli import main; main()", *arguments)
    states = home.checkpoints / MODEL
    while not (kept := list(states.glob(".training-*/members-0.safetensors"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    code, lines = stop(process, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("attn: stopped by SIGTERM; ")
    assert lines[0].endswith(f"To go on from them: attn {' '.join(arguments)}")
    with safe_open(kept[0], "pt") as state:
        assert '"epoch":' in state.metadata()["about"]
    with open_instance(Home.open(home.root)) as instance:
        [run] = instance.get_runs(limit=1)
    assert run.is_failure, "no run is left that seems to go on"


WITH_COMMAND = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from attn_platform.cli import app, main, stopping
stopping.GRACE = 1.5

def ready():
    print("ready", flush=True)

class Careless:
    "What is raised while it is thrown away is raised nowhere."
    def __del__(self):
        ready()
        time.sleep(60)
"""
RUN_COMMAND = """
app.command("wait")(wait)
main(["wait"])
"""
# What is done by the command, and what it has printed by its end
STUBBORN = """
def wait():
    signal.signal(signal.SIGINT, lambda *rest: None)
    signal.signal(signal.SIGTERM, lambda *rest: None)
    ready()
    time.sleep(60)
"""
WILLING = """
def wait():
    try:
        ready()
        time.sleep(60)
    finally:
        print("cleaned up")
"""
SWALLOWED_AT_THE_END = """
def wait():
    Careless()
    print("went on")
"""
SWALLOWED_IN_THE_MIDDLE = """
def wait():
    Careless()
    print("went on", flush=True)
    time.sleep(60)
"""
SWALLOWED_BESIDE_PROCESSES = """
def wait():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(time.sleep, seconds) for seconds in (0, 60, 60)]
        runs[0].result()
        Careless()
        print("went on", flush=True)
"""
DROPPED_BY_DAGSTER = """
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt
def wait():
    with capture_interrupts():
        ready()
        while not check_captured_interrupt():
            time.sleep(0.01)
"""
STOPPED_WRITING = """
def wait():
    signal.signal(signal.SIGTERM, lambda *rest: None)
    ready()
    os.close(2)
    time.sleep(60)
"""
IN_THE_BACKGROUND = """
import dagster as dg

@dg.asset
def first(): ...

def wait():
    os.close(2)
    dg.materialize([first])
    os.kill(os.getpid(), signal.SIGINT)
    ready()
    time.sleep(60)

signal.signal(signal.SIGINT, signal.SIG_IGN)
"""


def stop_command(code: str, number: signal.Signals) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `attn wait`, as `code` defines it, after one signal."""
    process = start(WITH_COMMAND + code + RUN_COMMAND)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=WITHIN)  # which waits for processes of a pool, too
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "number", "printed"),
    [
        (STUBBORN, signal.SIGINT, ""),
        (WILLING, signal.SIGINT, "cleaned up\n"),
        (SWALLOWED_AT_THE_END, signal.SIGTERM, "went on\n"),
        (SWALLOWED_IN_THE_MIDDLE, signal.SIGTERM, "went on\n"),
        (SWALLOWED_BESIDE_PROCESSES, signal.SIGTERM, "went on\n"),
        (DROPPED_BY_DAGSTER, signal.SIGTERM, ""),
    ],
)
def test_a_signal_ends_a_command_whatever_becomes_of_the_exception(
    code: str, number: signal.Signals, printed: str
) -> None:
    exit_code, out, err = stop_command(code, number)
    assert (exit_code, out) == (128 + number, printed)
    assert f"attn: stopped by {number.name}; " in err
    assert err.count("attn: ") == 1


@pytest.mark.parametrize("code", [STOPPED_WRITING, IN_THE_BACKGROUND])
def test_a_signal_ends_what_nobody_looks_at(code: str) -> None:
    """Where the line cannot be written; and in the background, where a Ctrl-C is meant for others."""
    assert stop_command(code, signal.SIGTERM)[:2] == (128 + signal.SIGTERM, "")


STUBBORN_PROGRAM = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 1:
    child = subprocess.Popen([sys.executable, sys.argv[0]])
    print(f"child {child.pid}", flush=True)
time.sleep(60)
"""
SUPERVISING = """
import os, sys, typer
from attn_platform.cli import app, main
from attn_platform.cli.supervising import supervise
@app.command("wait")
def wait():
    raise SystemExit(supervise([sys.executable, *sys.argv[1:]], os.environ))
main(["wait"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_what_a_command_runs_beside_itself_ends_with_it(number: signal.Signals, times: int, tmp_path: Path) -> None:
    """A program that hears no signal, and a process of its own: the first signal ends all, a second one at once."""
    program = tmp_path / "program.py"
    program.write_text(STUBBORN_PROGRAM, encoding="utf-8")
    process = start(SUPERVISING, str(program), "parent")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("child "), line
    child = int(line.split()[1])
    for _ in range(times - 1):
        process.send_signal(number)
        time.sleep(0.3)
    code, lines = stop(process, number)
    assert code == 128 + number
    assert len(lines) == 1
    assert lines[0].startswith(f"attn: stopped by {number.name}; ")
    deadline = time.monotonic() + WITHIN
    while Path(f"/proc/{child}").exists() and "(zombie)" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline, "the program's own process goes on"
        time.sleep(0.05)


def test_a_program_that_ends_by_itself_ends_the_command_with_its_exit_code(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys; print('said', flush=True); sys.exit(7)", encoding="utf-8")
    process = start(SUPERVISING, str(program))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert err == "said\n"
