"""What is read off a night: a row for each piece of work that was owed, checks of them, and the table of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from attn_platform.market.calendar import EXCHANGE_ZONE


@dataclass(frozen=True)
class Run:
    """A run of a piece of work; times are the night's."""

    duty: str
    run: str
    status: str
    launched: datetime
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Work:
    """What was owed, from when (None: never), by which deadline if any, and its runs, oldest first."""

    duty: str
    inputs_at: datetime | None
    deadline: datetime | None
    runs: tuple[Run, ...]

    @property
    def successes(self) -> list[Run]:
        """The runs that ended well."""
        return [run for run in self.runs if run.status == "SUCCESS"]

    @property
    def is_kept(self) -> bool | None:
        """Whether it was done by its deadline at first; None without one, or where it was never done."""
        if self.deadline is None or not self.successes or self.successes[0].ended is None:
            return None
        return self.successes[0].ended <= self.deadline

    def record(self) -> dict[str, Any]:
        """As a line of the log."""
        return {"event": "work", **asdict(self), "deadline_kept": self.is_kept}


def problems(work: Sequence[Work], corrected: Mapping[str, datetime]) -> list[str]:
    """What is not as it has to be: each key has one successful run.

    One more is allowed for each session of `corrected` (with the moment of its new rows) that is not after the key, in
    that order: made, corrected, made again.
    """
    found = []
    for each in work:
        ended = [run.ended for run in each.successes if run.ended is not None]
        key = each.duty.split(":", 1)[1]
        again = sum(session <= key and any(end < at for end in ended) for session, at in corrected.items())
        if not ended:
            found.append(f"{each.duty} was owed and has no successful run")
        elif len(ended) > 1 + again:
            found.append(f"{each.duty} has {len(ended)} successful runs")
    return found


def summary(work: Sequence[Work]) -> pd.DataFrame:
    """By job: how many were owed, launched and finished, the latest hour of the day, the wait for it, failed runs."""
    rows = []
    for job in dict.fromkeys(each.duty.split(":")[0] for each in work):
        of_job = [each for each in work if each.duty.startswith(f"{job}:")]
        first = [(each, each.successes[0]) for each in of_job if each.successes]
        waits = [run.ended - each.inputs_at for each, run in first if run.ended is not None and each.inputs_at]
        clocks = [run.ended.astimezone(EXCHANGE_ZONE).strftime("%H:%M") for _, run in first if run.ended is not None]
        deadlines = [each.is_kept for each in of_job if each.is_kept is not None]
        rows.append(
            {
                "work": job,
                "owed": len(of_job),
                "launched": sum(len(each.runs) for each in of_job),
                "finished": len(first),
                "made again": sum(len(each.successes) > 1 for each in of_job),
                "runs that failed": sum(run.status == "FAILURE" for each in of_job for run in each.runs),
                "latest (time of day)": max(clocks, default=""),
                "median wait": _text(pd.Series(waits).median()) if waits else "",
                "longest wait": _text(max(waits)) if waits else "",
                "deadlines kept": f"{sum(deadlines)} of {len(deadlines)}" if deadlines else "",
            }
        )
    return pd.DataFrame(rows)


def markdown(frame: pd.DataFrame) -> str:
    """A frame as a table of a page."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|---" * len(frame.columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in frame.itertuples(index=False))])


def _text(wait: timedelta) -> str:
    minutes = round(wait.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
