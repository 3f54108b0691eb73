"""Where raw tables come from: the simulated market writes them, imported ones lie in the lake already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake, days
from attn_platform.market.simulation import SimulatedMarket
from attn_platform.progress import tqdm


class Source(Protocol):
    """Makes sure that raw tables are in the lake."""

    def provide(self, table: str) -> int:
        """A table without sessions; returns its rows."""
        ...

    def provide_sessions(self, table: str, sessions: np.ndarray) -> Mapping[str, int]:
        """Sessions of a table; returns rows by session. `MissingDataError` names the first that is not to be had."""
        ...


class SimulatedSource:
    """Writes tables of a simulated market, checked like any other vendor's."""

    def __init__(self, market: SimulatedMarket, lake: Lake, calendar: Calendar) -> None:
        self.market, self.lake, self.calendar = market, lake, calendar

    def provide(self, table: str) -> int:
        """Write the whole table."""
        return self.lake.write(table, self._conformed(table, self.market.table(table)))

    def provide_sessions(self, table: str, sessions: np.ndarray) -> Mapping[str, int]:
        """Write the sessions, a year at a time; of intraday tables one after the other, those that have rows."""
        rows: dict[str, int] = {}
        unit = "day" if TABLES[table].is_intraday else "year"
        periods = sessions.astype(f"datetime64[{unit[0].upper()}]")
        for period in tqdm(np.unique(periods), desc=table, unit=unit):
            chunk = sessions[periods == period]
            data = self.market.table(table, chunk[0], chunk[-1])
            if TABLES[table].is_intraday and data.num_rows == 0:
                continue  # not every session of a market has intraday tables
            data = self._conformed(table, data)
            rows |= self.lake.write_sessions(table, data, np.intersect1d(chunk, days(data["date"])))
        return rows

    def _conformed(self, table: str, data: pa.Table) -> pa.Table:
        return conform(data, TABLES[table], "simulated market", self.calendar)


class ImportedSource:
    """Finds what `attn import` has written; it checked every row on the way in."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def provide(self, table: str) -> int:
        """Rows of the table."""
        return self.lake.rows(table)

    def provide_sessions(self, table: str, sessions: np.ndarray) -> Mapping[str, int]:
        """Rows of those sessions; the table may begin later than the range asked for, but must have no gap.

        It may begin after all of the range, too: levels of an index do, and intraday tables.
        """
        lake = self.lake.snapshot()
        held = lake.sessions(table)
        if not len(held):
            raise MissingDataError(
                f"the lake holds no '{table}' from {sessions[0]} to {sessions[-1]}; import it (attn import)"
            )
        wanted = sessions[sessions >= held[0]]
        absent = np.setdiff1d(wanted, held)
        if len(absent):
            raise MissingDataError(
                f"the lake lacks '{table}' on {len(absent)} of {len(wanted)} sessions, the first {absent[0]}; "
                "import them (attn import)"
            )
        return {str(session): lake.rows(table, session) for session in wanted}
