"""A week that was sent, by hand: what it started from, its orders and fills."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from attn_platform.portfolio.trading.blotter import Approval, Fill, Fills, Look, Order, Position, Week
from attn_platform.portfolio.trading.orders import OrderConfig

AT = datetime(2022, 6, 10, 9, tzinfo=UTC)


def look(positions: dict[str, int], cash: float, orders: Sequence[tuple[str, str, int, float]], *sessions: str) -> Look:
    """Orders are symbol, side, shares and close, all of them of the first of the `sessions`."""
    return Look(
        at=AT,
        by="Li Lei",
        portfolio="a fingerprint",
        sessions=sessions,
        start="file",
        cash=cash,
        positions=tuple(Position(symbol=name, shares=count, sellable=count) for name, count in positions.items()),
        config=OrderConfig(),
        orders=tuple(
            Order.model_validate({"day": 1, "symbol": symbol, "side": side, "shares": shares, "price": close})
            for symbol, side, shares, close in orders
        ),
    )


def week_of(signal: str, sent: Look, *files: Sequence[Fill]) -> Week:
    """With a file of fills for each of `files`."""
    entries = [Fills(at=AT, by="Li Lei", file=f"{n}.csv", digest=str(n), fills=tuple(f)) for n, f in enumerate(files)]
    return Week(np.datetime64(signal), [sent, Approval(at=AT, by="Li Lei", look=1, changes=()), *entries])


def fill(session: str, symbol: str, side: str, shares: int, price: float, fees: float = 0.0) -> Fill:
    return Fill.model_validate(
        {"session": session, "symbol": symbol, "side": side, "shares": shares, "price": price, "fees": fees}
    )
