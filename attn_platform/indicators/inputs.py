"""What an indicator's function is given: one session of some stocks, whole, and what was known of them before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attn_platform.errors import MissingDataError
from attn_platform.indicators.bars import BarRows
from attn_platform.indicators.book import BookRows
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.rows import FloatArray
from attn_platform.indicators.trades import TradeRows
from attn_platform.market.intraday import session_end


@dataclass(frozen=True)
class IndicatorInputs:
    """Bars, trades and snapshots of `symbols` [S] on a session, as far as they are asked for.

    `history[name]` are indicators of the sessions before [T, S], oldest first, NaN where missing: nothing of the day
    itself. What several indicators share is worked out once (`shared`).
    """

    session: np.datetime64
    symbols: np.ndarray
    config: IndicatorConfig
    tables: Mapping[str, BarRows | TradeRows | BookRows]
    history: Mapping[str, FloatArray]
    shared: dict[str, object] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def bars(self) -> BarRows:
        """Rows of table minute_bar."""
        return self._rows("minute_bar", BarRows)

    @property
    def trades(self) -> TradeRows:
        """Rows of table transaction."""
        return self._rows("transaction", TradeRows)

    @property
    def book(self) -> BookRows:
        """Rows of table book_snapshot."""
        return self._rows("book_snapshot", BookRows)

    @property
    def end(self) -> int:
        """The minute since midnight in which the session ended: 15:00, but where a circuit breaker ended it."""
        return session_end(self.session)

    def before(self, name: str) -> FloatArray:
        """An indicator on the sessions before [T, S], oldest first."""
        try:
            return self.history[name]
        except KeyError:
            raise MissingDataError(
                f"the history of {name} is not there; an indicator lists it in `history`, with its sessions"
            ) from None

    def _rows(self, table, kind):  # type: ignore[no-untyped-def]
        try:
            return self.tables[table]
        except KeyError:
            raise MissingDataError(
                f"{table} is not there; an indicator lists all that it reads among its inputs, as {table}.column"
            ) from None


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> FloatArray:
    """numerator / denominator [S], NaN where the denominator is 0 or missing."""
    out = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
