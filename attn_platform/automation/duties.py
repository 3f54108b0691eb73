"""Duties: one run each of a job for a partition key that the calendar owes, and which of them can be launched now.

A duty is done once all of its assets have been made for its key, by whatever run, from what their inputs are now; one
without assets of that key once a run of its own has succeeded. It is launched when what it needs is
there, once at a time: a run of the same work that is under way, whoever started it, makes it wait. A run that failed is
tried again after a pause that doubles, and given up after so many attempts. Earlier sessions come first, so that what
was missed is caught up in order, and only some runs are under way at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from attn_platform.automation.configuration import AutomationConfig

Place = tuple[str, str]
"""An asset and a partition key; the key is empty for an asset without partitions."""


@dataclass(frozen=True)
class Duty:
    """A job for one key.

    `assets` have `key` for a partition; none of them for a job whose assets have no partitions. `needs` are made by
    other duties, `waits_for` says of what comes from outside why it is not there yet (None: it is). A duty `is_part` of
    its job where the job has more assets, which have no such key.
    """

    job: str
    key: str
    assets: tuple[str, ...] = ()
    needs: tuple[Place, ...] = ()
    waits_for: Callable[[], str | None] = field(default=lambda: None, compare=False)
    is_part: bool = False

    @property
    def name(self) -> str:
        """Job and key, as runs and letters name it."""
        return f"{self.job}:{self.key}"


@dataclass(frozen=True)
class History:
    """The runs that a duty has had: how many in all, how many have failed since its inputs came in and since one has
    succeeded, when the last of these ended, whether one has succeeded, and whether one is under way.
    """

    runs: int = 0
    failures: int = 0
    failed_at: datetime | None = None
    has_succeeded: bool = False
    is_under_way: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of the duties that are not done.

    `launched` with the number of the run, from 1; `waiting` with what for; `under_way`; `given_up`.
    """

    launched: tuple[tuple[Duty, int], ...]
    waiting: tuple[tuple[Duty, str], ...]
    under_way: tuple[Duty, ...]
    given_up: tuple[Duty, ...]


def decide(
    duties: Sequence[Duty],
    made: Callable[[str], Collection[str]],
    histories: Mapping[str, History],
    now: datetime,
    config: AutomationConfig,
) -> Decision:
    """Decide what to launch.

    Args:
        duties: in the order in which one day's are done.
        made: the partition keys of an asset that have been made and are not to be made again; `{""}` for one without
            partitions.
        histories: by name of the duty.
        now: with a time zone.
        config: attempts, pauses, runs at once.
    """
    launched: list[tuple[Duty, int]] = []
    waiting: list[tuple[Duty, str]] = []
    under_way: list[Duty] = []
    given_up: list[Duty] = []
    owed = [duty for duty in duties if not _is_done(duty, made, histories.get(duty.name, History()))]
    # Sorting is stable: of one day, the order given.
    owed.sort(key=lambda duty: duty.key)
    free = config.runs_at_once - sum(histories.get(duty.name, History()).is_under_way for duty in owed)
    for duty in owed:
        history = histories.get(duty.name, History())
        if history.is_under_way:
            under_way.append(duty)
        elif (missing := _missing(duty, made)) is not None:
            waiting.append((duty, missing))
        elif history.failures >= config.attempts:
            given_up.append(duty)
        elif (again := _again_at(history, config)) is not None and now < again:
            waiting.append((duty, f"attempt {history.failures + 1} at {again:%H:%M}"))
        elif len(launched) >= free:
            waiting.append((duty, f"{config.runs_at_once} runs are under way"))
        else:
            launched.append((duty, history.runs + 1))
    return Decision(tuple(launched), tuple(waiting), tuple(under_way), tuple(given_up))


def _is_done(duty: Duty, made: Callable[[str], Collection[str]], history: History) -> bool:
    if not duty.assets:
        return history.has_succeeded
    return all(duty.key in made(asset) for asset in duty.assets)


def _missing(duty: Duty, made: Callable[[str], Collection[str]]) -> str | None:
    for asset, key in duty.needs:
        if key not in made(asset):
            return f"waiting for {asset}" + (f" of {key}" if key else "")
    return duty.waits_for()


def _again_at(history: History, config: AutomationConfig) -> datetime | None:
    """When a duty that failed is tried again; None where it never failed."""
    if history.failed_at is None:
        return None
    pause: float = config.retry_minutes * 2.0 ** (history.failures - 1)
    return history.failed_at + timedelta(minutes=pause)
