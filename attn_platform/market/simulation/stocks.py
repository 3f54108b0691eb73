"""State of all stocks that have been listed so far, in listing order.

Every field is an array whose last axis is the stock. New listings are appended at the end, so an array has the same
length and content on a session however long the simulation goes on afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

SESSIONS_PER_YEAR = 243

MONTH = 21
"""Sessions in the windows of the planted signals."""

REVISION_WINDOW = 63
"""Sessions over which a consensus revision counts, as in the expectation factors."""


@dataclass
class Stocks:
    """One array a field; shares and prices are whole numbers (shares, fen), money is in CNY."""

    symbol: np.ndarray
    board: np.ndarray
    listed_day: np.ndarray
    listed_at: np.ndarray
    """Number of the first session; negative for stocks listed before the simulation starts."""
    delisted_day: np.ndarray

    # traits, fixed at listing
    beta: np.ndarray
    volatility: np.ndarray
    turnover_level: np.ndarray
    book_to_price_level: np.ndarray
    roe_level: np.ndarray
    payout: np.ndarray
    covered: np.ndarray
    report_day: np.ndarray
    """Day of the year on which the annual report comes out."""
    quarter_phase: np.ndarray

    industry: np.ndarray

    # life
    listed: np.ndarray
    status: np.ndarray
    loss_years: np.ndarray
    consolidation_at: np.ndarray
    """Number of the first session of the delisting-consolidation period; -1 without one."""
    delisting_at: np.ndarray
    """Number of the first session without listing; -1 while none is known."""
    suspended_for: np.ndarray
    below_par: np.ndarray
    """Consecutive sessions with a close below 1 CNY."""

    # price and shares
    log_value: np.ndarray
    """Log of the price at which the market would clear without limits and ticks, CNY."""
    close: np.ndarray
    adj_factor: np.ndarray
    total_shares: np.ndarray
    float_shares: np.ndarray

    # accounts and forecasts
    book: np.ndarray
    roe: np.ndarray
    earnings: np.ndarray
    operating_cash_flow: np.ndarray
    dividend_12m: np.ndarray
    """Cash ex-dated in the last 252 sessions, fen."""
    dividend_year: np.ndarray
    forecast_level: np.ndarray
    """Net profit forecast at listing, CNY."""
    revision: np.ndarray
    """Log revision of the forecast since listing."""

    # what the planted signals look back on; windows are indexed by session number modulo their length
    turnover_deviation: np.ndarray
    returns: np.ndarray
    turnover: np.ndarray
    imbalance: np.ndarray
    informed: np.ndarray
    """The signal of that name; NaN before the first session."""
    past_revision: np.ndarray
    expected_return: np.ndarray

    def __len__(self) -> int:
        return len(self.symbol)

    def append(self, cohort: Self) -> None:
        """Add newly listed stocks after the present ones."""
        for field in fields(self):
            joined = np.concatenate([getattr(self, field.name), getattr(cohort, field.name)], axis=-1)
            setattr(self, field.name, joined)

    def age(self, number: int) -> np.ndarray:
        """Sessions since listing, 0 on the first one."""
        return number - self.listed_at

    @property
    def total_value(self) -> np.ndarray:
        """Total market value, CNY."""
        return self.close * self.total_shares / 100

    @property
    def float_value(self) -> np.ndarray:
        """Market value of the tradable shares, CNY."""
        return self.close * self.float_shares / 100
