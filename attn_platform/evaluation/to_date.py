"""Returns of a calendar week, month and year to date, and the weeks or months of a year that were won (Haitong weekly).

A week runs from Monday to Sunday and belongs to the year of its last session: so 2024 has 34 weeks and 8 months up to
30 August. Daily returns, or differences of them, compound; a missing one (no portfolio yet) does not count.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.market.calendar import CalendarPeriod
from attn_platform.market.tolerance import RETURN_ROUNDING

Sessions = NDArray[np.datetime64]
Span = CalendarPeriod | Literal["year"]
SPANS: tuple[Span, ...] = ("week", "month", "year")
_PANDAS = {"week": "W-SUN", "month": "M", "year": "Y"}


def to_date(returns: FloatArray, sessions: Sessions) -> dict[Span, float]:
    """Compounded return of the week, month and year of the last session; NaN where no session of it has a return.

    `returns` [T] are those of the ascending `sessions` [T].
    """
    found: dict[Span, float] = {}
    for span in SPANS:
        periods = _periods(sessions, span)
        own = returns[periods == periods[-1]]
        found[span] = compounded(own) if np.isfinite(own).any() else float("nan")
    return found


def won(returns: FloatArray, sessions: Sessions, period: CalendarPeriod) -> tuple[int, int]:
    """Periods with a positive return, and all that have one, of those that end in the year of the last session.

    The period of the last session counts up to it.
    """
    periods = _periods(sessions, period)
    is_end = np.append(periods[1:] != periods[:-1], True)
    this_year = sessions[is_end].astype("datetime64[Y]") == sessions[-1].astype("datetime64[Y]")
    parts = [returns[periods == each] for each in periods[is_end][this_year]]
    totals = [compounded(part) for part in parts if np.isfinite(part).any()]
    return sum(total > RETURN_ROUNDING for total in totals), len(totals)


def relative_strength(returns: FloatArray) -> FloatArray:
    """Π(1 + r) [T] of daily differences; a missing one leaves it where it is."""
    return np.cumprod(1.0 + np.nan_to_num(returns), dtype=np.float64)


def compounded(returns: FloatArray) -> float:
    """Π(1 + r) − 1 over the returns that are known."""
    return float(np.prod(1.0 + returns[np.isfinite(returns)]) - 1.0)


def _periods(sessions: Sessions, span: Span) -> NDArray[np.int64]:
    """Number of the period that each session lies in."""
    dates = pd.DatetimeIndex(sessions.astype("datetime64[s]"))
    return np.asarray(dates.to_period(_PANDAS[span]).asi8, dtype=np.int64)
