"""alphalens-reloaded, on its own input: a factor by date and stock, and prices; RankIC and layers, by session."""

import warnings

import alphalens
import numpy as np
import pandas as pd

from evaluation_peers.generated_forecast import HORIZON, LAYERS


def given(arrays: dict[str, np.ndarray]) -> tuple[pd.Series, pd.DataFrame]:
    """Factor (date, asset) and prices [date, asset], those of the session after, where the studies' labels begin."""
    predictions, prices = arrays["predictions"], arrays["prices"]
    dates = pd.bdate_range("2010-01-04", periods=len(prices))
    symbols = [f"{i:06d}.SZ" for i in range(1, prices.shape[1] + 1)]
    index = pd.MultiIndex.from_product([dates[: len(predictions)], symbols])
    return pd.Series(predictions.ravel(), index), pd.DataFrame(prices[1:], dates[:-1], symbols)


def figures(frames: tuple[pd.Series, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """RankIC [T] and returns of the layers [T, layers], the top one first."""
    warnings.simplefilter("ignore")
    clean = alphalens.utils.get_clean_factor_and_forward_returns(
        *frames, quantiles=LAYERS, periods=(HORIZON,), filter_zscore=None
    )
    rank_ic = alphalens.performance.factor_information_coefficient(clean)
    layers, _ = alphalens.performance.mean_return_by_quantile(clean, by_date=True, demeaned=False)
    table = layers.iloc[:, 0].unstack("factor_quantile")[range(LAYERS, 0, -1)]
    return rank_ic.iloc[:, 0].to_numpy(), table.to_numpy()
