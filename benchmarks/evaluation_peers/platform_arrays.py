"""The platform, on dense arrays: every composite-factor figure, the series by session, net values of the layers."""

import numpy as np

from attn_platform.evaluation.composite_factor import composite_factor_series, summary
from attn_platform.evaluation.layers import layer_net_values
from evaluation_peers.generated_forecast import HORIZON


def given(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the platform holds of a strategy; prices are in the returns."""
    return {name: arrays[name] for name in ("predictions", "returns", "moves")}


def figures(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """RankIC [T] and returns of the layers [T, layers], the top one first, of what is computed."""
    series = composite_factor_series(arrays["predictions"], arrays["returns"])
    summary(series, HORIZON)
    layer_net_values(series.layers, arrays["moves"])
    return series.correlations["rank_ic"], series.layer_returns
