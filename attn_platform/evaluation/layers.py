"""Layers: the stocks of a session split by prediction, and what each layer earned (AI-69, AI-55).

Layer 0 is the top: the highest predictions. The split is by prediction alone, also of stocks whose return will turn out
to be missing, since that is not known when the layers are formed. Arrays are [session, stock].
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray

NO_LAYER = -1


def layers_of(predictions: FloatArray, layers: int) -> NDArray[np.int16]:
    """Layer 0 (top) … layers − 1 (bottom) of each stock [T, N]; −1 without a prediction.

    Sizes differ by one at most, the upper layers being the larger ones; equal predictions are split in the order of the
    columns. A session with fewer stocks than layers has none.
    """
    known = np.isfinite(predictions)
    count = known.sum(axis=1, keepdims=True)
    order = np.argsort(np.where(known, -predictions, np.inf), axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(predictions.shape[1])[None, :], axis=1)

    size, larger = np.divmod(count, layers)
    in_larger = larger * (size + 1)
    rest = larger + (places - in_larger) // np.maximum(size, 1)
    layer = np.where(places < in_larger, places // (size + 1), rest)
    return np.where(known & (count >= layers), layer, NO_LAYER).astype(np.int16)


def layer_means(layer: NDArray[np.int16], returns: FloatArray, layers: int) -> FloatArray:
    """Mean return [T, layers] of the members whose return is known; NaN where there is none."""
    return np.column_stack([_mean(returns, layer == place) for place in range(layers)])


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
