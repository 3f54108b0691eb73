"""The blotter of a home: which orders were looked at, approved and filled, and which sent weeks were made again.

`<home>/orders/<strategy>/<signal>/<number>-<kind>.json`, a file an entry, numbered from 1. Entries are appended whole
and never changed. Orders count as sent once an approval is there: from then on their week is only made again with
somebody's consent, which is an entry as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from attn_platform.errors import ContractError
from attn_platform.locks import exclusive
from attn_platform.market.lake.files import put
from attn_platform.portfolio.trading.orders import OrderConfig
from attn_platform.portfolio.trading.rebalance_orders import RebalanceOrders

FOLDER, LOCK, SUFFIX = "orders", ".lock", ".json"
PATIENCE_SECONDS = 60.0  # as long as another process may take that computes orders again to approve them

Side = Literal["buy", "sell"]
Start = Literal["account", "file", "fills"]
"""Where positions come from: the strategy's account, a file of the trader's, what the fills of sent orders imply."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Position(_Record):
    """Shares that were held before the orders, and how many of them could be sold at first."""

    symbol: str
    shares: int
    sellable: int


class Order(_Record):
    """One order, for the `day`-th session (from 1) of those that the orders are spread over; `price` is the close."""

    day: int
    symbol: str
    side: Side
    shares: int
    price: float


class OrderChange(_Record):
    """Shares of a stock on a day before and after, negative for sales and 0 for no order."""

    day: int
    symbol: str
    before: int
    after: int


class Fill(_Record):
    """What was traded of one stock on a side in a session: price in CNY a share, fees in CNY."""

    session: str
    symbol: str
    side: Side
    shares: int
    price: float
    fees: float


class _Entry(_Record):
    at: datetime
    by: str


class Look(_Entry):
    """Orders as they were shown, what they started from, and the fingerprint of the target that they lead to."""

    kind: Literal["look"] = "look"
    portfolio: str
    sessions: tuple[str, ...]
    start: Start
    cash: float
    positions: tuple[Position, ...]
    config: OrderConfig
    orders: tuple[Order, ...]

    def same_as(self, other: Look) -> bool:
        """Whether another look showed the same, whoever looked when."""
        return self.model_copy(update={"at": other.at, "by": other.by}) == other


class Approval(_Entry):
    """Consent to the orders of the entry numbered `look`; `changes` are those since the look before that one."""

    kind: Literal["approval"] = "approval"
    look: int
    changes: tuple[OrderChange, ...]


class Fills(_Entry):
    """The rows of a file of fills; `digest` tells it from others, in whatever order its rows stand."""

    kind: Literal["fills"] = "fills"
    file: str
    digest: str
    fills: tuple[Fill, ...]


class Rebuild(_Entry):
    """Consent to make the week again, and the fingerprints of its portfolio before and after."""

    kind: Literal["rebuild"] = "rebuild"
    before: str
    after: str


Entry = Annotated[Look | Approval | Fills | Rebuild, Field(discriminator="kind")]
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


class Week:
    """The entries of one week of a strategy, in their order."""

    def __init__(self, signal: np.datetime64, entries: Sequence[Entry]) -> None:
        self.signal = signal
        self.entries = tuple(entries)

    @cached_property
    def looks(self) -> list[tuple[int, Look]]:
        """Looks with their numbers."""
        return [(number, entry) for number, entry in enumerate(self.entries, start=1) if isinstance(entry, Look)]

    @property
    def approval(self) -> Approval | None:
        """The newest approval; None where the orders were not sent."""
        return next((entry for entry in reversed(self.entries) if isinstance(entry, Approval)), None)

    @property
    def sent(self) -> Look | None:
        """What was sent: the look that the newest approval is about."""
        approval = self.approval
        return None if approval is None else dict(self.looks)[approval.look]

    @property
    def files(self) -> list[Fills]:
        """The files of fills that have come in."""
        return [entry for entry in self.entries if isinstance(entry, Fills)]

    @property
    def fills(self) -> list[Fill]:
        """All fills, in the order in which they came in."""
        return [fill for file in self.files for fill in file.fills]


@dataclass(frozen=True)
class Shown:
    """A look at orders, the look before it (None for the first), what has changed since, and the newest approval.

    `sent` is the look that was approved, which need not be this one.
    """

    look: Look
    before: Look | None
    changes: tuple[OrderChange, ...]
    approval: Approval | None
    sent: Look | None


class Blotter:
    """The entries of one strategy."""

    def __init__(self, home: Path, strategy: str) -> None:
        self.folder = home / FOLDER / strategy

    def weeks(self) -> list[np.datetime64]:
        """Signals of the weeks that have an entry, ascending."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
        return [np.datetime64(name, "D") for name in names]

    def week(self, signal: np.datetime64) -> Week:
        """The entries of a week; `ContractError` names a file that is none."""
        return Week(signal, [_read(path) for path in self._files(signal)])

    def is_sent(self, signal: np.datetime64) -> bool:
        """Whether orders of a week were approved, told by the names of its entries alone."""
        return any(path.stem.endswith(f"-{Approval.model_fields['kind'].default}") for path in self._files(signal))

    def sent_weeks(self) -> list[np.datetime64]:
        """Signals of the weeks whose orders were sent, ascending."""
        return [signal for signal in self.weeks() if self.is_sent(signal)]

    def record(self, signal: np.datetime64, made: Callable[[Week], Entry | None]) -> Entry | None:
        """Append the entry that `made` gives for the week as it stands; nothing where it gives None or raises.

        One process at a time, so that what `made` has looked at is still so when its entry is there.
        """
        folder = self._folder(signal)
        folder.mkdir(parents=True, exist_ok=True)
        refusal = f"another process writes to the blotter of {self.folder.name} of {signal}; try again"
        with exclusive(folder / LOCK, refusal, PATIENCE_SECONDS):
            week = self.week(signal)
            entry = made(week)
            if entry is not None:
                file = folder / f"{len(week.entries) + 1:04d}-{entry.kind}{SUFFIX}"
                put(file, _ENTRY.dump_json(entry, indent=1), durable=True)
        return entry

    def _folder(self, signal: np.datetime64) -> Path:
        return self.folder / str(signal)

    def _files(self, signal: np.datetime64) -> list[Path]:
        return sorted(self._folder(signal).glob(f"[0-9]*-*{SUFFIX}"))


def look_at(made: RebalanceOrders, portfolio: str, config: OrderConfig, start: Start, at: datetime, by: str) -> Look:
    """The entry of orders that are shown; `portfolio` is the fingerprint of the target that they lead to."""
    orders = made.orders if "day" in made.orders else made.orders.assign(day=1)
    columns = list(Order.model_fields)
    return Look.model_validate(
        {
            "at": at,
            "by": by,
            "portfolio": portfolio,
            "sessions": [str(session) for session in made.sessions],
            "start": start,
            "cash": made.listed.summary.cash,
            "positions": made.positions[list(Position.model_fields)].to_dict("records"),
            "config": config,
            "orders": orders[columns].to_dict("records"),
        }
    )


def order_changes(before: Sequence[Order], after: Sequence[Order]) -> tuple[OrderChange, ...]:
    """The stocks and days whose orders differ, by day and symbol; a change of the price alone is none."""
    old, new = _signed(before), _signed(after)
    return tuple(
        OrderChange(day=day, symbol=symbol, before=old.get((day, symbol), 0), after=new.get((day, symbol), 0))
        for day, symbol in sorted(old.keys() | new.keys())
        if old.get((day, symbol), 0) != new.get((day, symbol), 0)
    )


def last_look(week: Week) -> Shown:
    """The last look at the orders of a week that somebody has looked at."""
    looks = [look for _, look in week.looks]
    before = looks[-2] if len(looks) > 1 else None
    changes = () if before is None else order_changes(before.orders, looks[-1].orders)
    return Shown(looks[-1], before, changes, week.approval, week.sent)


def _signed(orders: Sequence[Order]) -> dict[tuple[int, str], int]:
    return {(order.day, order.symbol): order.shares if order.side == "buy" else -order.shares for order in orders}


def _read(path: Path) -> Entry:
    try:
        return _ENTRY.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ContractError(
            f"{path} is no entry of the blotter ({place}: {first['msg']}); restore it from a backup"
        ) from None
