"""Where a portfolio's excess return comes from: one session's effects, which sum to it, and their linking over time.

With weights w of the portfolio and b of the benchmark at the close before, industries j, and returns r of the session,
the excess return is split as Brinson, Hood and Beebower (1986) do, in the two-way form of Brinson and Fachler (1985),
in which the interaction belongs to the selection:

    industry j    (W_j − B_j) · (R_bj − R_b)             held more of an industry than the benchmark
    selection j   W_j · (R_wj − R_bj)                    held other stocks within it

The selection is split further by the exposures z to styles and the returns g of these styles:

    style k       g_k · Σ_j (Σ_{i in j} w_i z_ik − W_j Z_bjk)    leant towards a style within the industries
    rest j        what is left of the selection of j

Industries are in the first line with all that they are, so that no style counts twice. g is estimated anew each session
by a regression of r on industries and styles over the universe, weighted (`factor_returns`); exposures, industries and
weights are those known at the close before. Cash is a group of its own, which earns nothing: −c · R_b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.errors import ContractError
from attn_platform.evaluation.cross_sections import FloatArray

# Effects of a session on the excess return, in the order in which they are told.
INDUSTRY, STYLE, SELECTION = "industry", "style", "selection"
BLOCKED, TRADING, COST, CASH, DELISTING, BOOKINGS = "blocked", "trading", "cost", "cash", "delisting", "bookings"
DIVIDENDS, BENCHMARK = "dividends", "benchmark"
EFFECTS = (
    *(INDUSTRY, STYLE, SELECTION, BLOCKED, TRADING, COST, CASH, DELISTING, BOOKINGS),
    *(DIVIDENDS, BENCHMARK),
)
# Below this excess return ln(1 + e) / e is 1 − e / 2 to the last digit.
_SMALL = 1e-8


@dataclass(frozen=True)
class FactorReturns:
    """A session's regression: returns of styles [K]; of each industry the mean return [J] and exposures [J, K].

    The means are weighted as the regression; NaN where an industry has no stock in it.
    """

    styles: FloatArray
    industry_means: FloatArray
    industry_exposures: FloatArray


@dataclass(frozen=True)
class ActiveEffects:
    """Split of Σ (w − b) · r: industries [J], styles [K], the rest of the selection [J], cash."""

    industries: FloatArray
    styles: FloatArray
    selection: FloatArray
    cash: float

    @property
    def total(self) -> float:
        """Σ (w − b) · r."""
        return float(self.industries.sum() + self.styles.sum() + self.selection.sum()) + self.cash


def factor_returns(
    returns: FloatArray, industry: np.ndarray, exposures: FloatArray, weights: FloatArray, industries: int
) -> FactorReturns:
    """Weighted least squares of returns [N] on industry dummies and exposures [N, K].

    `industry` [N] are codes from 0 to `industries` − 1; stocks with weight 0 are not in the regression. Industries are
    projected out as weighted means. Styles that say the same share their return (the shortest solution).
    """
    mass = np.bincount(industry, weights, industries)

    def means(values: FloatArray) -> FloatArray:
        total = np.bincount(industry, weights * values, industries)
        return np.divide(total, mass, out=np.full(industries, np.nan), where=mass > 0)

    return_means = means(returns)
    exposure_means = np.column_stack([means(column) for column in exposures.T]) if exposures.shape[1] else None
    if exposure_means is None:
        return FactorReturns(np.zeros(0), return_means, np.zeros((industries, 0)))
    inside = weights > 0
    root = np.sqrt(weights[inside])
    codes = industry[inside]
    design = (exposures[inside] - exposure_means[codes]) * root[:, None]
    fit, *_ = np.linalg.lstsq(design, (returns[inside] - return_means[codes]) * root)
    return FactorReturns(np.asarray(fit, dtype=np.float64), return_means, exposure_means)


def active_effects(
    held: FloatArray,
    benchmark: FloatArray,
    returns: FloatArray,
    industry: np.ndarray,
    exposures: FloatArray,
    estimated: FactorReturns,
) -> ActiveEffects:
    """Split of Σ (w − b) · r of one session.

    Args:
        held: [N] portfolio weights at the close before; 1 less their sum is cash.
        benchmark: [N] benchmark weights at the close before, summing to 1.
        returns: [N] returns of the session.
        industry: [N] codes known at the close before.
        exposures: [N, K] exposures to styles known at the close before.
        estimated: the session's regression.

    An industry that the benchmark does not hold is compared with its stocks in the regression, or, where that has none
    either, with the benchmark as a whole.
    """
    count = len(estimated.industry_means)

    def by_industry(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(industry, values, count), dtype=np.float64)

    portfolio, members = by_industry(held), by_industry(benchmark)
    benchmark_return = float(benchmark @ returns)
    is_held = members > 0
    of_members = np.divide(by_industry(benchmark * returns), members, out=np.zeros(count), where=is_held)
    stand_in = np.where(np.isnan(estimated.industry_means), benchmark_return, estimated.industry_means)
    industry_return = np.where(is_held, of_members, stand_in)
    selection = by_industry(held * returns) - portfolio * industry_return
    styles = np.zeros(exposures.shape[1])
    for k, score in enumerate(exposures.T):
        of_members = np.divide(by_industry(benchmark * score), members, out=np.zeros(count), where=is_held)
        of_regression = estimated.industry_exposures[:, k]
        stand_in = np.where(np.isnan(of_regression), benchmark @ score, of_regression)
        reference = np.where(is_held, of_members, stand_in)
        effect = estimated.styles[k] * (by_industry(held * score) - portfolio * reference)
        styles[k] = effect.sum()
        selection -= effect
    return ActiveEffects(
        industries=(portfolio - members) * (industry_return - benchmark_return),
        styles=styles,
        selection=selection,
        cash=-(1.0 - float(held.sum())) * benchmark_return,
    )


def carino_coefficients(excess: FloatArray) -> FloatArray:
    """[T] ln(1 + e) / e: what makes effects of sessions add up to the logarithm of the compounded excess (Cariño 1999).

    The excess compounds the daily difference, Π (1 + e), as in every figure of the reports.
    """
    if (excess <= -1).any():
        raise ContractError("an excess return of −100 % or less cannot be linked over time")
    is_small = abs(excess) < _SMALL
    return np.where(is_small, 1.0 - excess / 2.0, np.log1p(excess) / np.where(is_small, 1.0, excess))


def linked_effects(effects: pd.DataFrame, period: str | None = None) -> pd.DataFrame:
    """Effects [session] × effect, which sum to the excess return of each session, linked over each period.

    `period` is that of pandas: M, Q, Y; None: all sessions. Returns [period] × effect, and `excess_return`, which is
    Π (1 + e) − 1 and what the effects of the row sum to.
    """
    sums = effects.sum(axis=1).to_numpy(dtype=np.float64)
    index = pd.DatetimeIndex(effects.index)
    keys = pd.Index(index.to_period(period)) if period else pd.Index(["all"] * len(effects))
    weighted = effects.mul(carino_coefficients(sums), axis=0).groupby(keys).sum()
    logarithms = pd.Series(np.log1p(sums), index=keys).groupby(level=0).sum()
    totals = pd.Series(np.expm1(logarithms.to_numpy()), index=logarithms.index)
    linked = weighted.div(pd.Series(carino_coefficients(totals.to_numpy()), index=totals.index), axis=0)
    return linked.assign(excess_return=totals)
