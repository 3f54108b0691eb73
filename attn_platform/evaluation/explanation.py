"""What explains a model's forecasts of a session: parts, attention and factors (`attribution` computes them)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SessionExplanation:
    """A session's M stocks; L steps are 1 for networks that read the session alone.

    forecast [M]; parts by name [M], which sum to the forecast, where the network has such parts. `attributions`
    [M, L, F] are those of the forecasts' cross-sectional variance, as shares: they sum to 1. `attention` by name as the
    network gives it, mean over the seeds: "tasks" [K, K] and "steps" [L] are means over the stocks, "stocks" is [M, M].
    """

    symbols: NDArray[np.str_]
    feature_names: tuple[str, ...]
    forecast: Array
    parts: Mapping[str, Array]
    attention: Mapping[str, Array]
    attributions: Array


@dataclass(frozen=True)
class StockExplanation:
    """One stock's forecast = `start` + Σ `attributions` [L, F] of its own factors + `others`.

    `start` is the forecast of a stock with all factors, and all other stocks', at their means. `others` is what the
    factors of the other stocks give; 0 for networks that read each stock by itself.
    """

    symbol: str
    feature_names: tuple[str, ...]
    forecast: float
    parts: Mapping[str, float]
    start: float
    attributions: Array
    others: float


def variance_shares(parts: Mapping[str, Array], forecast: Array) -> dict[str, float]:
    """Share of each part in the forecasts' variance over the stocks: cov(part, forecast) / var(forecast).

    The shares of parts that sum to the forecast sum to 1.
    """
    centred = forecast - forecast.mean()
    variance = centred @ centred
    return {name: float(centred @ part / variance) if variance > 0 else 0.0 for name, part in parts.items()}


def group_attention(weights: Array, groups: NDArray[np.str_]) -> tuple[NDArray[np.str_], Array]:
    """The groups' names [G], and how much more than equal attention the stocks of one pay to those of another [G, G].

    Mean of α_ij [M, M] over i in the row's group and j in the column's, times M: 1 is what equal weights would give.
    """
    names, group = np.unique(groups, return_inverse=True)
    member = np.eye(len(names))[group]  # [M, G]
    sizes = member.sum(axis=0)
    return names, len(weights) * (member.T @ weights @ member) / np.outer(sizes, sizes)
