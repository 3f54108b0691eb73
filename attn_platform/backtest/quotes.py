"""What a portfolio can know of a session: prices and restrictions of the stocks it holds or wants.

Prices and volumes are those of one unit of a holding: an adjusted share, or a raw share where the backtest holds whole
shares. Raw closes are whole fen; an average price is not.
"""

from dataclasses import dataclass, field

import numpy as np

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.tradability import TRADABILITY_FIELDS, restrictions
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import STATUS_CODES, DenseMarket

BACKTEST_FIELDS = (*TRADABILITY_FIELDS, "vwap", "volume", "adj_factor", "trading_status")


@dataclass(frozen=True)
class Closes:
    """What is needed of a session without a trade, arrays [n] in the order of `symbols`."""

    symbols: np.ndarray
    close: np.ndarray  # of a unit; NaN: no row in this session
    adj_factor: np.ndarray
    is_listed: np.ndarray  # has a row in this session
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

    def closes(self, row: int, symbols: np.ndarray) -> Closes:
        """Closes of some stocks in session `row`.

        A stock outside the market's columns has no row. MissingDataError if no stock at all has a row in the session.
        """
        if np.isnan(self.market["is_suspended"][row]).all():
            raise MissingDataError(f"daily_bar has no row on {self.market.sessions[row]}; import that session first")
        columns = self._columns_of(symbols)
        factor = self._values("adj_factor", row, columns)
        return Closes(
            symbols=symbols,
            close=self._close(self._values("close", row, columns), factor),
            adj_factor=factor,
            is_listed=~np.isnan(self._values("is_suspended", row, columns)),
            is_leaving=self._is_leaving(row, columns),
        )

    def quotes(self, row: int, symbols: np.ndarray) -> Quotes:
        """Quotes of some stocks in session `row`, which has rows."""
        columns, price = self._columns_of(symbols), self.config.execution_price
        fields = {name: self._values(name, row, columns) for name in (*TRADABILITY_FIELDS, price)}
        factor = self._values("adj_factor", row, columns)
        whole, capped = self.config.whole_shares, self.config.volume_cap is not None
        volume = self._values("volume", row, columns) if capped else np.full(len(symbols), np.inf)
        return Quotes(
            symbols=symbols,
            close=self._close(fields["close"], factor),
            execution=fields[price] if whole else fields[price] * factor,
            adj_factor=factor,
            volume=volume if whole else volume / factor,
            restriction=restrictions(fields, price),
            is_leaving=self._is_leaving(row, columns),
        )

    def _close(self, raw: np.ndarray, factor: np.ndarray) -> np.ndarray:
        return to_fen(raw) if self.config.whole_shares else raw * factor

    def _is_leaving(self, row: int, columns: np.ndarray) -> np.ndarray:
        if self.config.buy_delisting:
            return np.zeros(len(columns), dtype=bool)
        return self._values("trading_status", row, columns) == STATUS_CODES["delisting"]

    def _values(self, name: str, row: int, columns: np.ndarray) -> np.ndarray:
        """One field of a session; column -1 is a stock that the market does not have."""
        values = self.market[name][row, columns]
        values[columns < 0] = np.nan
        return values

    def _columns_of(self, symbols: np.ndarray) -> np.ndarray:
        """Columns of the symbols in the market; the last answer is kept, since holdings change on trades only."""
        if symbols is not self._symbols:
            known = self.market.symbols
            at = np.minimum(np.searchsorted(known, symbols), len(known) - 1)
            self._symbols, self._columns = symbols, np.where(known[at] == symbols, at, -1)
        return self._columns
