"""The universe of a study: the quarter's list of members and each session's cross-section (AI-69, AI-55).

Two steps, both point in time. At a quarter's last session the stocks that pass the daily drops and are not suspended
are ranked by mean daily amount and by mean total market value over the past year; those in the top share of both are
the members of the next quarter. On each session of that quarter the daily drops are applied to the list again.
"""

import math
from fractions import Fraction
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.errors import CalendarError, MissingDataError
from attn_platform.market.calendar import Calendar, as_day
from attn_platform.market.dense import STATUS_CODES, DenseMarket
from attn_platform.universe.config import NETWORK_UNIVERSE, UniverseConfig

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DateArray = NDArray[np.datetime64]


def selection_session(calendar: Calendar, day: str | np.datetime64, unit: Literal["Q", "Y"] = "Q") -> np.datetime64:
    """Session whose selection is in force on `day`: the last one before the quarter ("Q") or year ("Y") of `day` began.

    So a list chosen at a quarter's last session takes effect on the next session.
    Raises CalendarError if `day` lies past the calendar, or no session precedes its quarter or year.
    """
    if as_day(day) > calendar.sessions[-1]:
        raise CalendarError(f"no universe for {day}: the calendar ends on {calendar.sessions[-1]}")
    period_start = as_day(pd.Period(pd.Timestamp(day), freq=unit).start_time.to_datetime64())
    return calendar.on_or_before(period_start - np.timedelta64(1, "D"))


def count_sessions_listed(
    calendar: Calendar, list_dates: DateArray, first_rows: DateArray, session: str | np.datetime64
) -> IntArray:
    """Sessions each stock [N] has been listed for at the close of `session`, its first one counted as 1; 0 before it.

    A missing (NaT) list date is replaced by the date of the stock's first row in `first_rows` [N].
    The calendar must reach back before the data: sessions before its first are not counted.
    """
    return calendar.age(np.where(np.isnat(list_dates), first_rows, list_dates), session)


def eligible(
    trading_status: FloatArray, sessions_listed: IntArray, config: UniverseConfig = NETWORK_UNIVERSE
) -> BoolArray:
    """Stocks [N] that pass the daily drops: listed long enough, not ST, not *ST, not in the delisting period.

    `trading_status` holds the session's codes of the dense market. NaN is a stock without a row: not listed on the
    session, and dropped.
    """
    admitted = [code for status, code in STATUS_CODES.items() if status not in config.excluded_statuses]
    return np.isin(trading_status, admitted) & (sessions_listed >= config.min_listed_sessions)


def select_members(
    market: DenseMarket, sessions_listed: IntArray, config: UniverseConfig = NETWORK_UNIVERSE
) -> BoolArray:
    """Members [N] chosen at a quarter's last session, in force from the next session on.

    `market` ends with that session (fields amount, total_mv, is_suspended, trading_status); `sessions_listed` [N] are
    those of that session. Only the last `liquidity_window` rows count; where there are fewer, or a stock has been
    listed for fewer, the means run over those there are.

    The candidates are the stocks that pass the daily drops, are not suspended and have both means. A candidate is in
    the top share of a mean if fewer than share × candidates lie strictly above it: counts are rounded up, and ties at
    the boundary all stay, so that the result does not depend on the order of the stocks.
    Raises MissingDataError if a field is absent, or stocks qualify but not one of them has both means.
    """
    past_year = market.rows(slice(-config.liquidity_window, None))
    is_suspended = past_year["is_suspended"]
    amount_if_suspended = 0.0 if config.suspended_amount == "zero" else np.nan
    mean_amount = _mean_observed(np.where(is_suspended == 1, amount_if_suspended, past_year["amount"]))
    mean_total_mv = _mean_observed(past_year["total_mv"])

    qualified = eligible(past_year["trading_status"][-1], sessions_listed, config) & (is_suspended[-1] == 0)
    candidates = qualified & np.isfinite(mean_amount) & np.isfinite(mean_total_mv)
    if qualified.any() and not candidates.any():
        raise MissingDataError(
            f"{qualified.sum()} stocks qualify for the universe of {market.sessions[-1]}, but none has both amount and "
            f"total_mv since {past_year.sessions[0]}; import daily_bar and valuation for these sessions"
        )
    return (
        candidates
        & _in_top_share(mean_amount, candidates, config.top_share)
        & _in_top_share(mean_total_mv, candidates, config.top_share)
    )


def cross_section(
    members: BoolArray,
    is_suspended: FloatArray,
    trading_status: FloatArray,
    sessions_listed: IntArray,
    config: UniverseConfig = NETWORK_UNIVERSE,
) -> BoolArray:
    """Stocks [N] of one session's cross-section: the quarter's `members` that pass the daily drops on that session.

    All arguments are [N], those of the session. A suspended member stays unless `config.keep_suspended` is off.
    """
    present = members & eligible(trading_status, sessions_listed, config)
    return present if config.keep_suspended else present & (is_suspended == 0)


def _mean_observed(values: FloatArray) -> FloatArray:
    """Mean of each column of [W, N] over its observations; NaN where it has none."""
    observed = np.isfinite(values)
    count = observed.sum(axis=0)
    total = np.where(observed, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(values.shape[1], np.nan), where=count > 0)


def _in_top_share(values: FloatArray, candidates: BoolArray, share: float) -> BoolArray:
    """Which stocks [N] have fewer than share × (number of candidates) candidates strictly above them."""
    ascending = np.sort(values[candidates])
    above = ascending.size - np.searchsorted(ascending, values, side="right")
    # In decimals, as configured: the binary 0.55 × 100 is 55.000000000000007 and would let a 56th stock in.
    return above < math.ceil(Fraction(str(share)) * ascending.size)
