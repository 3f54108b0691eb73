"""Valuation factors (AI-69, factor table): what a unit of price buys."""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray

FAMILY = "valuation"
SOURCE = "AI-69, factor table"


@factor(name="bp_lf", family=FAMILY, inputs=("pb_lf",), lookback=0, formula="1 / pb_lf", source=SOURCE)
def bp_lf(x: FactorInputs) -> FloatArray:
    """Book value, last filed, to price."""
    return ratio(1.0, x.field("pb_lf"))


@factor(name="ep_ttm", family=FAMILY, inputs=("pe_ttm",), lookback=0, formula="1 / pe_ttm", source=SOURCE)
def ep_ttm(x: FactorInputs) -> FloatArray:
    """Trailing earnings to price."""
    return ratio(1.0, x.field("pe_ttm"))


@factor(name="ocfp_ttm", family=FAMILY, inputs=("pcf_ocf_ttm",), lookback=0, formula="1 / pcf_ocf_ttm", source=SOURCE)
def ocfp_ttm(x: FactorInputs) -> FloatArray:
    """Trailing operating cash flow to price."""
    return ratio(1.0, x.field("pcf_ocf_ttm"))


@factor(
    name="dyr12",
    family=FAMILY,
    inputs=("dividend_12m", "total_mv"),
    lookback=0,
    formula="dividend_12m / total_mv",
    source=SOURCE,
)
def dyr12(x: FactorInputs) -> FloatArray:
    """Dividend yield: cash ex-dated in the last 252 sessions to market value."""
    return ratio(x.field("dividend_12m"), x.field("total_mv"))
