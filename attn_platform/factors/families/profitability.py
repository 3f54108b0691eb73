"""Profitability factors (AI-55, XGBoost's factor table): what equity, assets, capital and sales earn.

The study does not say at which date the denominators are taken. Our choice: equity, assets and invested capital at the
end of the newest known period, so that a stock's first reports suffice.
"""

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.statements import SINGLE_QUARTERS

FAMILY = "profitability"
SOURCE = "AI-55, XGBoost's factor table"


def quarterly_roe(x: FactorInputs) -> FloatArray:
    """Net profit of each single quarter / equity at its end [E, SINGLE_QUARTERS]; also of growth and stability."""
    equity = x.statements.level("equity_parent")[:, :SINGLE_QUARTERS]
    return ratio(x.statements.single_quarter("net_profit_parent"), equity)


def trailing_to_level(x: FactorInputs, flow: str, level: str) -> FloatArray:
    """A flow of the twelve months to the newest known period / an item of the balance sheet at its end [T, N]."""
    return x.carried(ratio(x.statements.trailing(flow)[:, 0], x.statements.level(level)[:, 0]))


def _margin(x: FactorInputs, profit: str) -> FloatArray:
    return x.carried(ratio(x.statements.trailing(profit)[:, 0], x.statements.trailing("revenue")[:, 0]))


@factor(
    name="roe_ttm",
    family=FAMILY,
    inputs=("net_profit_parent", "equity_parent"),
    lookback=0,
    formula="net profit of the parent, trailing twelve months / equity of the parent at the period's end",
    source=SOURCE,
)
def roe_ttm(x: FactorInputs) -> FloatArray:
    """Return on equity."""
    return trailing_to_level(x, "net_profit_parent", "equity_parent")


@factor(
    name="roa_ttm",
    family=FAMILY,
    inputs=("net_profit_parent", "total_assets"),
    lookback=0,
    formula="net profit of the parent, trailing twelve months / total assets at the period's end",
    source=SOURCE,
)
def roa_ttm(x: FactorInputs) -> FloatArray:
    """Return on assets."""
    return trailing_to_level(x, "net_profit_parent", "total_assets")


@factor(
    name="roic_ttm",
    family=FAMILY,
    inputs=("ebit_after_tax", "invested_capital"),
    lookback=0,
    formula="EBIT after tax, trailing twelve months / invested capital at the period's end",
    source=SOURCE,
)
def roic_ttm(x: FactorInputs) -> FloatArray:
    """Return on invested capital."""
    return trailing_to_level(x, "ebit_after_tax", "invested_capital")


@factor(
    name="gp_ttm",
    family=FAMILY,
    inputs=("gross_profit", "revenue"),
    lookback=0,
    formula="gross profit / revenue, both trailing twelve months",
    source=SOURCE,
)
def gp_ttm(x: FactorInputs) -> FloatArray:
    """Gross margin."""
    return _margin(x, "gross_profit")


@factor(
    name="np_ttm",
    family=FAMILY,
    inputs=("net_profit_parent", "revenue"),
    lookback=0,
    formula="net profit of the parent / revenue, both trailing twelve months",
    source=SOURCE,
)
def np_ttm(x: FactorInputs) -> FloatArray:
    """Net margin."""
    return _margin(x, "net_profit_parent")
