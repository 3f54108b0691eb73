"""What a portfolio can know of a session: adjusted prices and restrictions of the stocks it holds or wants."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.tradability import TRADABILITY_FIELDS, restrictions
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import DenseMarket

BACKTEST_FIELDS = (*TRADABILITY_FIELDS, "vwap", "adj_factor")


@dataclass(frozen=True)
class Quotes:
    """Prices of some stocks in one session, arrays [n] in the order of `symbols`; NaN where there is none."""

    symbols: np.ndarray
    close: np.ndarray  # adjusted; NaN: no row in this session
    execution: np.ndarray  # adjusted execution price
    adj_factor: np.ndarray
    restriction: np.ndarray  # codes of `Restriction`


@dataclass(frozen=True)
class QuoteBoard:
    """Quotes from a dense market, which must hold the fields `BACKTEST_FIELDS`."""

    market: DenseMarket
    config: BacktestConfig

    @cached_property
    def _columns(self) -> pd.Index:
        return pd.Index(self.market.symbols)

    def quotes(self, row: int, symbols: np.ndarray) -> Quotes:
        """Quotes of some stocks in session `row`.

        A stock outside the market's columns has no row. MissingDataError if no stock at all has a row in the session.
        """
        if np.isnan(self.market["is_suspended"][row]).all():
            raise MissingDataError(f"daily_bar has no row on {self.market.sessions[row]}; import that session first")
        columns = self._columns.get_indexer(pd.Index(symbols))
        fields = {name: np.where(columns < 0, np.nan, self.market[name][row, columns]) for name in BACKTEST_FIELDS}
        return Quotes(
            symbols=symbols,
            close=fields["close"] * fields["adj_factor"],
            execution=fields[self.config.execution_price] * fields["adj_factor"],
            adj_factor=fields["adj_factor"],
            restriction=restrictions(fields, self.config.execution_price),
        )
