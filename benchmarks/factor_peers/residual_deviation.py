"""The deviation of ivr_ff3factor_1m in closed form, from sums over the window; for arrays and pandas alike."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

Values = TypeVar("Values", np.ndarray, pd.Series, pd.DataFrame)


def residual_deviation(
    observed: Values, regressors: Sequence[Values], y: Values, window_sum: Callable[[Values], Values]
) -> tuple[Values, Values]:
    """Observations in the window, and the sample deviation of the residual of y on an intercept and the regressors.

    `observed` is 1.0 or 0.0, the others 0 where it is. Centred cross-products are reduced by one regressor after the
    other, as in Cholesky's elimination, until only y's own is left.
    """
    series = [*regressors, y]
    last = len(regressors)
    count = window_sum(observed)
    means = [window_sum(x) / count for x in series]
    left = {
        (i, j): window_sum(series[i] * series[j]) - count * means[i] * means[j]
        for i in range(last + 1)
        for j in range(i + 1)
    }
    for k in range(last):
        for i in range(k + 1, last + 1):
            for j in range(k + 1, i + 1):
                left[i, j] = left[i, j] - left[i, k] * left[j, k] / left[k, k]
    return count, np.sqrt(np.maximum(left[last, last], 0.0) / (count - 1))
