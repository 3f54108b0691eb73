"""Two results set against each other: difference of excess returns, correlations, overlap of holdings.

AI-69 exhibit 32 prints correlations of forecasts, exhibit 33 those of daily excess returns. The interval of a
difference is our addition: a circular block bootstrap (Politis and Romano 1992) of the sessions, which keeps what a
week's holdings do to the days after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.composite_factor import mean_of_known
from attn_platform.evaluation.config import ComparisonConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.ranks import rank_codes, rank_correlation
from attn_platform.market.calendar import SESSIONS_A_YEAR

# Repetitions drawn at once: bounds the memory of a bootstrap over decades.
_AT_ONCE = 1000


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its interval, and the share of the repetitions in which it is above 0."""

    estimate: float
    lower: float
    upper: float
    positive_share: float


def excess_difference(
    first: FloatArray, second: FloatArray, config: ComparisonConfig, sessions_per_year: int = SESSIONS_A_YEAR
) -> Interval:
    """Annual excess return of the first less that of the second, with its interval.

    `first` and `second` [T] are daily excess returns of the same sessions. Each repetition draws blocks of sessions
    with their first session at random, a block that runs over the end going on at the start, until there are T; both
    results are read from the same sessions. The bounds are percentiles of the repetitions' differences.
    `MissingDataError` for fewer than two sessions.
    """
    count = len(first)
    if count < 2:
        raise MissingDataError(f"{count} sessions in common: a difference needs two at least")
    growth = np.log1p(np.column_stack([first, second]))
    totals = block_sums(growth, config)
    years = count / sessions_per_year
    drawn = _difference(totals, years)
    tail = (1.0 - config.confidence) / 2.0
    lower, upper = np.quantile(drawn, [tail, 1.0 - tail])
    estimate = _difference(growth.sum(axis=0, keepdims=True), years)[0]
    return Interval(float(estimate), float(lower), float(upper), float((drawn > 0).mean()))


def block_sums(values: FloatArray, config: ComparisonConfig) -> FloatArray:
    """Sums [repetitions, n] of columns [T, n] over the sessions that each repetition draws.

    A sum over a block is a difference of two cumulative sums, so that no session is looked at one by one.
    """
    count, length = len(values), min(config.block_sessions, len(values))
    blocks, rest = divmod(count, length)
    cumulated = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(np.vstack([values, values]), axis=0)])
    random = np.random.default_rng(config.seed)
    sums = []
    for begin in range(0, config.repetitions, _AT_ONCE):
        starts = random.integers(count, size=(min(_AT_ONCE, config.repetitions - begin), blocks + (rest > 0)))
        whole, cut = starts[:, :blocks], starts[:, blocks:]
        drawn = (cumulated[whole + length] - cumulated[whole]).sum(axis=1)
        sums.append(drawn + (cumulated[cut + rest] - cumulated[cut]).sum(axis=1))
    return np.concatenate(sums)


def excess_correlations(excess: pd.DataFrame) -> pd.DataFrame:
    """Correlation of daily excess returns [session] × result, on the sessions that all have (AI-69 exhibit 33)."""
    return excess.dropna().corr()


def prediction_correlations(predictions: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Correlation of forecasts [T, N] by name: rank correlation of each session, mean over the sessions.

    Ranks, and a mean over sessions, are our reading of AI-69 exhibit 32, which says neither. A session counts over the
    stocks that both forecast.
    """
    codes = {name: rank_codes(values) for name, values in predictions.items()}
    names = list(codes)
    matrix = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for at, one in enumerate(names):
        for other in names[:at]:
            mean = mean_of_known(rank_correlation(codes[one], codes[other]))
            matrix.loc[one, other] = matrix.loc[other, one] = mean
    return matrix


def holdings_overlap(first: pd.DataFrame, second: pd.DataFrame) -> pd.Series:
    """Σ min(w, w') over the stocks, by date, of holdings (date, symbol, weight) on the dates that both have.

    1 is the same portfolio, 0 none in common.
    """
    dates = np.intersect1d(first["date"].unique(), second["date"].unique())
    both = first.merge(second, on=["date", "symbol"], suffixes=("", "_other"))
    shared = both[["weight", "weight_other"]].min(axis=1).groupby(both["date"]).sum()
    return shared.reindex(pd.DatetimeIndex(dates, name="date"), fill_value=0.0).rename("overlap")


def _difference(growth: FloatArray, years: float) -> FloatArray:
    """Difference [n] of the annual rates of two sums of log growth [n, 2]."""
    rates = np.expm1(growth / years)
    difference: FloatArray = rates[:, 0] - rates[:, 1]
    return difference
