"""The book of alerts of a home: what is wrong now, who has been told, and what was once.

`<home>/alerts/open.json` holds what is wrong and which channels know; `history.jsonl` a line for each letter sent. Each
channel is told once that something is wrong, and once that it is mended. A letter that a channel did not take stays due
and is tried again at the next look; one that was mended before anybody was told is never sent.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from attn_platform.alerts.alert import Alert, Kind, Letter, State
from attn_platform.alerts.channels import send
from attn_platform.alerts.configuration import ChannelConfig
from attn_platform.errors import ContractError, PlatformError
from attn_platform.locks import exclusive
from attn_platform.writing import write_atomically

logger = logging.getLogger(__name__)

FOLDER, OPEN, HISTORY, LOCK = "alerts", "open.json", "history.jsonl", ".lock"
PATIENCE_SECONDS = 120.0
"""As long as another look may take that sends its letters over a slow line."""

Sender = Callable[[ChannelConfig, Letter], None]


@dataclass(frozen=True)
class Entry:
    """An alert of the book: the channels that know that it is wrong, and since when it is mended, if it is."""

    alert: Alert
    told: frozenset[str] = field(default=frozenset())
    mended: datetime | None = None


class AlertBook:
    """What is wrong with a home, kept in its folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / FOLDER

    def open(self) -> list[Alert]:
        """What is wrong, oldest first."""
        return [entry.alert for entry in self._entries() if entry.mended is None]

    def update(
        self,
        wrong: Iterable[Alert],
        channels: Sequence[ChannelConfig],
        now: datetime,
        sender: Sender = send,
    ) -> list[str]:
        """Enter what is wrong now, tell the channels what they do not know, and return why letters were not taken.

        An alert that was in the book keeps its `since`. Channels that were taken out of the settings are forgotten.
        """
        with self._held():
            entries = _entered(self._entries(), wrong, now)
            self._save(entries)  # what is wrong is on record, whatever becomes of the letters
            problems = []
            for place, entry in enumerate(entries):
                for channel, letter in self._due(entry, channels):
                    try:
                        sender(channel, letter)
                    except PlatformError as error:
                        logger.warning("%s", error)
                        problems.append(str(error))
                        continue
                    told = entry.told - {channel.name} if entry.mended else entry.told | {channel.name}
                    entries[place] = entry = replace(entry, told=told)
                    self._note(letter, channel, now)
                    self._save(entries)
            names = {channel.name for channel in channels}
            self._save([entry for entry in entries if entry.mended is None or entry.told & names])
        return problems

    def _due(self, entry: Entry, channels: Sequence[ChannelConfig]) -> Iterator[tuple[ChannelConfig, Letter]]:
        for channel in channels:
            knows = channel.name in entry.told
            if entry.mended is None and not knows:
                yield channel, Letter(entry.alert, State.WRONG, self.home.name)
            elif entry.mended is not None and knows:
                yield channel, Letter(entry.alert, State.MENDED, self.home.name, entry.mended)

    def _entries(self) -> list[Entry]:
        file = self.folder / OPEN
        try:
            return [_read(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{file} is no book of alerts ({error}); delete it, and alerts begin anew") from None

    def _save(self, entries: Sequence[Entry]) -> None:
        write_atomically(self.folder / OPEN, json.dumps([_written(entry) for entry in entries], indent=1))

    def _note(self, letter: Letter, channel: ChannelConfig, now: datetime) -> None:
        line = json.dumps({"sent": now.isoformat(), "channel": channel.name, **letter.content}, ensure_ascii=False)
        with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder / LOCK, f"another process tells of alerts of {self.home}", PATIENCE_SECONDS):
            yield


def _entered(entries: Sequence[Entry], wrong: Iterable[Alert], now: datetime) -> list[Entry]:
    """The book after a look: known alerts with today's text, new ones, and those that are no longer wrong."""
    found = {alert.key: alert for alert in wrong}
    known = {entry.alert.key: entry for entry in entries}
    after = [
        replace(entry, alert=replace(found[key], since=entry.alert.since), mended=None)
        if key in found
        else replace(entry, mended=entry.mended or now)
        for key, entry in known.items()
    ]
    return after + [Entry(alert) for key, alert in found.items() if key not in known]


def _written(entry: Entry) -> dict[str, Any]:
    alert = {**asdict(entry.alert), "since": entry.alert.since.isoformat()}
    return {**alert, "told": sorted(entry.told), "mended": entry.mended.isoformat() if entry.mended else None}


def _read(content: dict[str, Any]) -> Entry:
    facts = dict(content)
    told, mended = frozenset(facts.pop("told")), facts.pop("mended")
    alert = Alert(**{**facts, "kind": Kind(facts["kind"]), "since": datetime.fromisoformat(facts["since"])})
    return Entry(alert, told, datetime.fromisoformat(mended) if mended else None)
