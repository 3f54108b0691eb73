"""What is late: keys whose deadline has passed and that are not there, one by one.

A freshness policy of an asset would take any newer or older partition for it; here each key has a deadline of its own,
counted from its session in the exchange's time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from attn_platform.automation.configuration import Deadline


@dataclass(frozen=True)
class Late:
    """A key of an asset that should have been there at `due`."""

    asset: str
    key: str
    due: datetime


def late(
    owed: Mapping[str, Iterable[str]],
    present: Mapping[str, Collection[str]],
    deadlines: Mapping[str, Deadline],
    now: datetime,
    zone: tzinfo,
) -> list[Late]:
    """Keys (YYYY-MM-DD) of each asset that are owed, past their deadline, and not present; the oldest first."""
    found = [
        Late(asset, key, due)
        for asset, keys in owed.items()
        for key in keys
        if key not in present[asset] and (due := deadlines[asset].of(date.fromisoformat(key), zone)) <= now
    ]
    return sorted(found, key=lambda each: (each.due, each.asset))
