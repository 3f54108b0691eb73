"""Loss of the day's cross-section: weighted or plain mean squared error (AI-69, AI-55).

    wmse = (1/N) Σ w_k (prediction_k − label_k)²,  w_k = 0.5^(k / (h·N)),

k the stock's place when the session's N stocks are sorted by label, best first (k = 0), h·N the half-life: the best
weighs 1, the one h·N places below it 0.5. AI-55 prints h = 1/2 (median 0.5, worst 0.25); AI-69 prints none, see
`studies/ai69.yaml`. mse has all w = 1. The weights depend on labels only, so they are computed once, before training.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from attn_platform.models.configuration import LossConfig

FloatArray = NDArray[np.floating]


def row_weights(labels: FloatArray, offsets: NDArray[np.int64], config: LossConfig) -> NDArray[np.float64]:
    """w_k / N of each row and task [R, K], for labels [R, K] whose session t is rows offsets[t] to offsets[t+1].

    A session's sum of weight × squared error is then its loss. Stocks of equal label share their mean place, so that
    no order of the stocks matters.
    """
    sizes = np.diff(offsets)
    session = np.repeat(np.arange(len(sizes)), sizes)
    stocks = sizes[session][:, np.newaxis]
    if config.name == "mse":
        return np.broadcast_to(1 / stocks, labels.shape)
    place = pd.DataFrame(labels).groupby(session).rank(ascending=False).to_numpy() - 1
    return 0.5 ** (place / (config.half_life * stocks)) / stocks


def weighted_squared_error(predictions: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Sum over rows, mean over tasks: predictions, labels, weights [..., M, K] → [...]; weight 0 is padding."""
    return (weights * (predictions - labels).square()).sum((-2, -1)) / predictions.shape[-1]
