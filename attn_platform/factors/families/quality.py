"""Quality factors (AI-55, XGBoost's factor table): how assets turn over, and how debts are covered.

The study does not say at which date assets and liabilities are taken. Our choice, as in profitability: at the end of
the newest known period.
"""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.families.profitability import SOURCE, trailing_to_level
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray

FAMILY = "quality"


@factor(
    name="assetturnover_ttm",
    family=FAMILY,
    inputs=("revenue", "total_assets"),
    lookback=0,
    formula="revenue, trailing twelve months / total assets at the period's end",
    source=SOURCE,
)
def assetturnover_ttm(x: FactorInputs) -> FloatArray:
    """Asset turnover."""
    return trailing_to_level(x, "revenue", "total_assets")


@factor(
    name="ocfr_ttm",
    family=FAMILY,
    inputs=("operating_cash_flow", "current_liabilities"),
    lookback=0,
    formula="operating cash flow, trailing twelve months / current liabilities at the period's end",
    source=SOURCE,
)
def ocfr_ttm(x: FactorInputs) -> FloatArray:
    """Operating cash flow to current liabilities."""
    return trailing_to_level(x, "operating_cash_flow", "current_liabilities")


@factor(
    name="currentdebt2debt",
    family=FAMILY,
    inputs=("current_liabilities", "total_liabilities"),
    lookback=0,
    formula="current liabilities / total liabilities at the period's end",
    source=SOURCE,
)
def currentdebt2debt(x: FactorInputs) -> FloatArray:
    """Share of the liabilities that is due within a year."""
    return x.carried(
        ratio(x.statements.level("current_liabilities")[:, 0], x.statements.level("total_liabilities")[:, 0])
    )
