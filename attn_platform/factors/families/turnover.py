"""Turnover factors (AI-69, factor table)."""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.calendar import SESSIONS_A_MONTH

FAMILY = "turnover"
SOURCE = "AI-69, factor table"
SESSIONS_TWO_YEARS = 504


@factor(
    name="turn_1m",
    family=FAMILY,
    inputs=("turnover_rate",),
    lookback=SESSIONS_A_MONTH - 1,
    window=SESSIONS_A_MONTH,
    formula="mean(turn, 21)",
    source=SOURCE,
)
def turn_1m(x: FactorInputs) -> FloatArray:
    """Mean turnover of a month."""
    return x.mean(x.turn, SESSIONS_A_MONTH)


@factor(
    name="std_turn_1m",
    family=FAMILY,
    inputs=("turnover_rate",),
    lookback=SESSIONS_A_MONTH - 1,
    window=SESSIONS_A_MONTH,
    formula="std(turn, 21)",
    source=SOURCE,
)
def std_turn_1m(x: FactorInputs) -> FloatArray:
    """Volatility of turnover."""
    return x.std(x.turn, SESSIONS_A_MONTH)


@factor(
    name="bias_turn_1m",
    family=FAMILY,
    inputs=("turnover_rate",),
    lookback=SESSIONS_TWO_YEARS - 1,
    window=SESSIONS_TWO_YEARS,
    formula="mean(turn, 21) / mean(turn, 504)",
    source=SOURCE,
)
def bias_turn_1m(x: FactorInputs) -> FloatArray:
    """A month's turnover against that of two years."""
    return ratio(x.mean(x.turn, SESSIONS_A_MONTH), x.mean(x.turn, SESSIONS_TWO_YEARS))
