"""Momentum factor (AI-55, XGBoost's factor table): the return of a year, less its last month."""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.calendar import SESSIONS_A_MONTH, SESSIONS_A_YEAR


@factor(
    name="ret_12m",
    family="momentum",
    inputs=("close", "adj_factor"),
    lookback=SESSIONS_A_YEAR,
    formula="close[T−21] / close[T−252] − 1",
    source="AI-55, XGBoost's factor table",
)
def ret_12m(x: FactorInputs) -> FloatArray:
    """Return over a year, without the month in which prices tend to revert."""
    return ratio(lag(x.last_close, SESSIONS_A_MONTH), lag(x.last_close, SESSIONS_A_YEAR)) - 1
