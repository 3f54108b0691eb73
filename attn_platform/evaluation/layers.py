"""Layers: the stocks of a session split by prediction, and what each layer earned (AI-69, AI-55).

Layer 0 is the top: the highest predictions. The split is by prediction alone, also of stocks whose return will turn out
to be missing, since that is not known when the layers are formed. Stocks with equal predictions that lie on the border
of layers are in each of them by the same share, so that no figure depends on the order of the stocks: a layer is what a
random order among them gives on average. A session has no layers where its predictions are all equal, which orders
nothing, or where it has fewer stocks than layers. What is equal, ranks say (`ranks.rank_codes`). Arrays are
[session, stock].
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from attn_platform.evaluation.blocks import over_blocks
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.ranks import NO_RANK, RankCodes, rank_codes
from attn_platform.jit import njit

NO_LAYER = -1


@dataclass(frozen=True)
class Layers:
    """Memberships of the stocks.

    A stock is in the layers `first` … `last` [T, N], −1 without a prediction: in one of them, whole, unless others have
    the same prediction and the border of two layers runs through them. At most one such group crosses each border.
    """

    first: NDArray[np.int16]
    last: NDArray[np.int16]
    from_above: FloatArray
    """[T, layers] share in each layer of the stocks that are in the next higher one, too."""
    from_below: FloatArray
    """[T, layers] share in each layer of the stocks that are in the next lower one, too."""

    @property
    def count(self) -> int:
        """Number of layers."""
        return self.from_above.shape[1]

    @property
    def has_layer(self) -> NDArray[np.bool_]:
        """[T, N] stocks that are in any."""
        return self.first != NO_LAYER

    def rows(self, rows: slice | NDArray[np.intp]) -> "Layers":
        """The memberships of some of the sessions, in the order asked for."""
        return Layers(self.first[rows], self.last[rows], self.from_above[rows], self.from_below[rows])

    def shares(self, place: int) -> FloatArray:
        """[T, N] share of each stock that is in one layer."""
        whole = (self.first == place) & (self.last == place)
        upper = (self.first == place) & (self.last > place)
        lower = (self.first < place) & (self.last >= place) & self.has_layer
        at = slice(place, place + 1)
        return np.where(lower, self.from_above[:, at], np.where(upper, self.from_below[:, at], whole * 1.0))


def layers_of(predictions: FloatArray, layers: int) -> Layers:
    """Layers 0 (top) … layers − 1 (bottom) of the stocks [T, N].

    Sizes differ by one at most, the upper layers being the larger ones.
    """
    return joined_layers(over_blocks(lambda values: layers_of_ranks(rank_codes(values), layers), predictions))


def layers_of_ranks(codes: RankCodes, layers: int) -> Layers:
    """The same from ranks that are known already (`ranks.rank_codes`)."""
    first, last = (np.empty(codes.shape, dtype=np.int16) for _ in range(2))
    from_above, from_below = (np.zeros((len(codes), layers)) for _ in range(2))
    _layers(codes, first, last, from_above, from_below)
    return Layers(first, last, from_above, from_below)


def joined_layers(parts: list[Layers]) -> Layers:
    """Layers of consecutive ranges of sessions as one."""
    names = [each.name for each in fields(Layers)]
    return Layers(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def layer_means(layers: Layers, returns: FloatArray) -> FloatArray:
    """Mean return [T, layers] of the members whose return is known; NaN where there is none."""
    means = np.empty((len(returns), layers.count))
    _layer_means(layers.first, layers.last, layers.from_above, layers.from_below, returns, means)
    return means


def layer_turnover(layers: Layers, earlier: Layers, place: int) -> FloatArray:
    """Share [T] of layer `place` that was not in it `earlier`; NaN where it is empty at either time."""
    turnover = np.empty(len(layers.first))
    now, before = (
        (each.first, each.last, each.from_above[:, place], each.from_below[:, place]) for each in (layers, earlier)
    )
    _turnover(*now, *before, place, turnover)
    return turnover


def universe_means(layers: Layers, returns: FloatArray) -> FloatArray:
    """Mean return [T] of all stocks that are in a layer: the equally weighted universe."""
    means = np.empty(len(returns))
    _universe_means(layers.first, returns, means)
    return means


def precisions(layers: Layers, realised_codes: RankCodes) -> tuple[FloatArray, FloatArray]:
    """Top and bottom precision [T]: the share of the top (bottom) layer above (below) the cross-section's median.

    `realised_codes` [T, N] are the ranks of the returns (`ranks.return_codes`). The cross-section is that of the stocks
    in a layer whose return is known. A return that equals the median is neither above nor below it; where all are
    equal, there is no precision: NaN.
    """
    found = np.empty((len(realised_codes), 2))
    _precisions(layers.first, layers.last, layers.from_above, layers.from_below, realised_codes, found)
    return found[:, 0], found[:, 1]


def annualised(returns: FloatArray, horizon: int, sessions_per_year: int) -> float:
    """Annual return of overlapping `horizon`-session returns [T]: exp(252 / horizon · mean(ln(1 + r))) − 1.

    Our choice, as the studies do not state theirs: the growth of a portfolio that holds `horizon` staggered parts. A
    session that loses everything, or more, is a total loss: −1.
    """
    known = returns[np.isfinite(returns)]
    if len(known) == 0:
        return float("nan")
    if known.min() <= -1.0:
        return -1.0
    return float(np.expm1(sessions_per_year / horizon * np.log1p(known).mean()))


@dataclass(frozen=True)
class LayerNetValues:
    """Net values of layers [T, layers] and of the equally weighted universe [T]; 1 until the first return."""

    layers: FloatArray
    universe: FloatArray
    is_earning: NDArray[np.bool_]
    """[T] sessions that have a return."""

    def first_sessions(self, count: int) -> "LayerNetValues":
        """Those of the first `count` sessions."""
        return LayerNetValues(self.layers[:count], self.universe[:count], self.is_earning[:count])

    def annual_returns(self, sessions_per_year: int) -> tuple[FloatArray, float]:
        """Annual growth [layers] of these net values, and of the universe's; NaN where no session has a return."""
        years = self.is_earning.sum() / sessions_per_year
        if years == 0:
            return np.full(self.layers.shape[1], np.nan), float("nan")
        return self.layers[-1] ** (1 / years) - 1, float(self.universe[-1] ** (1 / years) - 1)

    @property
    def relative(self) -> FloatArray:
        """Net values of the layers over that of the universe [T, layers]."""
        return self.layers / self.universe[:, None]


def layer_net_values(
    layers: Layers, session_returns: FloatArray, config: EvaluationConfig | None = None
) -> LayerNetValues:
    """Net values of the layers of each session from one-session returns [T, N] (session t: close t−1 to close t).

    Layers are formed every `layer_rebalance_sessions` sessions that have them, bought at the close
    `layer_execution_lag` sessions after the signal (where the label starts, too), and kept at equal weights until the
    next are bought. A stock whose return is not known leaves the mean of that session, and a layer of such stocks earns
    nothing in it. No costs, and what could not be traded is bought all the same.
    """
    config = config or EvaluationConfig()
    sessions = len(session_returns)
    formations = np.flatnonzero(layers.has_layer.any(axis=1))[:: config.layer_rebalance_sessions]
    earning_from = np.arange(sessions) - 1 - config.layer_execution_lag
    current = np.searchsorted(formations, earning_from, side="right") - 1
    means = np.full((sessions, layers.count + 1), np.nan)
    is_earning = current >= 0
    begin = int(np.argmax(is_earning)) if is_earning.any() else sessions  # from here on, something is held

    def earned(rows: NDArray[np.intp], returns: FloatArray) -> FloatArray:
        held = layers.rows(rows)
        return np.column_stack([layer_means(held, returns), universe_means(held, returns)])

    if begin < sessions:
        means[begin:] = np.concatenate(over_blocks(earned, formations[current[begin:]], session_returns[begin:]))
    growth: FloatArray = np.cumprod(1.0 + np.nan_to_num(means), axis=0, dtype=np.float64)
    return LayerNetValues(growth[:, :-1], growth[:, -1], is_earning)


@njit(nogil=True, cache=True)
def _start(place, size, larger):  # type: ignore[no-untyped-def]
    """Stocks above a layer, where the first `larger` layers have one more than `size`."""
    return place * size + min(place, larger)


@njit(nogil=True, cache=True)
def _layer_at(position, size, larger):  # type: ignore[no-untyped-def]
    in_larger = larger * (size + 1)
    return position // (size + 1) if position < in_larger else larger + (position - in_larger) // size


@njit(nogil=True, cache=True)
def _layers(codes, first, last, from_above, from_below):  # type: ignore[no-untyped-def]
    sessions, stocks = codes.shape
    layers = from_above.shape[1]
    tied = np.zeros(stocks, np.int64)
    above = np.zeros(stocks, np.int64)
    for t in range(sessions):
        count, lowest, codes_used = 0, stocks, 0
        for i in range(stocks):
            if codes[t, i] != NO_RANK:
                tied[codes[t, i]] += 1
                lowest = min(lowest, codes[t, i])
                codes_used = max(codes_used, codes[t, i] + 1)
                count += 1
        size, larger = count // layers, count % layers
        if codes_used - 1 <= lowest:  # all equal
            size = 0
        higher = 0
        for code in range(codes_used - 1, -1, -1):
            above[code] = higher
            higher += tied[code]
            if size > 0 and tied[code] > 1:
                top, bottom = _layer_at(above[code], size, larger), _layer_at(higher - 1, size, larger)
                for place in range(top, bottom + 1):
                    begin = max(above[code], _start(place, size, larger))
                    share = (min(higher, _start(place + 1, size, larger)) - begin) / tied[code]
                    if place > top:
                        from_above[t, place] = share
                    if place < bottom:
                        from_below[t, place] = share
        for i in range(stocks):
            code = codes[t, i]
            if code != NO_RANK and size > 0:
                first[t, i] = _layer_at(above[code], size, larger)
                last[t, i] = first[t, i] if tied[code] == 1 else _layer_at(above[code] + tied[code] - 1, size, larger)
            else:
                first[t, i] = last[t, i] = NO_LAYER
        tied[:codes_used] = 0


@njit(nogil=True, cache=True)
def _layer_means(first, last, from_above, from_below, returns, out):  # type: ignore[no-untyped-def]
    sessions, stocks = first.shape
    count = np.empty(out.shape[1])
    for t in range(sessions):
        count[:] = 0.0
        out[t] = 0.0
        for i in range(stocks):
            top, bottom = first[t, i], last[t, i]
            if top == NO_LAYER or not np.isfinite(returns[t, i]):
                continue
            if top == bottom:
                out[t, top] += returns[t, i]
                count[top] += 1.0
                continue
            for place in range(top, bottom + 1):
                share = from_above[t, place] if place > top else from_below[t, place]
                out[t, place] += share * returns[t, i]
                count[place] += share
        for place in range(out.shape[1]):
            out[t, place] = out[t, place] / count[place] if count[place] > 0 else np.nan


@njit(nogil=True, cache=True)
def _universe_means(first, returns, out):  # type: ignore[no-untyped-def]
    sessions, stocks = first.shape
    for t in range(sessions):
        total, count = 0.0, 0
        for i in range(stocks):
            if first[t, i] != NO_LAYER and np.isfinite(returns[t, i]):
                total += returns[t, i]
                count += 1
        out[t] = total / count if count > 0 else np.nan


@njit(nogil=True, cache=True)
def _share(first, last, from_above, from_below, place):  # type: ignore[no-untyped-def]
    """Share of a stock of layers `first` … `last` that is in the layer `place`, which has these border shares."""
    if first == NO_LAYER or place < first or place > last:
        return 0.0
    if first == last:
        return 1.0
    return from_above if place > first else from_below


@njit(nogil=True, cache=True)
def _turnover(first, last, above, below, first_0, last_0, above_0, below_0, place, out):  # type: ignore[no-untyped-def]
    """`…_0` are those of the earlier session."""
    sessions, stocks = first.shape
    for t in range(sessions):
        count, count_before, stayed = 0.0, 0.0, 0.0
        for i in range(stocks):
            now = _share(first[t, i], last[t, i], above[t], below[t], place)
            before = _share(first_0[t, i], last_0[t, i], above_0[t], below_0[t], place)
            count += now
            count_before += before
            stayed += min(now, before)
        out[t] = (count - stayed) / count if count > 0 and count_before > 0 else np.nan


@njit(nogil=True, cache=True)
def _precisions(first, last, from_above, from_below, codes, out):  # type: ignore[no-untyped-def]
    """The median of an even number of returns lies between two of them; `lower` and `upper` are their codes."""
    sessions, stocks = first.shape
    bottom = from_above.shape[1] - 1
    counts = np.zeros(stocks, np.int64)
    for t in range(sessions):
        known, lowest, highest = 0, stocks, NO_RANK
        for i in range(stocks):
            if first[t, i] != NO_LAYER and codes[t, i] != NO_RANK:
                counts[codes[t, i]] += 1
                lowest, highest = min(lowest, codes[t, i]), max(highest, codes[t, i])
                known += 1
        lower, upper, below = NO_RANK, NO_RANK, 0
        for code in range(highest + 1):
            below += counts[code]
            if lower == NO_RANK and below > (known - 1) // 2:
                lower = code
            if upper == NO_RANK and below > known // 2:
                upper = code
            counts[code] = 0
        of_top, of_bottom, right_top, right_bottom = 0.0, 0.0, 0.0, 0.0
        for i in range(stocks):
            if first[t, i] != NO_LAYER and codes[t, i] != NO_RANK and lowest < highest:
                in_top = _share(first[t, i], last[t, i], from_above[t, 0], from_below[t, 0], 0)
                in_bottom = _share(first[t, i], last[t, i], from_above[t, bottom], from_below[t, bottom], bottom)
                of_top += in_top
                of_bottom += in_bottom
                if codes[t, i] > lower:
                    right_top += in_top
                if codes[t, i] < upper:
                    right_bottom += in_bottom
        out[t, 0] = right_top / of_top if of_top > 0 else np.nan
        out[t, 1] = right_bottom / of_bottom if of_bottom > 0 else np.nan
