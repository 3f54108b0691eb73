"""A stage in several processes: its independent parts side by side, each a Dagster run of its own.

A strategy's portfolios are solved week after week, and its backtest goes session by session. Many strategies are as
many chains, and a machine has several cores.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from attn_platform.errors import PlatformError
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.progress import tqdm
from attn_platform.studies.settings import Home, Settings

BuildDefinitions = Callable[[Home], dg.Definitions]

# A process takes some seconds to start: about as long as a few strategies take.
STRATEGIES_A_PROCESS = 4


@dataclass(frozen=True)
class _Process:
    """What a process of the pool keeps from part to part."""

    defs: dg.Definitions
    instance: dg.DagsterInstance


_process: _Process | None = None


def usual_workers(strategies: int) -> int:
    """Processes for a study of so many strategies: one for a few, and no more than there are cores."""
    return max(1, min(strategies // STRATEGIES_A_PROCESS, os.cpu_count() or 1))


def independent_parts(defs: dg.Definitions, stage: Stage) -> list[Stage]:
    """The stage cut into parts that read nothing of each other, largest first; together they are the stage."""
    graph = defs.resolve_asset_graph()
    part_of = {name: frozenset({name}) for name in stage.assets}
    for name in stage.assets:
        for parent in graph.get(dg.AssetKey(name)).parent_keys:
            joined = part_of[name] | part_of.get(parent.to_user_string(), frozenset())
            part_of.update(dict.fromkeys(joined, joined))
    parts = sorted(dict.fromkeys(part_of.values()), key=len, reverse=True)
    return [replace(stage, assets=tuple(name for name in stage.assets if name in part)) for part in parts]


def run_in_processes(
    build: BuildDefinitions, home: Home, stage: Stage, workers: int, set_up: Callable[[], None]
) -> float:
    """Run the parts of a stage in up to `workers` processes; returns the seconds.

    `build` and `set_up` are functions of modules: the one makes the home's definitions, the other is called first in
    each process. The first mistake of a part comes out as from `run_stage`, once the parts that had begun are done; no
    other begins.
    """
    started = time.perf_counter()
    parts = independent_parts(build(home), stage)
    count = min(workers, len(parts))
    with (
        _environment_of_processes(count),
        ProcessPoolExecutor(
            count,
            multiprocessing.get_context("spawn"),  # a fork would share Dagster's and PyTorch's threads
            initializer=_start,
            initargs=(build, home.root, home.settings, set_up),
        ) as pool,
    ):
        try:
            with _unreached_by_interrupts():
                runs = [pool.submit(_run, part) for part in parts]
            for run in tqdm(as_completed(runs), total=len(runs), desc=stage.title, unit="run"):
                run.result()
        except BrokenProcessPool:
            raise PlatformError(
                f"a process of {stage.label} ended by itself; if it was memory that lacked, take fewer --workers"
            ) from None
        except BaseException as error:
            if not isinstance(error, Exception):  # this process is told to end: so are the others
                for process in multiprocessing.active_children():
                    process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return time.perf_counter() - started


@contextmanager
def _unreached_by_interrupts() -> Iterator[None]:
    """Processes that start inside never see a Ctrl-C, which a terminal sends to all; this one does, and ends them."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def _environment_of_processes(count: int) -> Iterator[None]:
    """The environment that processes start in: they share the cores, and the bar that is shown is this one's."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    own = {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads, "TQDM_DISABLE": "1"}
    # Where a signal ends this process, Python's tracker frees what is left of the pool, and would warn of it
    own["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker"]))
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _start(build: BuildDefinitions, root: Path, settings: Settings, set_up: Callable[[], None]) -> None:
    global _process
    set_up()
    home = Home(root, settings)
    _process = _Process(build(home), open_instance(home))


def _run(part: Stage) -> float:
    assert _process is not None
    try:
        return run_stage(_process.defs, _process.instance, part)
    except PlatformError:
        raise
    except Exception as error:  # not every exception survives the way to the other process; its traceback does
        raise RuntimeError(repr(error)) from error
