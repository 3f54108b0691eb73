"""What a single factor does in each session: coverage, RankIC, decay, persistence, layers.

Pure functions on [session, stock] arrays, NaN = missing. The cross-section of T is the study's universe on T; realised
returns are those of the labels (`training.labels`: traded from T + 1 on). A session's figures read the factor of that
session and of earlier ones, and returns up to `FactorProfileConfig.ahead` sessions later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.layers import layer_means, layer_turnover, layers_of_ranks, universe_means
from attn_platform.evaluation.ranks import NO_RANK, RankCodes, rank_codes, rank_correlation, return_codes
from attn_platform.parallel import over_threads
from attn_platform.training.labels import label_returns

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class LaterReturns:
    """What each stock earned after each session, ranked once for all factors.

    `returns` and `ranks` are [T, N] by horizon; row t of `step_ranks` [T + longest lag, N] ranks the returns over
    `decay_horizon` sessions from session t + 1 on.
    """

    returns: Mapping[int, FloatArray]
    ranks: Mapping[int, RankCodes]
    step_ranks: RankCodes


@dataclass(frozen=True)
class CrossSectionHistory:
    """Consecutive sessions to evaluate factors on: who was in the cross-section, and what the stocks earned later."""

    sessions: NDArray[np.datetime64]
    """[T]"""
    inside: BoolArray
    """[back + T, N] the cross-sections, those of the `config.back` sessions before included (empty where unknown)."""
    sampled: BoolArray
    """[T] the sessions whose values enter the distribution."""
    later: LaterReturns

    def part(self, rows: slice, config: FactorProfileConfig) -> Self:
        """Some of the sessions, from `rows.start` to before `rows.stop` (views, no copies)."""
        later = LaterReturns(
            {horizon: values[rows] for horizon, values in self.later.returns.items()},
            {horizon: values[rows] for horizon, values in self.later.ranks.items()},
            self.later.step_ranks[rows.start : rows.stop + config.decay_lags[-1]],
        )
        inside = self.inside[rows.start : rows.stop + config.back]
        return replace(self, sessions=self.sessions[rows], inside=inside, sampled=self.sampled[rows], later=later)


@dataclass(frozen=True)
class FactorSeries:
    """Figures of a factor by session; horizons, lags and layers in the order of the configuration."""

    sessions: NDArray[np.datetime64]
    stocks: NDArray[np.int64]
    """[T] stocks in the cross-section."""
    observed: NDArray[np.int64]
    """[T] those of them that have a value."""
    rank_ic: FloatArray
    """[T, horizon]"""
    decay: FloatArray
    """[T, lag] RankIC against the return over `decay_horizon` sessions that begins `lag` sessions later."""
    autocorrelation: FloatArray
    """[T, lag] rank correlation with the factor `lag` sessions before, over the cross-section of T."""
    layer_returns: FloatArray
    """[T, horizon, layer] mean return of the layers, the top one (highest values) first."""
    universe_returns: FloatArray
    """[T, horizon] mean return of all stocks that are in a layer."""
    turnover: FloatArray
    """[T, lag, 2] share of the top and of the bottom layer that was not in it `lag` sessions before."""
    sample: NDArray[np.floating]
    """[n] values of the cross-sections of the sampled sessions, session by session."""
    sampled: NDArray[np.int64]
    """[T] how many of them each session gave."""

    @property
    def coverage(self) -> FloatArray:
        """[T] share of the cross-section that has a value; NaN where there is no cross-section."""
        return np.divide(self.observed, self.stocks, out=np.full(len(self.stocks), np.nan), where=self.stocks > 0)

    def at(self, present: BoolArray) -> Self:
        """The series of some of its sessions, [T] bool; the others must have given no value to the sample."""
        by_session = [each.name for each in fields(self) if each.name != "sample"]
        return replace(self, **{name: getattr(self, name)[present] for name in by_session})

    @property
    def years(self) -> NDArray[np.int64]:
        """[T] calendar year of each session."""
        return self.sessions.astype("datetime64[Y]").astype(np.int64) + 1970  # numpy counts years from 1970

    @property
    def sample_years(self) -> NDArray[np.int64]:
        """[n] calendar year of each value of the sample."""
        return np.repeat(self.years, self.sampled)


def later_returns(price: FloatArray, sessions: int, config: FactorProfileConfig) -> LaterReturns:
    """Returns after the first `sessions` rows of adjusted prices [sessions + config.ahead, N] (`label_prices`)."""
    returns = [label_returns(price, horizon)[:sessions] for horizon in config.horizons]
    returns.append(label_returns(price, config.decay_horizon)[: sessions + config.decay_lags[-1]])
    ranks: dict[int, RankCodes] = {}
    over_threads(lambda at: ranks.update({at: return_codes(returns[at])}), range(len(returns)))
    *by_horizon, steps = (ranks[at] for at in range(len(returns)))
    return LaterReturns(
        dict(zip(config.horizons, returns, strict=False)), dict(zip(config.horizons, by_horizon, strict=True)), steps
    )


def measure(values: NDArray[np.floating], history: CrossSectionHistory, config: FactorProfileConfig) -> FactorSeries:
    """Figures of the history's sessions [T] from a factor [back + T, N], NaN where missing."""
    back, count = config.back, len(history.sessions)
    now = slice(back, None)
    earlier = [slice(back - lag, back - lag + count) for lag in config.persistence_lags]
    codes = rank_codes(values)
    inside = np.where(history.inside, codes, np.int32(NO_RANK))
    layers = layers_of_ranks(inside, config.layers)
    members = layers.rows(now)
    ranks, later = inside[now], history.later
    taken = (ranks != NO_RANK) & history.sampled[:, None]
    ends = (0, config.layers - 1)
    return FactorSeries(
        sessions=history.sessions,
        stocks=history.inside[now].sum(axis=1),
        observed=(ranks != NO_RANK).sum(axis=1),
        rank_ic=np.column_stack([rank_correlation(ranks, later.ranks[horizon]) for horizon in config.horizons]),
        decay=np.column_stack(
            [rank_correlation(ranks, later.step_ranks[lag : lag + count]) for lag in config.decay_lags]
        ),
        autocorrelation=np.column_stack([rank_correlation(ranks, codes[rows]) for rows in earlier]),
        layer_returns=np.stack([layer_means(members, later.returns[horizon]) for horizon in config.horizons], axis=1),
        universe_returns=np.column_stack(
            [universe_means(members, later.returns[horizon]) for horizon in config.horizons]
        ),
        turnover=np.stack(
            [np.column_stack([layer_turnover(members, layers.rows(rows), end) for end in ends]) for rows in earlier],
            axis=1,
        ),
        sample=values[now][taken],
        sampled=taken.sum(axis=1),
    )


def joined(parts: Sequence[FactorSeries]) -> FactorSeries:
    """Series of consecutive ranges as one."""
    return FactorSeries(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(FactorSeries)}
    )
