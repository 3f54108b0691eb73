"""Layers: the stocks of a session split by prediction, and what each layer earned (AI-69, AI-55).

Layer 0 is the top: the highest predictions. The split is by prediction alone, also of stocks whose return will turn out
to be missing, since that is not known when the layers are formed. Arrays are [session, stock].
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.ranks import NO_RANK, RankCodes, rank_codes

NO_LAYER = -1


def layers_of(predictions: FloatArray, layers: int) -> NDArray[np.int16]:
    """Layer 0 (top) … layers − 1 (bottom) of each stock [T, N]; −1 without a prediction.

    Sizes differ by one at most, the upper layers being the larger ones; equal predictions are split in the order of the
    columns. A session with fewer stocks than layers has none.
    """
    return layers_of_ranks(rank_codes(predictions), layers)


def layers_of_ranks(codes: RankCodes, layers: int) -> NDArray[np.int16]:
    """The same from ranks that are known already (`ranks.rank_codes`)."""
    out = np.empty(codes.shape, dtype=np.int16)
    _layers(codes, layers, out)
    return out


def layer_means(layer: NDArray[np.int16], returns: FloatArray, layers: int) -> FloatArray:
    """Mean return [T, layers] of the members whose return is known; NaN where there is none."""
    means = np.empty((len(layer), layers))
    _layer_means(layer, returns, means)
    return means


def layer_turnover(layer: NDArray[np.int16], earlier: NDArray[np.int16], place: int) -> FloatArray:
    """Share [T] of the stocks of layer `place` that were not in it `earlier`; NaN where it is empty at either time."""
    now, before = layer == place, earlier == place
    count = now.sum(axis=1)
    stayed = (now & before).sum(axis=1)
    return np.divide(count - stayed, count, out=np.full(len(layer), np.nan), where=(count > 0) & before.any(axis=1))


def universe_means(layer: NDArray[np.int16], returns: FloatArray) -> FloatArray:
    """Mean return [T] of all stocks that are in a layer: the equally weighted universe."""
    return _mean(returns, layer != NO_LAYER)


def precisions(layer: NDArray[np.int16], returns: FloatArray, layers: int) -> tuple[FloatArray, FloatArray]:
    """Top and bottom precision [T]: the share of the top (bottom) layer above (below) the cross-section's median."""
    known = np.where((layer != NO_LAYER) & np.isfinite(returns), returns, np.nan)
    median = pd.DataFrame(known).median(axis=1).to_numpy()[:, None]
    missing = np.isnan(known)
    above = np.where(missing, np.nan, known > median)
    below = np.where(missing, np.nan, known < median)
    return _mean(above, layer == 0), _mean(below, layer == layers - 1)


def annualised(returns: FloatArray, horizon: int, sessions_per_year: int) -> float:
    """Annual return of overlapping `horizon`-session returns [T]: exp(252 / horizon · mean(ln(1 + r))) − 1.

    Our choice, as the studies do not state theirs: the growth of a portfolio that holds `horizon` staggered parts.
    """
    known = returns[np.isfinite(returns)]
    if len(known) == 0:
        return float("nan")
    return float(np.expm1(sessions_per_year / horizon * np.log1p(known).mean()))


@dataclass(frozen=True)
class LayerNetValues:
    """Net values of layers [T, layers] and of the equally weighted universe [T]; 1 until the first return."""

    layers: FloatArray
    universe: FloatArray

    @property
    def relative(self) -> FloatArray:
        """Net values of the layers over that of the universe [T, layers]."""
        return self.layers / self.universe[:, None]


def layer_net_values(
    predictions: FloatArray, session_returns: FloatArray, config: EvaluationConfig | None = None
) -> LayerNetValues:
    """Net values of layers from one-session returns (session t: close t−1 to close t).

    Layers are formed every `layer_rebalance_sessions` sessions, bought at the close `layer_execution_lag` sessions
    after the signal (where the label starts, too), and kept at equal weights until the next are bought. No costs.
    """
    config = config or EvaluationConfig()
    layer = layers_of(predictions, config.layers)
    formations = np.flatnonzero((layer != NO_LAYER).any(axis=1))[:: config.layer_rebalance_sessions]
    earning_from = np.arange(len(layer)) - 1 - config.layer_execution_lag
    current = np.searchsorted(formations, earning_from, side="right") - 1
    held = np.full_like(layer, NO_LAYER)
    held[current >= 0] = layer[formations[current[current >= 0]]]
    means = np.column_stack([layer_means(held, session_returns, config.layers), universe_means(held, session_returns)])
    growth: FloatArray = np.cumprod(1.0 + np.nan_to_num(means), axis=0, dtype=np.float64)
    return LayerNetValues(layers=growth[:, :-1], universe=growth[:, -1])


def _mean(values: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """Mean [T] of the finite values of the members; NaN where there is none."""
    counted = member & np.isfinite(values)
    count = counted.sum(axis=1)
    total = np.where(counted, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


@njit(nogil=True, cache=True)
def _layers(codes, layers, out):  # type: ignore[no-untyped-def]
    sessions, stocks = codes.shape
    place = np.zeros(stocks, np.int64)
    for t in range(sessions):
        count = 0
        for i in range(stocks):
            if codes[t, i] != NO_RANK:
                place[codes[t, i]] += 1
                count += 1
        above = 0
        for code in range(stocks - 1, -1, -1):
            members = place[code]
            place[code] = above
            above += members
        size, larger = count // layers, count % layers
        in_larger = larger * (size + 1)
        for i in range(stocks):
            out[t, i] = NO_LAYER
            if codes[t, i] != NO_RANK and count >= layers:
                at = place[codes[t, i]]
                place[codes[t, i]] += 1
                out[t, i] = at // (size + 1) if at < in_larger else larger + (at - in_larger) // size
        place[:] = 0


@njit(nogil=True, cache=True)
def _layer_means(layer, returns, out):  # type: ignore[no-untyped-def]
    sessions, stocks = layer.shape
    count = np.empty(out.shape[1], np.int64)
    for t in range(sessions):
        count[:] = 0
        out[t] = 0.0
        for i in range(stocks):
            if layer[t, i] != NO_LAYER and np.isfinite(returns[t, i]):
                out[t, layer[t, i]] += returns[t, i]
                count[layer[t, i]] += 1
        for place in range(out.shape[1]):
            out[t, place] = out[t, place] / count[place] if count[place] > 0 else np.nan
