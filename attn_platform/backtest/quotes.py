"""What a portfolio can know of a session: prices and restrictions of the stocks it holds or wants.

A stock without a row is not delisted: it is suspended, with no price of the session, until its `delist_date` in table
security. From that day on it is delisted, rows or not; nothing before it knows of the date. A company that goes on
under another code is not delisted: from that day on its stock has the new one.

Prices and volumes are those of one unit of a holding: an adjusted share, or a raw share where the backtest holds whole
shares. Raw closes are whole fen; an average price is not.
"""

from dataclasses import dataclass, field

import numpy as np

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.tradability import TRADABILITY_FIELDS, Restriction, execution_prices, restrictions
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import STATUS_CODES, DenseMarket

BACKTEST_FIELDS = (*TRADABILITY_FIELDS, "adj_factor", "trading_status")

NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class Closes:
    """What is needed of a session without a trade, arrays [n] in the order of `symbols`."""

    symbols: np.ndarray
    close: np.ndarray  # of a unit; NaN: no row in this session
    adj_factor: np.ndarray
    has_row: np.ndarray  # in this session
    is_suspended: np.ndarray  # or without a row
    is_delisted: np.ndarray
    is_leaving: np.ndarray  # in the delisting-consolidation period, and the backtest does not hold such stocks


@dataclass(frozen=True)
class Quotes:
    """Prices of some stocks in one session, arrays [n] in the order of `symbols`; NaN where there is none."""

    symbols: np.ndarray
    close: np.ndarray  # of a unit; NaN: no row in this session
    execution: np.ndarray  # execution price of a unit
    adj_factor: np.ndarray
    volume: np.ndarray  # units traded by everybody
    restriction: np.ndarray  # codes of `Restriction`
    is_leaving: np.ndarray


@dataclass
class QuoteBoard:
    """Closes and quotes from a dense market, which must hold the fields `BACKTEST_FIELDS`."""

    market: DenseMarket
    config: BacktestConfig
    _symbols: np.ndarray | None = field(default=None, init=False)
    _columns: np.ndarray = field(default_factory=lambda: np.array([], dtype=np.intp), init=False)
    _delist_dates: np.ndarray = field(default_factory=lambda: np.array([], dtype="datetime64[D]"), init=False)

    def codes_on(self, row: int, symbols: np.ndarray) -> np.ndarray:
        """The codes of session `row` of companies that had `symbols`; the same array where none has changed."""
        changed = self.market.new_codes(self.market.sessions[row])
        if not changed or changed.keys().isdisjoint(symbols.tolist()):
            return symbols
        return np.array([changed.get(name, name) for name in symbols.tolist()], dtype=str)

    def closes(self, row: int, symbols: np.ndarray) -> Closes:
        """Closes of some stocks in session `row`.

        A stock outside the market's columns has no row. MissingDataError if no stock at all has a row in the session.
        """
        if np.isnan(self.market["is_suspended"][row]).all():
            raise MissingDataError(f"daily_bar has no row on {self.market.sessions[row]}; import that session first")
        columns = self._columns_of(symbols)
        factor, is_suspended = (self._values(name, row, columns) for name in ("adj_factor", "is_suspended"))
        is_delisted = self._is_delisted(row)
        return Closes(
            symbols=symbols,
            close=self._close(self._values("close", row, columns), factor),
            adj_factor=factor,
            has_row=~np.isnan(is_suspended) & ~is_delisted,
            is_suspended=is_suspended != 0,
            is_delisted=is_delisted,
            is_leaving=self._is_leaving(row, columns),
        )

    def quotes(self, row: int, symbols: np.ndarray) -> Quotes:
        """Quotes of some stocks in session `row`, which has rows."""
        columns, config = self._columns_of(symbols), self.config
        fields = {name: self._values(name, row, columns) for name in TRADABILITY_FIELDS}
        factor = self._values("adj_factor", row, columns)
        whole, volume = config.whole_shares, fields["volume"]
        price, _ = execution_prices(fields, config.execution_price)
        by_market = restrictions(fields, config.execution_price, config.limit_board)
        return Quotes(
            symbols=symbols,
            close=self._close(fields["close"], factor),
            execution=price if whole else price * factor,
            adj_factor=factor,
            volume=volume if whole else volume / factor,
            restriction=np.where(self._is_delisted(row), np.int8(Restriction.DELISTED), by_market),
            is_leaving=self._is_leaving(row, columns),
        )

    def _close(self, raw: np.ndarray, factor: np.ndarray) -> np.ndarray:
        return to_fen(raw) if self.config.whole_shares else raw * factor

    def _is_leaving(self, row: int, columns: np.ndarray) -> np.ndarray:
        if self.config.buy_delisting:
            return np.zeros(len(columns), dtype=bool)
        return self._values("trading_status", row, columns) == STATUS_CODES["delisting"]

    def _is_delisted(self, row: int) -> np.ndarray:
        """Whether the stocks last asked for are delisted in session `row`."""
        with np.errstate(invalid="ignore"):  # NaT: not delisted
            return self._delist_dates <= self.market.sessions[row]

    def _values(self, name: str, row: int, columns: np.ndarray) -> np.ndarray:
        """One field of a session; column -1 is a stock that the market does not have."""
        values = self.market[name][row, columns]
        values[columns < 0] = np.nan
        return values

    def _columns_of(self, symbols: np.ndarray) -> np.ndarray:
        """Columns of the symbols in the market; the last answer is kept, since holdings change on trades only."""
        if symbols is not self._symbols:
            known, dates = self.market.symbols, self.market.delist_dates
            at = np.minimum(np.searchsorted(known, symbols), len(known) - 1)
            self._symbols, self._columns = symbols, np.where(known[at] == symbols, at, -1)
            self._delist_dates = np.array([dates.get(s, NEVER) for s in symbols.tolist()], dtype="datetime64[D]")
        return self._columns
