"""The platform, on tidy frames of predictions and returns as a user may bring them: the same without net values."""

import numpy as np
import pandas as pd

from attn_platform.evaluation.composite_factor import composite_factor_series, summary
from attn_platform.evaluation.cross_sections import align_cross_sections
from evaluation_peers.generated_forecast import HORIZON


def given(arrays: dict[str, np.ndarray]) -> list[pd.DataFrame]:
    """Frames (date, symbol, prediction) and (date, symbol, return)."""
    sessions, stocks = arrays["predictions"].shape
    dates = np.repeat(pd.bdate_range("2010-01-04", periods=sessions).to_numpy(), stocks)
    symbols = pd.Series([f"{i:06d}.SZ" for i in range(1, stocks + 1)] * sessions)
    return [
        pd.DataFrame({"date": dates, "symbol": symbols, name: arrays[f"{name}s"].ravel()})
        for name in ("prediction", "return")
    ]


def figures(frames: list[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """RankIC [T] and returns of the layers [T, layers], the top one first, of what is computed."""
    aligned = align_cross_sections(*frames)
    series = composite_factor_series(aligned.predictions, aligned.returns)
    summary(series, HORIZON)
    return series.correlations["rank_ic"], series.layer_returns
