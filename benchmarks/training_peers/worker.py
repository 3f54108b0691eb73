"""A side of a race in a process of its own, that steps when it is told to: so both sides' steps can take turns."""

import multiprocessing
import time
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch

from attn_platform.training.device import freed_memory_kept, peak_memory_bytes
from training_peers.generated_samples import generated_frame
from training_peers.races import RACES
from training_peers.sides import PlainAttention, PlainSide, PlatformAttention, PlatformSide

PLATFORM = "platform"


@dataclass(frozen=True)
class Entry:
    """What a process measures: `kind` is the platform or one of the race's plain implementations."""

    race: str
    kind: str
    stocks: int
    sessions: int
    seeds: int
    threads: int
    device: str
    precision: str
    stacking: Literal["auto", "on", "off"]
    attention_only: bool = False
    """Global graph attention alone, without the network around it."""


@dataclass(frozen=True)
class Figures:
    """Most bytes held beyond what the process held before it had samples; FLOPs of a step, of the platform only."""

    peak: int
    flops: int | None


class Worker:
    """The process of an entry."""

    def __init__(self, entry: Entry) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the memory of this process
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(entry, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def seconds(self, steps: int) -> float:
        """Mean seconds of as many steps."""
        return float(self._asked(("steps", steps)))

    def finish(self) -> Figures:
        """What the process says in the end."""
        figures: Figures = self._asked(("finish", 0))
        self._process.join()
        return figures

    def _asked(self, question: tuple[str, int]) -> Any:
        self._connection.send(question)
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            raise MemoryError(f"the process ended with {self._process.exitcode}; was its memory enough?") from None


def _serve(entry: Entry, connection: Connection) -> None:
    torch.set_num_threads(entry.threads)
    with freed_memory_kept() if entry.kind == PLATFORM else nullcontext():  # as the platform's trainer has it
        _answer(entry, connection)


def _answer(entry: Entry, connection: Connection) -> None:
    device, race = torch.device(entry.device), RACES[entry.race]
    frame = generated_frame(entry.stocks, entry.sessions, race.tasks)
    before = peak_memory_bytes(device)
    side: PlatformSide | PlainSide | PlatformAttention | PlainAttention
    match entry.kind == PLATFORM, entry.attention_only:
        case True, False:
            side = PlatformSide(race, range(entry.seeds), frame, device, entry.precision, entry.threads, entry.stacking)
        case True, True:
            side = PlatformAttention(race, range(entry.seeds), entry.stocks, device, entry.precision)
        case False, False:
            side = PlainSide(race, entry.kind, frame, device)
        case _:
            side = PlainAttention(race, entry.kind, entry.stocks, device)
    while True:
        question, steps = connection.recv()
        if question == "finish":
            peak = peak_memory_bytes(device) - before
            flops = side.flops() if isinstance(side, PlatformSide | PlatformAttention) else None
            connection.send(Figures(peak, flops))
            return
        _synchronise(device)
        started = time.perf_counter()
        side.run(steps)
        _synchronise(device)
        connection.send((time.perf_counter() - started) / steps)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
