"""Growth factors (AI-55, XGBoost's factor table): the newest single quarter against the same quarter a year before.

The study does not say what growth on a loss is. Our choice: the change is divided by the absolute value, as in the
expectation factors, so that its sign is that of the improvement. Quarterly ROE has the equity at the quarter's end.
"""

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.families.profitability import SOURCE, quarterly_roe
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.statements import QUARTERS_A_YEAR

FAMILY = "growth"


def _formula(what: str) -> str:
    return f"(x − x₄) / |x₄|, x = {what} of the newest single quarter, x₄ = four quarters before"


def _year_on_year(x: FactorInputs, quarters: FloatArray) -> FloatArray:
    before = quarters[:, QUARTERS_A_YEAR]
    return x.carried(ratio(quarters[:, 0] - before, np.abs(before)))


@factor(name="sales_g_q", family=FAMILY, inputs=("revenue",), lookback=0, formula=_formula("revenue"), source=SOURCE)
def sales_g_q(x: FactorInputs) -> FloatArray:
    """Growth of revenue."""
    return _year_on_year(x, x.statements.single_quarter("revenue"))


@factor(
    name="profit_g_q",
    family=FAMILY,
    inputs=("net_profit_parent",),
    lookback=0,
    formula=_formula("net profit of the parent"),
    source=SOURCE,
)
def profit_g_q(x: FactorInputs) -> FloatArray:
    """Growth of net profit."""
    return _year_on_year(x, x.statements.single_quarter("net_profit_parent"))


@factor(
    name="ocf_g_q",
    family=FAMILY,
    inputs=("operating_cash_flow",),
    lookback=0,
    formula=_formula("operating cash flow"),
    source=SOURCE,
)
def ocf_g_q(x: FactorInputs) -> FloatArray:
    """Growth of operating cash flow."""
    return _year_on_year(x, x.statements.single_quarter("operating_cash_flow"))


@factor(
    name="roe_g_q",
    family=FAMILY,
    inputs=("net_profit_parent", "equity_parent"),
    lookback=0,
    formula=_formula("ROE (net profit / equity of the parent at the quarter's end)"),
    source=SOURCE,
)
def roe_g_q(x: FactorInputs) -> FloatArray:
    """Growth of ROE."""
    return _year_on_year(x, quarterly_roe(x))
