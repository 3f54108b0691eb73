"""The profile of a single factor over its history: what a researcher looks at before anything is built on it.

Summaries of the figures by session (`factor_series`): RankIC by horizon and year with t-values, decay and half-life,
layers, persistence, distribution. Where returns overlap, t-values are those of Newey and West (`inference`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.correlations import information_ratio, mean_of_known
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.factor_series import FactorSeries
from attn_platform.evaluation.inference import t_value
from attn_platform.evaluation.ranks import rank_codes, rank_correlation, return_codes
from attn_platform.market.tolerance import RETURN_ROUNDING, is_constant

ALL_YEARS = "all"


@dataclass(frozen=True)
class Histogram:
    """Share of the sampled values in each bin [B] between `edges` [B + 1]; what lies beyond them is in no bin."""

    edges: FloatArray
    shares: FloatArray


@dataclass(frozen=True)
class FactorProfile:
    """A factor over its history. Returns and shares are fractions; frames are indexed as named.

    horizons      [horizon]  sessions, rank_ic_mean, rank_ic_std, rank_icir, positive_share, t_value,
                             newey_west_t (lag horizon − 1); top_return, bottom_return, universe_return, spread
                             (top − bottom), spread_t (Newey–West), monotonicity (rank correlation of the layers' mean
                             returns with their place)
    yearly        [year]     stocks (mean), coverage; of the headline horizon: sessions, rank_ic_mean, rank_icir,
                             positive_share, newey_west_t
    decay         [lag]      rank_ic_mean, newey_west_t
    layers        [layer 1 (highest values) …] one column a horizon: mean return less the universe's
    persistence   [lag]      autocorrelation, top_turnover, bottom_turnover
    distribution  ["all" and each year] values, mean, std, skewness, excess_kurtosis, zero_share, quantile_<q>
    correlations  [factor]   mean rank correlation with the other factors, the largest in size first
    """

    name: str
    series: FactorSeries
    """The figures by session, without the sample of values."""
    horizons: pd.DataFrame
    yearly: pd.DataFrame
    decay: pd.DataFrame
    half_life: float
    """Lag at which the decay first falls to half of its value at lag 0; NaN where it never does, or has none."""
    layers: pd.DataFrame
    persistence: pd.DataFrame
    distribution: pd.DataFrame
    histogram: Histogram
    correlations: pd.Series

    @property
    def coverage(self) -> float:
        """Share of all stocks of all cross-sections that have a value."""
        stocks = int(self.series.stocks.sum())
        return float(self.series.observed.sum() / stocks) if stocks else float("nan")


def profile(name: str, series: FactorSeries, correlations: pd.Series, config: FactorProfileConfig) -> FactorProfile:
    """Summarise the figures by session; `correlations` are those with the other factors (any order, by name)."""
    decay = _decay_figures(series, config)
    known = correlations.dropna()
    return FactorProfile(
        name=name,
        # The sample is by far the largest part, and the distribution says all of it.
        series=replace(series, sample=series.sample[:0], sampled=np.zeros_like(series.sampled)),
        horizons=_horizon_figures(series, config),
        yearly=_yearly_figures(series, config),
        decay=decay,
        half_life=half_life(decay, config.half_life_min_t),
        layers=_layer_figures(series, config),
        persistence=_persistence_figures(series, config),
        distribution=distribution(series.sample, series.sample_years, config.quantiles),
        histogram=histogram(series.sample, config.histogram_bins, config.histogram_tail),
        correlations=known.reindex(known.abs().sort_values(ascending=False, kind="stable").index),
    )


def half_life(decay: pd.DataFrame, min_t: float) -> float:
    """Lag at which the decay curve [lag] first reaches half of its value at lag 0, interpolated between its lags.

    NaN where the RankIC at lag 0 has a t-value below `min_t` in size, and where the curve never falls that far.
    """
    lags, means = decay.index.to_numpy(dtype=np.float64), decay["rank_ic_mean"].to_numpy()
    if not abs(decay["newey_west_t"].iloc[0]) >= min_t or means[0] == 0:
        return float("nan")
    share = means / means[0]
    below = np.flatnonzero(share <= 0.5)
    if not len(below):
        return float("nan")
    after = int(below[0])
    fall = share[after - 1] - share[after]
    return float(lags[after - 1] + (share[after - 1] - 0.5) / fall * (lags[after] - lags[after - 1]))


def distribution(sample: NDArray[np.floating], years: NDArray[np.int64], quantiles: Sequence[float]) -> pd.DataFrame:
    """Moments and quantiles of the values [n], of all of them and by year."""
    groups = {ALL_YEARS: sample, **{str(year): sample[years == year] for year in np.unique(years)}}
    return pd.DataFrame.from_dict(
        {key: _moments(np.asarray(values, dtype=np.float64), quantiles) for key, values in groups.items()},
        orient="index",
    )


def histogram(sample: NDArray[np.floating], bins: int, tail: float) -> Histogram:
    """Shares of the values [n] between their quantiles `tail` and 1 − `tail`."""
    if not len(sample):
        return Histogram(np.array([]), np.array([]))
    values = np.asarray(sample, dtype=np.float64)
    low, high = np.quantile(values, [tail, 1 - tail])
    if high - low <= bins * np.spacing(max(abs(low), abs(high))):  # as good as constant: bins need a width
        low, high = low - 0.5 * max(1.0, abs(low)), high + 0.5 * max(1.0, abs(high))
    counts, edges = np.histogram(values, bins, range=(low, high))
    return Histogram(edges, counts / len(values))


def _horizon_figures(series: FactorSeries, config: FactorProfileConfig) -> pd.DataFrame:
    rows = {}
    for at, horizon in enumerate(config.horizons):
        layers, universe = series.layer_returns[:, at], series.universe_returns[:, at]
        spread = layers[:, 0] - layers[:, -1]
        spread[np.abs(spread) <= RETURN_ROUNDING] = 0.0  # of layers that earned the same, rounding would have a t-value
        rows[horizon] = {
            **_rank_ic_figures(series.rank_ic[:, at], horizon),
            "top_return": mean_of_known(layers[:, 0]),
            "bottom_return": mean_of_known(layers[:, -1]),
            "universe_return": mean_of_known(universe),
            "spread": mean_of_known(spread),
            "spread_t": t_value(spread, horizon - 1),
            "monotonicity": _monotonicity(layers),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("horizon")


def _rank_ic_figures(rank_ic: FloatArray, horizon: int) -> dict[str, float]:
    known = rank_ic[np.isfinite(rank_ic)]
    return {
        "sessions": len(known),
        "rank_ic_mean": mean_of_known(known),
        "rank_ic_std": float(known.std(ddof=1)) if len(known) > 1 else float("nan"),
        "rank_icir": information_ratio(rank_ic),
        "positive_share": mean_of_known((known > 0).astype(np.float64)),
        "t_value": t_value(rank_ic),
        "newey_west_t": t_value(rank_ic, horizon - 1),
    }


def _yearly_figures(series: FactorSeries, config: FactorProfileConfig) -> pd.DataFrame:
    rank_ic = series.rank_ic[:, config.horizons.index(config.headline_horizon)]
    rows = {}
    for year in np.unique(series.years):
        inside = series.years == year
        figures = _rank_ic_figures(rank_ic[inside], config.headline_horizon)
        stocks = int(series.stocks[inside].sum())
        rows[int(year)] = {
            "stocks": float(series.stocks[inside].mean()),
            "coverage": float(series.observed[inside].sum() / stocks) if stocks else float("nan"),
            **{name: figures[name] for name in _YEARLY_FIGURES},
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("year")


_YEARLY_FIGURES = ("sessions", "rank_ic_mean", "rank_icir", "positive_share", "newey_west_t")


def _decay_figures(series: FactorSeries, config: FactorProfileConfig) -> pd.DataFrame:
    curves = series.decay.T
    return pd.DataFrame(
        {
            "rank_ic_mean": [mean_of_known(curve) for curve in curves],
            "newey_west_t": [t_value(curve, config.decay_horizon - 1) for curve in curves],
        },
        index=pd.Index(config.decay_lags, name="lag"),
    )


def _layer_figures(series: FactorSeries, config: FactorProfileConfig) -> pd.DataFrame:
    active = series.layer_returns - series.universe_returns[:, :, None]
    return pd.DataFrame(
        {
            horizon: [mean_of_known(active[:, at, place]) for place in range(config.layers)]
            for at, horizon in enumerate(config.horizons)
        },
        index=pd.RangeIndex(1, config.layers + 1, name="layer"),
    )


def _persistence_figures(series: FactorSeries, config: FactorProfileConfig) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "autocorrelation": [mean_of_known(values) for values in series.autocorrelation.T],
            "top_turnover": [mean_of_known(values) for values in series.turnover[:, :, 0].T],
            "bottom_turnover": [mean_of_known(values) for values in series.turnover[:, :, 1].T],
        },
        index=pd.Index(config.persistence_lags, name="lag"),
    )


def _monotonicity(layers: FloatArray) -> float:
    """1 where every layer earned more on average than the next, −1 where less; layers [T, L], the top one first."""
    means = np.array([[mean_of_known(layer) for layer in layers.T]])
    if not np.isfinite(means).all():
        return float("nan")
    places = -np.arange(means.shape[1], dtype=np.float64)[None, :]
    return float(rank_correlation(return_codes(means), rank_codes(places))[0])


def _moments(values: FloatArray, quantiles: Sequence[float]) -> dict[str, float]:
    """Figures of one group; skewness and excess kurtosis are the population's, and NaN for a constant."""
    varies = not is_constant(values)
    std = float(values.std()) if varies else (0.0 if len(values) else float("nan"))
    scores = (values - values.mean()) / std if varies else np.array([])
    squares = scores * scores
    at = np.quantile(values, quantiles) if len(values) else np.full(len(quantiles), np.nan)
    return {
        "values": len(values),
        "mean": mean_of_known(values),
        "std": std,
        "skewness": mean_of_known(squares * scores),
        "excess_kurtosis": mean_of_known(squares * squares) - 3,
        "zero_share": mean_of_known((values == 0).astype(np.float64)),
        **{f"quantile_{q:g}": float(value) for q, value in zip(quantiles, at, strict=True)},
    }
