"""Predictions and prices of a generated market: every cell known, each layer of as many stocks.

With missing returns, and layers that cannot have as many stocks, alphalens-reloaded and the studies mean different
things (attn_platform_tests/evaluation/test_against_alphalens.py); the sides must agree here.
"""

from pathlib import Path

import numpy as np

from attn_platform.training.labels import label_returns

HORIZON, LAYERS = 10, 10
SEED = 0


def write_forecast(folder: Path, sessions: int, stocks: int) -> None:
    """Write predictions [T, N], realised returns [T, N], moves of a session [T, N] and prices [T + horizon + 1, N]."""
    rng = np.random.default_rng(SEED)
    predictions = rng.normal(size=(sessions, stocks))
    steps = rng.normal(0.0003, 0.02, (sessions + HORIZON + 1, stocks))
    steps[1 : sessions + 1] += 0.002 * predictions
    prices = np.exp(steps.cumsum(axis=0))
    moves = np.vstack([np.full((1, stocks), np.nan), prices[1:sessions] / prices[: sessions - 1] - 1])
    arrays = {
        "predictions": predictions,
        "returns": label_returns(prices, HORIZON)[:sessions],
        "moves": moves,
        "prices": prices,
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
