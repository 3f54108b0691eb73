"""Point-in-time statements: what was known of each stock's quarterly accounts, from every day on which that changed.

An event of a stock is a day on which rows of it were announced. As known on an event, each report period has its newest
row announced by that day, so a restatement counts from its announcement on, also in the figures that are derived from
it. Column k of every result is the calendar quarter k quarters before the newest period known on the event; a quarter
without a report is NaN, and so is what would have to be derived from one.

Definitions: the platform's data contract (table `fundamental`: flows are cumulative within the fiscal year, which is
the calendar year) and AI-55, XGBoost's factor table (single quarters, trailing twelve months, 20 quarters).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.contract import FLOW_ITEMS, FUNDAMENTAL, LEVEL_ITEMS
from attn_platform.market.lake import Lake, days

IntArray = npt.NDArray[np.int64]

ITEMS = (*FLOW_ITEMS, *LEVEL_ITEMS)
QUARTERS_A_YEAR = 4
MONTHS_A_QUARTER = 3
SINGLE_QUARTERS = 20  # five years, the longest series that a factor of the table reads
# The oldest single quarter is the difference of two cumulative figures, unless it is a first one.
KNOWN_QUARTERS = SINGLE_QUARTERS + 1
TRAILING_QUARTERS = KNOWN_QUARTERS - QUARTERS_A_YEAR
NO_ROW = -1


@dataclass(frozen=True)
class Statements:
    """Statements of N stocks, known on E events, ordered by stock and day."""

    stocks: int
    """N."""
    column: IntArray
    """Stock of each event [E]."""
    day: npt.NDArray[np.datetime64]
    """Day of each event [E]."""
    newest: IntArray
    """Newest period known on each event [E], in quarters since the first one of 1970."""
    row: npt.NDArray[np.int32]
    """Row of `values` known for each event and quarter [E, KNOWN_QUARTERS]; the last row, `NO_ROW`, is missing."""
    values: Mapping[str, FloatArray]
    """Items of the announced rows [R + 1]; the last one is NaN."""

    @property
    def items(self) -> tuple[str, ...]:
        """The items that have any value."""
        return tuple(name for name, values in self.values.items() if np.isfinite(values).any())

    def level(self, item: str) -> FloatArray:
        """An item of the balance sheet at the end of each quarter [E, KNOWN_QUARTERS], CNY."""
        return self._known(item, LEVEL_ITEMS, "level")

    def single_quarter(self, item: str) -> FloatArray:
        """A flow of each quarter alone [E, SINGLE_QUARTERS], CNY.

        The cumulative figure less that of the quarter before; of a first quarter the cumulative figure itself.
        """
        cumulative = self._known(item, FLOW_ITEMS, "single quarter")
        before = np.where(self._quarter(SINGLE_QUARTERS) == 0, 0.0, cumulative[:, 1:])
        return cumulative[:, :SINGLE_QUARTERS] - before

    def trailing(self, item: str) -> FloatArray:
        """A flow of the twelve months that end with each quarter [E, TRAILING_QUARTERS], CNY.

        The cumulative figure, and of the year before the annual figure less the cumulative one of the same quarter; of
        a fourth quarter the annual figure itself.
        """
        cumulative = self._known(item, FLOW_ITEMS, "trailing figure")
        own = cumulative[:, :TRAILING_QUARTERS]
        quarter = self._quarter(TRAILING_QUARTERS)
        annual = np.take_along_axis(cumulative, np.arange(TRAILING_QUARTERS) + quarter + 1, axis=1)
        rest_of_last_year = annual - cumulative[:, QUARTERS_A_YEAR:]
        return np.where(quarter == QUARTERS_A_YEAR - 1, own, own + rest_of_last_year)

    def carried(self, values: FloatArray, sessions: npt.NDArray[np.datetime64]) -> FloatArray:
        """Values of the events [E] as a panel [T, N]: on each session that of the stock's last event on or before it.

        NaN before the stock's first event, and while its last one has no value.
        """
        count = len(sessions)
        first = np.searchsorted(sessions, self.day)
        seen = first < count
        # Stocks one after the other: every cell opens a stretch of equal ones, which the next cell ends.
        opens = np.concatenate([np.arange(self.stocks) * count, self.column[seen] * count + first[seen]])
        order = np.argsort(opens, kind="stable")
        lengths = np.diff(opens[order], append=self.stocks * count)
        stretches = np.concatenate([np.full(self.stocks, np.nan), values[seen]])[order]
        return np.repeat(stretches, lengths).reshape(self.stocks, count).T

    def columns(self, selection: slice) -> Statements:
        """The same for a block of stocks (views, no copies)."""
        start, stop, _ = selection.indices(self.stocks)
        events = slice(*np.searchsorted(self.column, [start, stop]))
        return replace(
            self,
            stocks=max(stop - start, 0),
            column=self.column[events] - start,
            day=self.day[events],
            newest=self.newest[events],
            row=self.row[events],
        )

    def between(self, first_session: np.datetime64, last_session: np.datetime64) -> Statements:
        """What a panel of these sessions needs: each stock's last event on or before the first, and all to the last."""
        needed = (self.day <= last_session) & ~_superseded(self.column, self.day <= first_session)
        return replace(
            self, column=self.column[needed], day=self.day[needed], newest=self.newest[needed], row=self.row[needed]
        )

    def _known(self, item: str, kind: tuple[str, ...], what: str) -> FloatArray:
        if item not in self.values:
            raise MissingDataError(f"table {FUNDAMENTAL.name} has no item {item}; it has {', '.join(self.values)}")
        if item not in kind:
            raise ConfigurationError(f"{item} has no {what}; the items that have one are {', '.join(kind)}")
        return self.values[item][self.row]

    def _quarter(self, quarters: int) -> IntArray:
        """Quarter of the year, 0 to 3, of each column [E, quarters]."""
        return (self.newest[:, None] - np.arange(quarters)) % QUARTERS_A_YEAR


def load_statements(
    lake: Lake,
    symbols: npt.NDArray[np.str_],
    first_session: np.datetime64,
    last_session: np.datetime64,
    new_codes: Mapping[str, str] | None = None,
) -> Statements | None:
    """Statements of `symbols` [N] as they became known up to `last_session`; None where the lake has no such table.

    Statements under a former code are those of the company's code in `new_codes`.

    Of each stock there is the last event on or before `first_session`, and every one after it; rows that none of them
    reaches back to are left out. Nothing announced after `last_session` is in any result.
    """
    if not lake.has(FUNDAMENTAL.name):
        return None
    data = lake.read(FUNDAMENTAL.name, columns=["symbol", "report_period", "announced", *ITEMS])
    symbol = data["symbol"]
    for former, name in (new_codes or {}).items():
        symbol = pc.if_else(pc.equal(symbol, former), name, symbol)
    code = pc.index_in(symbol, value_set=pa.array(symbols.tolist(), type=pa.string()))
    stock = code.fill_null(NO_ROW).combine_chunks().to_numpy().astype(np.int64)
    period = days(data["report_period"]).astype("datetime64[M]").astype(np.int64) // MONTHS_A_QUARTER
    announced = days(data["announced"]).astype(np.int64)
    first, last = (int(day.astype("datetime64[D]").astype(np.int64)) for day in (first_session, last_session))

    kept = np.flatnonzero((stock != NO_ROW) & (announced <= last))
    kept = kept[_in_reach(stock[kept], period[kept], announced[kept] <= first, len(symbols))]
    kept = kept[np.lexsort((announced[kept], period[kept], stock[kept]))]
    values = {name: np.append(data[name].to_numpy().astype(np.float64, copy=False)[kept], np.nan) for name in ITEMS}
    return _statements(stock[kept], period[kept], announced[kept], values, len(symbols), first)


def _in_reach(stock: IntArray, period: IntArray, early: npt.NDArray[np.bool_], stocks: int) -> npt.NDArray[np.bool_]:
    """Rows of periods that some event from the first session on can still see; `early` rows are known on it."""
    newest = np.full(stocks, np.iinfo(np.int64).min // 2)
    np.maximum.at(newest, stock[early], period[early])
    return period > newest[stock] - KNOWN_QUARTERS


def _superseded(column: IntArray, early: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Events that another one of the same stock follows while it is still early."""
    out = np.zeros(len(column), dtype=bool)
    out[:-1] = (column[1:] == column[:-1]) & early[1:]
    return out


def _statements(
    stock: IntArray, period: IntArray, announced: IntArray, values: dict[str, FloatArray], stocks: int, first: int
) -> Statements:
    """Events of rows that are ordered by stock, period and announcement."""
    # A period of a stock as one number, with room above, so that older quarters never meet those of the stock before.
    oldest, width = (period.min(), np.ptp(period) + KNOWN_QUARTERS) if len(period) else (0, 1)
    of_stock = stock * width + period - oldest
    # The same with the day of the announcement: ascending over the rows.
    earliest, span = (announced.min(), np.ptp(announced) + 1) if len(announced) else (0, 1)
    key = of_stock * span + announced - earliest

    by_day = np.lexsort((announced, stock))
    stock, announced = stock[by_day], announced[by_day]
    newest = np.maximum.accumulate(of_stock[by_day])  # the next stock's numbers are all greater
    is_event = np.ones(len(stock), dtype=bool)  # of several rows of a day the last one knows all
    is_event[:-1] = (stock[1:] != stock[:-1]) | (announced[1:] != announced[:-1])
    stock, announced, newest = stock[is_event], announced[is_event], newest[is_event]
    needed = ~_superseded(stock, announced <= first)
    stock, announced, newest = stock[needed], announced[needed], newest[needed]

    row = np.full((len(stock), KNOWN_QUARTERS), NO_ROW, dtype=np.int32)
    for back in range(KNOWN_QUARTERS):
        wanted = newest - back
        found = np.searchsorted(key, wanted * span + announced - earliest, side="right") - 1
        is_known = (found >= 0) & (key[found] // span == wanted)
        row[is_known, back] = found[is_known]
    return Statements(
        stocks=stocks,
        column=stock,
        day=announced.astype("datetime64[D]"),
        newest=newest - stock * width + oldest,
        row=row,
        values=values,
    )
