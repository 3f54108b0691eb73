"""What happened while an account advanced, as tidy frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.backtest.account import Account, Delisting
from attn_platform.backtest.entitlements import Entitlement
from attn_platform.backtest.execution import WEIGHT_TOLERANCE, Fills

NUMBER, TEXT, YES_NO, DATE = "float64", "str", "bool", "datetime64[s]"

_COLUMNS: dict[str, dict[str, str]] = {
    "daily": {
        "date": DATE,
        "equity": NUMBER,
        "turnover": NUMBER,
        "cost": NUMBER,
        "cash_share": NUMBER,
        "holding_count": "int64",
        "suspended_count": "int64",
        "suspended_share": NUMBER,
    },
    "trades": {
        "date": DATE,
        "symbol": TEXT,
        "held_weight": NUMBER,
        "target_weight": NUMBER,
        "weight": NUMBER,
        "traded_weight": NUMBER,
        "cost": NUMBER,
        "restriction": TEXT,
        "is_blocked": YES_NO,
        "unfilled_weight": NUMBER,
        "units": NUMBER,
        "price": NUMBER,
        "amount": NUMBER,
        "fee": NUMBER,
    },
    "holdings": {"date": DATE, "symbol": TEXT, "weight": NUMBER},
    "delistings": {
        "date": DATE,
        "symbol": TEXT,
        "weight": NUMBER,
        "price": NUMBER,
        "cost": NUMBER,
        "units": NUMBER,
        "amount": NUMBER,
        "fee": NUMBER,
    },
    "dividends": {"date": DATE, "symbol": TEXT, "shares": NUMBER, "new_shares": NUMBER, "cash": NUMBER},
}


def empty_frame(kind: str) -> pd.DataFrame:
    """A frame of one kind without rows, its columns and types as ever."""
    return pd.DataFrame({name: pd.Series(dtype=type_) for name, type_ in _COLUMNS[kind].items()})


def joined(kind: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames of one kind after each other, columns and types as ever."""
    columns, filled = _COLUMNS[kind], [frame for frame in frames if len(frame)]
    if not filled:
        return empty_frame(kind)
    return pd.concat([frame[list(columns)] for frame in filled], ignore_index=True).astype(columns)


class Ledger:
    """Records of sessions in their order; the frames are made when they are asked for, `date` first.

    - daily: one row a session. equity (CNY, at the close), turnover (two-sided, over the equity at execution prices
      before trading), cost (costs of the trades over that equity, plus those of selling delisted stocks over the
      previous close's), cash_share, holding_count; suspended_count and suspended_share (over the equity) of those
      holdings that are suspended or have no row in the session.
    - trades: the columns of `Fills.columns`; rows with is_blocked are wishes that a restriction stopped.
    - holdings: weights after the close of each session with a target, open orders or forced sales.
    - delistings: the fields of `Delisting`.
    - dividends: the fields of `Entitlement`; empty for fractional shares, which have them in their prices.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _COLUMNS}
        """Of each kind, columns of the rows of one session: arrays, or single values."""

    def open(self, session: np.datetime64, capital: float) -> None:
        """The base: nothing but cash."""
        self._add(
            "daily",
            session,
            {
                "equity": capital,
                "turnover": 0.0,
                "cost": 0.0,
                "cash_share": 1.0,
                "holding_count": 0,
                "suspended_count": 0,
                "suspended_share": 0.0,
            },
        )

    def add(
        self,
        account: Account,
        fills: Fills | None,
        delistings: Sequence[Delisting],
        entitlements: Sequence[Entitlement],
        is_suspended: np.ndarray,
    ) -> None:
        """One session, at whose close `account` stands, with some of its stocks [n] suspended."""
        session, equity = account.session, account.equity or 1.0  # shares of nothing are 0
        for kind, events in (("delistings", delistings), ("dividends", entitlements)):
            for event in events:
                self._add(kind, session, asdict(event))
        values = account.units * account.prices
        if fills is not None:
            self._add("trades", session, fills.columns())
            held = values > 0
            self._add("holdings", session, {"symbol": account.symbols[held], "weight": values[held] / equity})
        counts = values / equity > WEIGHT_TOLERANCE
        daily = {
            "equity": account.equity,
            "turnover": fills.turnover if fills else 0.0,
            "cost": sum(event.cost for event in delistings) + (fills.cost_share if fills else 0.0),
            "cash_share": account.cash / equity,
            "holding_count": int(counts.sum()),
            "suspended_count": int((counts & is_suspended).sum()),
            "suspended_share": float(values[is_suspended].sum()) / equity,
        }
        self._add("daily", session, daily)

    def _add(self, kind: str, session: np.datetime64, columns: Mapping[str, Any]) -> None:
        self._rows[kind].append({"date": session, **columns})

    def _frame(self, kind: str) -> pd.DataFrame:
        columns, rows = _COLUMNS[kind], self._rows[kind]
        if not rows:
            return empty_frame(kind)
        lengths = [len(row["symbol"]) if isinstance(row.get("symbol"), np.ndarray) else 1 for row in rows]
        dates = np.repeat(np.array([row["date"] for row in rows]), lengths)
        joined = {
            name: np.concatenate([np.atleast_1d(row[name]) for row in rows]) for name in columns if name != "date"
        }
        return pd.DataFrame({"date": dates, **joined}).astype(columns)

    @cached_property
    def daily(self) -> pd.DataFrame:
        """One row a session."""
        return self._frame("daily")

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Trades and wishes that were stopped."""
        return self._frame("trades")

    @cached_property
    def holdings(self) -> pd.DataFrame:
        """Weights after sessions with trades."""
        return self._frame("holdings")

    @cached_property
    def delistings(self) -> pd.DataFrame:
        """Holdings that were delisted and paid for."""
        return self._frame("delistings")

    @cached_property
    def dividends(self) -> pd.DataFrame:
        """What whole shares were entitled to."""
        return self._frame("dividends")
