"""Reversal factors (AI-69, factor table): past returns."""

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.calendar import SESSIONS_A_MONTH, SESSIONS_A_QUARTER, SESSIONS_A_WEEK

FAMILY = "reversal"
SOURCE = "AI-69, factor table"
DECAY_SESSIONS = 12  # a session's weight falls by 1/e in so many


def _return_over(x: FactorInputs, sessions: int) -> FloatArray:
    """From the last traded close on or before the session so many back to that on or before T."""
    return ratio(x.last_close, lag(x.last_close, sessions)) - 1


@factor(
    name="ret_5d",
    family=FAMILY,
    inputs=("close", "adj_factor"),
    lookback=SESSIONS_A_WEEK,
    formula="close[T] / close[T−5] − 1",
    source=SOURCE,
)
def ret_5d(x: FactorInputs) -> FloatArray:
    """Return over a week."""
    return _return_over(x, SESSIONS_A_WEEK)


@factor(
    name="ret_1m",
    family=FAMILY,
    inputs=("close", "adj_factor"),
    lookback=SESSIONS_A_MONTH,
    formula="close[T] / close[T−21] − 1",
    source=SOURCE,
)
def ret_1m(x: FactorInputs) -> FloatArray:
    """Return over a month."""
    return _return_over(x, SESSIONS_A_MONTH)


@factor(
    name="exp_wgt_return_3m",
    family=FAMILY,
    inputs=("close", "adj_factor", "turnover_rate"),
    lookback=SESSIONS_A_QUARTER,
    window=SESSIONS_A_QUARTER,
    formula="Σ w r / Σ w over 63 sessions, w = turn × exp(−k / 12), k = sessions back from T",
    source=SOURCE,
)
def exp_wgt_return_3m(x: FactorInputs) -> FloatArray:
    """Mean daily return over a quarter, weighted by turnover and recency."""
    return x.weighted_mean(x.r, x.turn, np.exp(-np.arange(SESSIONS_A_QUARTER) / DECAY_SESSIONS))
