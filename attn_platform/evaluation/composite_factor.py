"""A model's predictions as a factor: the figures of AI-69 exhibits 10, 22, 34 and AI-55 exhibit 20."""

from dataclasses import dataclass

import numpy as np

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.blocks import over_blocks
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import (
    correlations_of_ranks,
    information_ratio,
    joined_series,
    mean_of_known,
)
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.layers import (
    Layers,
    annualised,
    joined_layers,
    layer_means,
    layers_of_ranks,
    precisions,
    universe_means,
)
from attn_platform.evaluation.ranks import rank_codes, return_codes


@dataclass(frozen=True)
class SessionFigures:
    """What a factor did in each session; NaN where a session does not have the figure."""

    correlations: dict[str, FloatArray]
    """ic, rank_ic, weighted_ic, weighted_rank_ic, each [T]"""
    layer_returns: FloatArray
    """[T, layer] mean return of the layers, the top one first."""
    universe_returns: FloatArray
    """[T] mean return of all stocks that are in a layer."""
    top_precision: FloatArray
    """[T]"""
    bottom_precision: FloatArray
    """[T]"""


@dataclass(frozen=True)
class CompositeFactorSeries(SessionFigures):
    """The same, and the layers that it is of."""

    layers: Layers
    """[T, N] who was in which."""


def composite_factor_series(
    predictions: FloatArray, returns: FloatArray, config: EvaluationConfig | None = None
) -> CompositeFactorSeries:
    """Figures by session of predictions [T, N] and realised returns [T, N]; both are ranked once for all of them."""
    config = config or EvaluationConfig()

    def of_block(x: FloatArray, y: FloatArray) -> CompositeFactorSeries:
        x_codes, y_codes = rank_codes(x), return_codes(y)
        layers = layers_of_ranks(x_codes, config.layers)
        return CompositeFactorSeries(
            correlations_of_ranks(x, y, x_codes, y_codes, config),
            layer_means(layers, y),
            universe_means(layers, y),
            *precisions(layers, y_codes),
            layers,
        )

    parts = over_blocks(of_block, predictions, returns)
    arrays = ("layer_returns", "universe_returns", "top_precision", "bottom_precision")
    return CompositeFactorSeries(
        correlations=joined_series([part.correlations for part in parts]),
        layers=joined_layers([part.layers for part in parts]),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
    )


def composite_factor_figures(
    predictions: FloatArray, returns: FloatArray, horizon: int, config: EvaluationConfig | None = None
) -> dict[str, float]:
    """Composite-factor figures of predictions [T, N] and realised `horizon`-session returns [T, N].

    See `summary`. Tidy frames: `align_cross_sections`.
    """
    return summary(composite_factor_series(predictions, returns, config), horizon, config)


def summary(series: SessionFigures, horizon: int, config: EvaluationConfig | None = None) -> dict[str, float]:
    """The figures over time of a factor whose returns are those over `horizon` sessions.

    Keys are the columns of the published tables; means are over the sessions that have the figure. The benchmark is
    the equally weighted universe, and the long-short return is (top − bottom) / 2.
    """
    config = config or EvaluationConfig()
    if not np.isfinite(series.correlations["rank_ic"]).any():
        raise MissingDataError("no session has two stocks or more with both a prediction and a return that vary")
    top, bottom, benchmark = (
        annualised(returns, horizon, config.sessions_per_year)
        for returns in (series.layer_returns[:, 0], series.layer_returns[:, -1], series.universe_returns)
    )
    return {
        "ic_mean": mean_of_known(series.correlations["ic"]),
        "rank_ic_mean": mean_of_known(series.correlations["rank_ic"]),
        "weighted_ic_mean": mean_of_known(series.correlations["weighted_ic"]),
        "weighted_rank_ic_mean": mean_of_known(series.correlations["weighted_rank_ic"]),
        "icir": information_ratio(series.correlations["ic"]),
        "rank_icir": information_ratio(series.correlations["rank_ic"]),
        "weighted_icir": information_ratio(series.correlations["weighted_ic"]),
        "weighted_rank_icir": information_ratio(series.correlations["weighted_rank_ic"]),
        "top_precision": mean_of_known(series.top_precision),
        "bottom_precision": mean_of_known(series.bottom_precision),
        "top_annual_return": top,
        "bottom_annual_return": bottom,
        "long_short_annual_return": (top - bottom) / 2.0,
        "benchmark_annual_return": benchmark,
    }
