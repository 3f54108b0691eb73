"""What a backtest held on every session, and what each holding added to its excess return.

A backtest keeps its weights of the sessions on which it traded; between them they drift with prices. Arrays are
[session, stock] over the sessions of the backtest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.evaluation.cross_sections import FloatArray

IntArray = NDArray[np.intp]
CONTRIBUTOR_COLUMNS = ("last_session", "kind", "name", "industry", "active_weight", "return", "contribution")


@dataclass(frozen=True)
class HeldWeights:
    """Weights after the close of each session, and the returns of the stocks.

    sessions           [T] datetime64[D]
    symbols            [N] sorted
    portfolio          [T, N] of the portfolio's value; what is missing to 1 is cash
    benchmark          [T, N]; a session without published weights is NaN throughout
    returns            [T, N] adjusted close to close up to the session; 0 without a price
    benchmark_returns  [T] of the index
    """

    sessions: NDArray[np.datetime64]
    symbols: NDArray[np.str_]
    portfolio: FloatArray
    benchmark: FloatArray
    returns: FloatArray
    benchmark_returns: FloatArray

    @property
    def active(self) -> FloatArray:
        """[T, N] portfolio less benchmark."""
        return self.portfolio - self.benchmark


def placed(frame: pd.DataFrame, sessions: NDArray[np.datetime64], symbols: NDArray[np.str_]) -> FloatArray:
    """[T, N] the weights of a frame with date, symbol, weight; 0 where it has no row, NaN on dates that it lacks."""
    weights = np.full((len(sessions), len(symbols)), np.nan)
    dates = frame["date"].to_numpy().astype("datetime64[D]")
    row = pd.Index(sessions).get_indexer(pd.Index(dates))
    codes, held = pd.factorize(frame["symbol"])  # a symbol is looked up once, not once a session
    column = pd.Index(symbols).get_indexer(pd.Index(held))[codes]
    weights[np.unique(row[row >= 0])] = 0.0
    inside = (row >= 0) & (column >= 0)
    weights[row[inside], column[inside]] = frame["weight"].to_numpy(dtype=np.float64)[inside]
    return weights


def drifted(traded: FloatArray, returns: FloatArray) -> FloatArray:
    """[T, N] weights after each close: those of `traded` where it has the session, else of the one before, drifted.

    w_t = w_{t−1} (1 + r_t) / (Σ w_{t−1} (1 + r_t) + cash); cash, 1 − Σ w, earns nothing. Before the first session that
    was traded nothing is held: 0.
    """
    held = np.zeros_like(traded)
    weights = np.zeros(traded.shape[1])
    for t in range(len(traded)):
        if np.isfinite(traded[t]).any():
            weights = np.nan_to_num(traded[t])
        else:
            grown = weights * (1.0 + returns[t])
            weights = grown / (grown.sum() + 1.0 - weights.sum())
        held[t] = weights
    return held


def group_sums(values: FloatArray, groups: IntArray, count: int) -> FloatArray:
    """[T, count] sums of `values` [T, N] over the stocks of each group; `groups` [T, N] are codes, −1 for none."""
    sessions, stocks = np.nonzero((groups >= 0) & (values != 0.0))
    places = sessions * count + groups[sessions, stocks]
    sums = np.bincount(places, values[sessions, stocks], minlength=len(values) * count).astype(np.float64)
    return sums.reshape(len(values), count)


def contributions(held: HeldWeights) -> FloatArray:
    """[T, N] what each stock added to the excess return of each session: (w − b) of the close before × (r − r_b).

    Against the benchmark's return, so that an underweight in what fell less than the benchmark has cost something. The
    first session has none: 0. Trades within a session, costs, and what the index does beside its weights, are the rest
    between the sum and the excess return.
    """
    before = np.nan_to_num(held.active[:-1])
    relative = held.returns[1:] - held.benchmark_returns[1:, None]
    return np.vstack([np.zeros((1, before.shape[1])), before * np.nan_to_num(relative)])


def week_contributors(
    held: HeldWeights, industries: IntArray, names: NDArray[np.str_], excess: pd.Series, stocks: int, groups: int
) -> pd.DataFrame:
    """What moved each calendar week most: rows of `CONTRIBUTOR_COLUMNS`.

    Kinds are "stock" (the `stocks` largest and the `stocks` smallest contributions, by symbol), "industry" (the same of
    `groups`), and "rest": what the week's excess return has beyond all contributions. Contributions sum the sessions of
    the week; `active_weight` is the one at the close before it, `return` that of the week, `industry` that of a stock.

    `industries` [T, N] are codes of `names`; `excess` [session] the daily excess returns.
    """
    added = contributions(held)
    known_before = np.vstack([industries[:1], industries[:-1]])
    of_industry = group_sums(added, known_before, len(names))
    active = np.nan_to_num(held.active)
    active_of_industry = group_sums(active, industries, len(names))
    daily_excess = excess.reindex(pd.DatetimeIndex(held.sessions)).to_numpy(dtype=np.float64)
    rows: list[tuple[object, ...]] = []
    for first, stop in _spans(pd.DatetimeIndex(held.sessions).to_period("W")):
        before, last = max(first - 1, 0), held.sessions[stop - 1]
        total, grouped = added[first:stop].sum(axis=0), of_industry[first:stop].sum(axis=0)
        for at in _extremes(total, stocks):
            earned = np.prod(1.0 + held.returns[first:stop, at]) - 1.0
            group = str(names[industries[stop - 1, at]])
            rows.append((last, "stock", str(held.symbols[at]), group, active[before, at], earned, total[at]))
        for at in _extremes(grouped, groups):
            rows.append((last, "industry", str(names[at]), "", active_of_industry[before, at], np.nan, grouped[at]))
        whole = np.nanprod(1.0 + daily_excess[first:stop]) - 1.0
        rows.append((last, "rest", "", "", np.nan, np.nan, whole - total.sum()))
    frame = pd.DataFrame(rows, columns=list(CONTRIBUTOR_COLUMNS))
    return frame.assign(last_session=pd.to_datetime(frame["last_session"]))


def _spans(periods: pd.PeriodIndex) -> list[tuple[int, int]]:
    """First row and the row after the last of each run of equal periods."""
    codes = periods.asi8
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(codes)], strict=True))


def _extremes(values: FloatArray, count: int) -> IntArray:
    """Places of the `count` largest positive values, then of the `count` smallest negative ones; largest first."""
    order = np.argsort(-values, kind="stable")
    helped = [place for place in order[:count] if values[place] > 0]
    hurt = [place for place in order[max(len(order) - count, 0) :] if values[place] < 0]
    return np.array([*helped, *hurt], dtype=np.intp)
