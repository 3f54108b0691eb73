"""Stability factors (AI-55, XGBoost's factor table): how much the single quarters of five years vary.

The study says standard deviation / mean. Our choices: the sample standard deviation, as in all other factors, the mean
with its sign, and quarterly ROE with the equity at the quarter's end.
"""

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.families.profitability import SOURCE, quarterly_roe
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.statements import SINGLE_QUARTERS

FAMILY = "stability"


def _formula(what: str) -> str:
    return f"std(x) / mean(x) over {SINGLE_QUARTERS} single quarters, x = {what}"


def _variation(x: FactorInputs, quarters: FloatArray) -> FloatArray:
    """Quarters are taken as distances from the newest known one: where all are equal, the deviation is exactly 0."""
    known = ~np.isnan(quarters)
    count = known.sum(axis=1)
    newest = np.take_along_axis(quarters, known.argmax(axis=1)[:, None], axis=1)
    distance = np.where(known, quarters - newest, 0.0)
    mean_distance = ratio(distance.sum(axis=1), count)
    squares = np.where(known, distance - mean_distance[:, None], 0.0) ** 2
    std = np.sqrt(ratio(squares.sum(axis=1), count - 1))
    enough = count >= max(x.config.min_observations(SINGLE_QUARTERS), 2)
    return x.carried(np.where(enough, ratio(std, newest[:, 0] + mean_distance), np.nan))


@factor(
    name="sales_var",
    family=FAMILY,
    inputs=("revenue",),
    lookback=0,
    window=SINGLE_QUARTERS,
    formula=_formula("revenue"),
    source=SOURCE,
)
def sales_var(x: FactorInputs) -> FloatArray:
    """Variation of revenue."""
    return _variation(x, x.statements.single_quarter("revenue"))


@factor(
    name="profit_var",
    family=FAMILY,
    inputs=("net_profit_parent",),
    lookback=0,
    window=SINGLE_QUARTERS,
    formula=_formula("net profit of the parent"),
    source=SOURCE,
)
def profit_var(x: FactorInputs) -> FloatArray:
    """Variation of net profit."""
    return _variation(x, x.statements.single_quarter("net_profit_parent"))


@factor(
    name="ocf_var",
    family=FAMILY,
    inputs=("operating_cash_flow",),
    lookback=0,
    window=SINGLE_QUARTERS,
    formula=_formula("operating cash flow"),
    source=SOURCE,
)
def ocf_var(x: FactorInputs) -> FloatArray:
    """Variation of operating cash flow."""
    return _variation(x, x.statements.single_quarter("operating_cash_flow"))


@factor(
    name="roe_var",
    family=FAMILY,
    inputs=("net_profit_parent", "equity_parent"),
    lookback=0,
    window=SINGLE_QUARTERS,
    formula=_formula("ROE (net profit / equity of the parent at the quarter's end)"),
    source=SOURCE,
)
def roe_var(x: FactorInputs) -> FloatArray:
    """Variation of ROE."""
    return _variation(x, quarterly_roe(x))
