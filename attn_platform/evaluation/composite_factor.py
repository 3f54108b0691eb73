"""A model's predictions as a factor: the figures of AI-69 exhibits 10, 22, 34 and AI-55 exhibit 20."""

import numpy as np

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import correlation_series, information_ratio
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.layers import annualised, layer_means, layers_of, precisions, universe_means


def composite_factor_figures(
    predictions: FloatArray, returns: FloatArray, horizon: int, config: EvaluationConfig | None = None
) -> dict[str, float]:
    """Composite-factor figures of predictions [T, N] and realised `horizon`-session returns [T, N].

    Keys are the columns of the published tables; means are over the sessions that have the figure. The benchmark is
    the equally weighted universe, and the long-short return is (top − bottom) / 2. Tidy frames: `align_cross_sections`.
    """
    config = config or EvaluationConfig()
    series = correlation_series(predictions, returns, config)
    if not np.isfinite(series["ic"]).any():
        raise MissingDataError("no session has two stocks or more with both a prediction and a return that vary")
    layers = layers_of(predictions, config.layers)
    means = layer_means(layers, returns)
    top_precision, bottom_precision = precisions(layers, returns)
    top = annualised(means[:, 0], horizon, config.sessions_per_year)
    bottom = annualised(means[:, -1], horizon, config.sessions_per_year)
    return {
        "ic_mean": mean_of_known(series["ic"]),
        "rank_ic_mean": mean_of_known(series["rank_ic"]),
        "weighted_ic_mean": mean_of_known(series["weighted_ic"]),
        "weighted_rank_ic_mean": mean_of_known(series["weighted_rank_ic"]),
        "icir": information_ratio(series["ic"]),
        "rank_icir": information_ratio(series["rank_ic"]),
        "weighted_icir": information_ratio(series["weighted_ic"]),
        "weighted_rank_icir": information_ratio(series["weighted_rank_ic"]),
        "top_precision": mean_of_known(top_precision),
        "bottom_precision": mean_of_known(bottom_precision),
        "top_annual_return": top,
        "bottom_annual_return": bottom,
        "long_short_annual_return": (top - bottom) / 2.0,
        "benchmark_annual_return": annualised(universe_means(layers, returns), horizon, config.sessions_per_year),
    }


def mean_of_known(series: FloatArray) -> float:
    """Mean over the sessions that have a value; NaN where none has."""
    known = series[np.isfinite(series)]
    return float(known.mean()) if len(known) else float("nan")
