"""IC, RankIC and their weighted kin: how well a session's predictions order its stocks (AI-69, AI-55).

The weighted ones use the weights of the wmse loss (AI-55): with the session's N stocks sorted by realised return, best
first, stock k = 0 … N−1 weighs 0.5^(k / (N/2)), normalised to Σw = 1. Stocks with equal returns share their mean place.

Arrays are [session, stock]; a stock counts in a session where both its prediction and its return are known. A session
in which either is the same for all that count has no correlation: NaN. What is equal, ranks say (`ranks.rank_codes`).
"""

import math

import numpy as np

from attn_platform.evaluation.blocks import over_blocks
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.ranks import NO_RANK, RankCodes, average_ranks, rank_codes, rank_correlation, return_codes
from attn_platform.jit import njit
from attn_platform.market.tolerance import is_constant

CORRELATIONS = ("ic", "rank_ic", "weighted_ic", "weighted_rank_ic")


def correlation_series(
    predictions: FloatArray, returns: FloatArray, config: EvaluationConfig | None = None
) -> dict[str, FloatArray]:
    """The four correlations of each session: ic, rank_ic, weighted_ic, weighted_rank_ic, each [T]."""
    config = config or EvaluationConfig()

    def of_block(x: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
        return correlations_of_ranks(x, y, rank_codes(x), return_codes(y), config)

    return joined_series(over_blocks(of_block, predictions, returns))


def correlations_of_ranks(
    predictions: FloatArray,
    returns: FloatArray,
    prediction_codes: RankCodes,
    realised_codes: RankCodes,
    config: EvaluationConfig,
) -> dict[str, FloatArray]:
    """The same of sessions [T, N] whose ranks are known already (`ranks.rank_codes`, `ranks.return_codes`)."""
    counted = (prediction_codes != NO_RANK) & (realised_codes != NO_RANK)
    ranks = (average_ranks(np.where(counted, codes, np.int32(NO_RANK))) for codes in (prediction_codes, realised_codes))
    rank_ic = rank_correlation(prediction_codes, realised_codes)
    others = np.empty((len(predictions), 3))
    _correlations(predictions, returns, *ranks, config.half_life_share, others)
    others[np.isnan(rank_ic)] = np.nan
    return {"ic": others[:, 0], "rank_ic": rank_ic, "weighted_ic": others[:, 1], "weighted_rank_ic": others[:, 2]}


def joined_series(parts: list[dict[str, FloatArray]]) -> dict[str, FloatArray]:
    """Correlations of consecutive ranges of sessions as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in CORRELATIONS}


def mean_of_known(series: FloatArray) -> float:
    """Mean over the sessions that have a value; NaN where none has."""
    known = series[np.isfinite(series)]
    return float(known.mean()) if len(known) else float("nan")


def information_ratio(series: FloatArray) -> float:
    """Mean over time / sample standard deviation over time, not annualised (ICIR); NaN sessions do not count."""
    known = series[np.isfinite(series)]
    if is_constant(known):
        return float("nan")
    return float(known.mean() / known.std(ddof=1))


@njit(nogil=True, cache=True)
def _correlations(x, y, x_ranks, y_ranks, half_life_share, out):  # type: ignore[no-untyped-def]
    """IC, weighted IC and weighted RankIC [T, 3] over the stocks that have ranks, which are those of values x and y."""
    sessions, stocks = x.shape
    values = np.empty((4, stocks))  # x, y and their ranks
    equal, weights = np.ones(stocks), np.empty(stocks)
    for t in range(sessions):
        count, largest_x, largest_y = 0, 0.0, 0.0
        for i in range(stocks):
            if not np.isnan(x_ranks[t, i]):
                values[0, count], values[1, count] = x[t, i], y[t, i]
                values[2, count], values[3, count] = x_ranks[t, i], y_ranks[t, i]
                largest_x, largest_y = max(largest_x, abs(x[t, i])), max(largest_y, abs(y[t, i]))
                count += 1
        # Scales that are powers of two round nothing, and keep the squares of the least and largest numbers finite.
        scale_x, scale_y = _power_of_two(largest_x), _power_of_two(largest_y)
        for k in range(count):
            values[0, k] /= scale_x
            values[1, k] /= scale_y
            weights[k] = 0.5 ** ((count - values[3, k]) / (half_life_share * count))
        out[t, 0] = _weighted_correlation(values[0, :count], values[1, :count], equal)
        out[t, 1] = _weighted_correlation(values[0, :count], values[1, :count], weights)
        out[t, 2] = _weighted_correlation(values[2, :count], values[3, :count], weights)


@njit(nogil=True, cache=True)
def _power_of_two(size):  # type: ignore[no-untyped-def]
    return math.ldexp(1.0, max(math.frexp(size)[1] - 1, -1074)) if size > 0 else 1.0


@njit(nogil=True, cache=True)
def _weighted_correlation(x, y, weights):  # type: ignore[no-untyped-def]
    """The centred form of [Σwxy − Σwx·Σwy] / [√(Σwx² − (Σwx)²) · √(Σwy² − (Σwy)²)], Σw = 1, which loses no digits to
    cancellation; NaN where x or y does not vary under the weights."""
    total, mean_x, mean_y = 0.0, 0.0, 0.0
    for k in range(len(x)):
        total += weights[k]
        mean_x += weights[k] * x[k]
        mean_y += weights[k] * y[k]
    if total > 0:
        mean_x /= total
        mean_y /= total
    products, squares_x, squares_y = 0.0, 0.0, 0.0
    for k in range(len(x)):
        dx, dy = x[k] - mean_x, y[k] - mean_y
        products += weights[k] * dx * dy
        squares_x += weights[k] * dx * dx
        squares_y += weights[k] * dy * dy
    scale = np.sqrt(squares_x * squares_y)
    return products / scale if scale > 0 else np.nan
