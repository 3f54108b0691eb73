"""Looks at orders, approvals and fills as lines and tables for a terminal, and as records for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Column, Table

from attn_platform.portfolio.trading.blotter import Look, OrderChange, Shown, Week, order_changes
from attn_platform.portfolio.trading.real_positions import RealPositions
from attn_platform.reports.formatting import count, number, percent

TIME = "%Y-%m-%d %H:%M"


def look_lines(shown: Shown, real: RealPositions | None) -> Iterator[str]:
    """Where the positions of the orders shown came from, what has changed since the last look, and the approval."""
    if real is not None:
        stocks = count(len(real.positions), "stock")
        yield f"From what the fills of {real.sent} imply: {stocks} and {number(real.cash, 0)} CNY in cash."
    if shown.before is not None:
        yield f"Since the look of {shown.before.at:{TIME}} by {shown.before.by}: {changed(shown.changes)}."
    if shown.approval is not None and shown.sent is not None:
        differences = order_changes(shown.sent.orders, shown.look.orders)
        these = "these" if not differences else f"others (of which {changed(differences)})"
        yield f"Sent: {shown.approval.by} approved {these} at {shown.approval.at:{TIME}}."


def approval_lines(shown: Shown) -> Iterator[str]:
    """Who has approved what, and what has changed since the look before."""
    assert shown.approval is not None
    sides = [order.side for order in shown.look.orders]
    days = shown.look.sessions
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    yield (
        f"{shown.approval.by} has approved {count(sides.count('sell'), 'sale')} and {count(sides.count('buy'), 'buy')} "
        f"for {span}, as looked at on {shown.look.at:{TIME}} by {shown.look.by}."
    )
    if shown.before is not None:
        yield f"Since the look before, of {shown.before.at:{TIME}}: {changed(shown.changes)}."


def changed(changes: Sequence[OrderChange]) -> str:
    """How many orders are others, in words."""
    if not changes:
        return "no order has changed"
    new = sum(change.before == 0 for change in changes)
    gone = sum(change.after == 0 for change in changes)
    return f"{count(len(changes), 'order')} changed, {new} of them new and {gone} gone"


def changes_table(changes: Sequence[OrderChange], shown: int) -> Table:
    """The largest changes, `shown` of them at most; sales are negative."""
    largest = sorted(changes, key=lambda change: -abs(change.after - change.before))[:shown]
    title = (
        f"Orders that have changed since the last look ({len(largest)} of {len(changes)}, the largest first; shares)"
    )
    table = Table("symbol", *(Column(name, justify="right") for name in ("day", "before", "now")), title=title)
    for change in largest:
        table.add_row(change.symbol, str(change.day), f"{change.before:+,}", f"{change.after:+,}")
    return table


def approval_record(shown: Shown) -> dict[str, Any]:
    """An approval in types that JSON has."""
    assert shown.approval is not None
    return {
        "approved_by": shown.approval.by,
        "approved_at": shown.approval.at.isoformat(),
        "sessions": list(shown.look.sessions),
        "looked_at": _look_record(shown.look),
        "looked_at_before": None if shown.before is None else _look_record(shown.before),
        "changes": [change.model_dump() for change in shown.changes],
        "orders": [order.model_dump() for order in shown.look.orders],
    }


def fill_lines(week: Week) -> Iterator[str]:
    """How much of the orders that were sent was filled, at what fees."""
    assert week.sent is not None
    ordered = sum(order.shares * order.price for order in week.sent.orders)
    left = unfilled(week)
    open_value = sum(row["unfilled"] * row["close"] for row in left)
    share = percent(1 - open_value / ordered if ordered else float("nan"))
    fees = number(sum(fill.fees for fill in week.fills))
    yield (
        f"{share} of {number(ordered, 0)} CNY ordered is filled, for {fees} CNY of fees; {count(len(left), 'order')} "
        f"with {number(open_value, 0)} CNY not or in part (at the signal's closes)."
    )


def unfilled(week: Week) -> list[dict[str, Any]]:
    """What is left of what was sent, the most first: symbol, side, ordered, filled, unfilled, close."""
    assert week.sent is not None
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for order in week.sent.orders:
        empty = {"symbol": order.symbol, "side": order.side, "ordered": 0, "filled": 0, "close": order.price}
        rows.setdefault((order.symbol, order.side), empty)["ordered"] += order.shares
    for fill in week.fills:
        rows[fill.symbol, fill.side]["filled"] += fill.shares
    left = [{**row, "unfilled": row["ordered"] - row["filled"]} for row in rows.values()]
    return sorted((row for row in left if row["unfilled"]), key=lambda row: -row["unfilled"] * row["close"])


def unfilled_table(left: Sequence[Mapping[str, Any]], shown: int) -> Table:
    """The largest orders that are not filled, `shown` at most."""
    columns = (Column(name, justify="right") for name in ("ordered", "filled", "unfilled"))
    table = Table(
        "symbol", "side", *columns, title=f"Not filled ({min(shown, len(left))} of {len(left)}, the largest first)"
    )
    for row in left[:shown]:
        table.add_row(row["symbol"], row["side"], *(f"{row[name]:,}" for name in ("ordered", "filled", "unfilled")))
    return table


def _look_record(look: Look) -> dict[str, str]:
    return {"by": look.by, "at": look.at.isoformat()}
