"""Volatility factors (AI-69, factor table): dispersion over a month."""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import MARKET_RETURN, FactorInputs
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.calendar import SESSIONS_A_MONTH

FAMILY = "volatility"
SOURCE = "AI-69, factor table"


@factor(
    name="std_1m",
    family=FAMILY,
    inputs=("close", "adj_factor"),
    lookback=SESSIONS_A_MONTH,  # the first r of the window reads the close before it
    window=SESSIONS_A_MONTH,
    formula="std(r, 21)",
    source=SOURCE,
)
def std_1m(x: FactorInputs) -> FloatArray:
    """Volatility of returns."""
    return x.std(x.r, SESSIONS_A_MONTH)


@factor(
    name="vstd_1m",
    family=FAMILY,
    inputs=("volume", "adj_factor"),
    lookback=SESSIONS_A_MONTH - 1,
    window=SESSIONS_A_MONTH,
    formula="std(volume, 21)",
    source=SOURCE,
)
def vstd_1m(x: FactorInputs) -> FloatArray:
    """Volatility of volume."""
    return x.std(x.volume, SESSIONS_A_MONTH)


@factor(
    name="ivr_ff3factor_1m",
    family=FAMILY,
    inputs=("close", "adj_factor", "total_mv", "pb_lf", (MARKET_RETURN, "float_mv")),
    lookback=SESSIONS_A_MONTH,
    window=SESSIONS_A_MONTH,
    formula="std over 21 sessions of the residual of r on the day's market, size and BP factor returns",
    source=SOURCE,
)
def ivr_ff3factor_1m(x: FactorInputs) -> FloatArray:
    """Idiosyncratic volatility against three factors."""
    return x.residual_std(x.r, x.common_returns, SESSIONS_A_MONTH)
