"""What happens in a night of so many sessions, drawn from a seed: deliveries, late ones, kills, a corrected day.

A few things happen in every night that is long enough, so that it tries what it is for; the seed says when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

import numpy as np

from attn_platform.market.calendar import EXCHANGE_ZONE

LATE_SHARE, KILLED_SHARE = 0.2, 0.3  # of the sessions: files that come another day, runs that are killed
MOST_DAYS_LATE = 2
FIRST_HOUR, HOURS = 15.5, 1.5  # files come within so many hours from then on
DAEMON_HOUR, OUTAGE = 2, timedelta(hours=4)
CORRECTED_AFTER = 2  # sessions later
APPROVAL = time(8, 45)
# Not "session": files have the machine's time, which is later than the night's, so that a failure of it counts as one
# from before newer rows, and is tried again without a pause, at the same moment as by Dagster.
KILLED_JOBS = ("cross_section",)

Action = Literal["deliver", "correct", "approve", "stop daemon", "start daemon", "kill run"]


@dataclass(frozen=True, order=True)
class Happening:
    """Something that is done from outside at a moment; `key` is the session or the duty that it is about."""

    at: datetime
    action: Action
    key: str


def plan_night(sessions: Sequence[str], ends: datetime, seed: int) -> list[Happening]:
    """Happenings in their order. `sessions` (YYYY-MM-DD) are what is delivered, all before `ends`.

    Runs are killed once they have begun, at or after the moment.
    """
    random = np.random.default_rng(seed)
    found: list[Happening] = []
    late = set(random.choice(len(sessions), max(1, round(LATE_SHARE * len(sessions))), replace=False).tolist())
    killed = set(random.choice(len(sessions), max(1, round(KILLED_SHARE * len(sessions))), replace=False).tolist())
    for place, session in enumerate(sessions):
        arrives = place + int(random.integers(1, MOST_DAYS_LATE + 1)) if place in late else place
        on = sessions[min(arrives, len(sessions) - 1)]
        found.append(Happening(_at(on, FIRST_HOUR + HOURS * float(random.random())), "deliver", session))
        found.append(Happening(datetime.combine(_next(session), APPROVAL, EXCHANGE_ZONE), "approve", session))
        if place in killed:
            job = KILLED_JOBS[int(random.integers(len(KILLED_JOBS)))]
            found.append(Happening(_at(session, 24.0), "kill run", f"{job}:{session}"))
    stops = _at(sessions[int(random.integers(len(sessions)))], 24.0 + DAEMON_HOUR)
    found.append(Happening(stops, "stop daemon", ""))
    found.append(Happening(stops + OUTAGE, "start daemon", ""))
    if len(sessions) > CORRECTED_AFTER:
        place = int(random.integers(len(sessions) - CORRECTED_AFTER))
        came = max(happening.at for happening in found if happening.key == sessions[place])
        again = max(came, _at(sessions[place + CORRECTED_AFTER], FIRST_HOUR + HOURS)) + timedelta(hours=1)
        found.append(Happening(again, "correct", sessions[place]))
    return sorted(happening for happening in found if happening.at < ends)


def _at(session: str, hour: float) -> datetime:
    midnight = datetime.combine(date.fromisoformat(session), time(), EXCHANGE_ZONE)
    return midnight + timedelta(hours=hour)


def _next(session: str) -> date:
    return date.fromisoformat(session) + timedelta(days=1)
