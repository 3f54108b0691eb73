"""An alert: what is wrong with which asset and partition, since when, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TIME = "%Y-%m-%d %H:%M %Z"


class Kind(StrEnum):
    """What alerts are about; a test is about the channel."""

    FAILURE = "failure"
    LATENESS = "lateness"
    RELAXED = "relaxed limit"
    UNUSUAL = "unusual portfolio"
    FORECAST = "forecast outside its band"
    TEST = "test"


class State(StrEnum):
    """Whether a letter says that something is wrong, or that it no longer is."""

    WRONG = "wrong"
    MENDED = "mended"


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong. `key` tells it from others: while it is wrong, it is one alert, whatever its text."""

    kind: Kind
    asset: str
    partition: str | None
    what: str
    since: datetime
    remedy: str
    """The command that mends it, or where to look."""
    link: str = ""

    @property
    def key(self) -> str:
        """What is wrong where."""
        return "|".join((self.kind, self.asset, self.partition or ""))


@dataclass(frozen=True)
class Letter:
    """What a channel is sent: an alert, as wrong or as mended."""

    alert: Alert
    state: State
    home: str
    until: datetime | None = None
    """When it was found mended."""

    @property
    def title(self) -> str:
        """One line."""
        alert = self.alert
        place = f"{alert.asset} {alert.partition}" if alert.partition else alert.asset
        return f"{'MENDED' if self.state is State.MENDED else 'WRONG'} · {alert.kind} · {place}"

    @property
    def lines(self) -> list[str]:
        """The text below the title, a fact a line."""
        alert = self.alert
        lines = [alert.what, f"since {alert.since.strftime(TIME)}"]
        if self.until is not None:
            lines.append(f"mended {self.until.strftime(TIME)}")
        elif alert.remedy:
            lines.append(f"to mend it: {alert.remedy}")
        lines.append(f"home {self.home}")
        return [*lines, *([alert.link] if alert.link else [])]

    @property
    def content(self) -> dict[str, str | None]:
        """Everything by name, for services."""
        alert = self.alert
        return {
            "state": self.state, "kind": alert.kind, "asset": alert.asset, "partition": alert.partition,
            "what": alert.what, "since": alert.since.isoformat(), "remedy": alert.remedy, "link": alert.link,
            "home": self.home, "mended": self.until.isoformat() if self.until else None,
        }  # fmt: skip
