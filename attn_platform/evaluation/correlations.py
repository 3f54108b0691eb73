"""IC, RankIC and their weighted kin: how well a session's predictions order its stocks (AI-69, AI-55).

The weighted ones use the weights of the wmse loss (AI-55): with the session's N stocks sorted by realised return, best
first, stock k = 0 … N−1 weighs 0.5^(k / (N/2)), normalised to Σw = 1. Stocks with equal returns share their mean place.

Arrays are [session, stock]; a stock counts in a session where both its prediction and its return are known. A session
in which either is constant up to rounding (or fewer than two stocks count) has no correlation: NaN. Returns that differ
by rounding alone share a rank.
"""

import numpy as np

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.ranks import average_ranks, rank_codes, rank_correlation
from attn_platform.market.tolerance import CONSTANT_RELATIVE, RETURN_ROUNDING, is_constant

CORRELATIONS = ("ic", "rank_ic", "weighted_ic", "weighted_rank_ic")

# Sessions computed at once: bounds the memory of the [session, stock] intermediates.
_BLOCK = 256


def correlation_series(
    predictions: FloatArray, returns: FloatArray, config: EvaluationConfig | None = None
) -> dict[str, FloatArray]:
    """The four correlations of each session: ic, rank_ic, weighted_ic, weighted_rank_ic, each [T]."""
    config = config or EvaluationConfig()
    starts = range(0, len(predictions), _BLOCK)
    blocks = [_block(predictions[at : at + _BLOCK], returns[at : at + _BLOCK], config) for at in starts]
    return {name: np.concatenate([block[name] for block in blocks]) for name in CORRELATIONS}


def information_ratio(series: FloatArray) -> float:
    """Mean over time / sample standard deviation over time, not annualised (ICIR); NaN sessions do not count."""
    known = series[np.isfinite(series)]
    if is_constant(known):
        return float("nan")
    return float(known.mean() / known.std(ddof=1))


def wmse_weights(ranks: FloatArray, half_life_share: float) -> FloatArray:
    """Normalised wmse weights [T, N] from the realised returns' ranks (`ranks.average_ranks`); 0 where they are NaN."""
    count = np.isfinite(ranks).sum(axis=1, keepdims=True)
    places = count - ranks
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = 0.5 ** (places / (half_life_share * count))
    return _normalised(np.nan_to_num(weights))


def weighted_correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlation [T] under weights [T, N] that sum to 1 in each session and are 0 where x or y is NaN.

    The centred form of [Σwxy − Σwx·Σwy] / [√(Σwx² − (Σwx)²) · √(Σwy² − (Σwy)²)], which loses no digits to cancellation.
    """
    varies = _varies(x) & _varies(y)
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    dx = x - (weights * x).sum(axis=1, keepdims=True)
    dy = y - (weights * y).sum(axis=1, keepdims=True)
    covariance = (weights * dx * dy).sum(axis=1)
    scale = np.sqrt((weights * dx * dx).sum(axis=1) * (weights * dy * dy).sum(axis=1))
    return np.divide(covariance, scale, out=np.full(len(x), np.nan), where=varies & (scale > 0))


def _block(predictions: FloatArray, returns: FloatArray, config: EvaluationConfig) -> dict[str, FloatArray]:
    x, y, counted = _paired(predictions, returns)
    x_codes, y_codes = rank_codes(x), rank_codes(y, RETURN_ROUNDING)
    x_ranks, y_ranks = average_ranks(x_codes), average_ranks(y_codes)
    equal, weights = _normalised(counted.astype(np.float64)), wmse_weights(y_ranks, config.half_life_share)
    correlations = {
        "ic": weighted_correlation(x, y, equal),
        "rank_ic": rank_correlation(x_codes, y_codes),
        "weighted_ic": weighted_correlation(x, y, weights),
        "weighted_rank_ic": weighted_correlation(x_ranks, y_ranks, weights),
    }
    varies = _varies(x) & _varies(y, RETURN_ROUNDING)
    return {name: np.where(varies, values, np.nan) for name, values in correlations.items()}


def _paired(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Both arrays with NaN where either lacks a value, and where both have one."""
    counted = np.isfinite(x) & np.isfinite(y)
    return np.where(counted, x, np.nan), np.where(counted, y, np.nan), counted


def _normalised(weights: FloatArray) -> FloatArray:
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _varies(values: FloatArray, rounding: float = 0.0) -> np.ndarray:
    """Sessions with at least two values that differ by more than rounding: relative to the largest, or `rounding`."""
    known = np.isfinite(values)
    highest, lowest = np.where(known, values, -np.inf).max(axis=1), np.where(known, values, np.inf).min(axis=1)
    return highest - lowest > np.maximum(CONSTANT_RELATIVE * np.maximum(abs(highest), abs(lowest)), rounding)
