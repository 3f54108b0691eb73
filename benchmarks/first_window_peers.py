"""What plain estimators reach in a window: ridge and XGBoost, with and without the weights of wmse.

Run: python benchmarks/first_window_peers.py HOME [WINDOW]   (default window 2011-01-04)

HOME must hold the factor panel of the window's three ranges, as after `attn run --home HOME --windows WINDOW`. Samples
and features are those of the networks, the label is the 10-session one; figures as in the studies' factor tables.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import xgboost

from attn_platform.evaluation.composite_factor import composite_factor_figures
from attn_platform.evaluation.store import Predictions
from attn_platform.factors.panel import PANEL
from attn_platform.models.configuration import LossConfig, MultiTaskBaselineConfig
from attn_platform.models.losses import row_weights
from attn_platform.studies.settings import Home
from attn_platform.training.labels import LabelConfig
from attn_platform.training.samples import Samples
from attn_platform.training.window_training import panel_samples, window_samples
from attn_platform.training.windows import window_of
from attn_platform.workflows.training import model_training

HORIZON = 10
RIDGE_PENALTY = 1000.0
SIXTEEN = (
    "bp_lf", "ep_ttm", "dyr12", "ret_5d", "ret_1m", "exp_wgt_return_3m", "std_1m", "ivr_ff3factor_1m", "turn_1m",
    "std_turn_1m", "bias_turn_1m", "corr_ret_close", "corr_vol_close", "std_vol_10d", "vwap2close", "kmid",
)  # fmt: skip
SHOWN = ("rank_ic_mean", "rank_icir", "weighted_rank_ic_mean", "top_annual_return", "bottom_annual_return")


def weights_of(samples: Samples, loss: str) -> np.ndarray:
    """Weights [R] of the loss, up to a constant in each session."""
    weights = row_weights(samples.labels, samples.offsets, LossConfig(name=loss))[:, 0]
    return weights * np.repeat(np.diff(samples.offsets), np.diff(samples.offsets))


def ridge(train: Samples, test: Samples, columns: list[int], loss: str) -> np.ndarray:
    """Forecasts of a ridge regression with an intercept that is not penalised."""
    X = np.column_stack([train.features()[:, columns].astype(np.float64), np.ones(len(train))])
    weighted = X * weights_of(train, loss)[:, None]
    penalty = np.diag([RIDGE_PENALTY] * len(columns) + [0.0])
    coefficients = np.linalg.solve(weighted.T @ X + penalty, weighted.T @ train.labels[:, 0].astype(np.float64))
    return test.features()[:, columns] @ coefficients[:-1]


def boosted(train: Samples, valid: Samples, test: Samples, loss: str) -> np.ndarray:
    """Forecasts of XGBoost with AI-55's settings."""
    data, check = (
        xgboost.DMatrix(part.features(), part.labels[:, 0], weight=weights_of(part, loss)) for part in (train, valid)
    )
    settings = {"eta": 0.05, "max_depth": 3, "subsample": 0.8, "colsample_bytree": 0.8, "seed": 0}
    trees = xgboost.train(settings, data, 1000, evals=[(check, "valid")], early_stopping_rounds=20, verbose_eval=False)
    return trees.predict(xgboost.DMatrix(test.features()), iteration_range=(0, trees.best_iteration + 1))


def estimators(
    train: Samples, valid: Samples, test: Samples, features: tuple[str, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and forecasts [R] of the test range."""
    every = list(range(len(features)))
    yield "ridge, 16 factors, mse", ridge(train, test, [features.index(name) for name in SIXTEEN], "mse")
    for loss in ("mse", "wmse"):
        yield f"ridge, all factors, {loss}", ridge(train, test, every, loss)
    for loss in ("mse", "wmse"):
        yield f"XGBoost, {loss}", boosted(train, valid, test, loss)


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        print("left out: needs a home with a trained window; see the first lines of this file")
        return
    home = Home.open(Path(sys.argv[1]))
    window = window_of(home.calendar, home.study.windows, sys.argv[2] if len(sys.argv) > 2 else "2011-01-04")
    features = home.study.features
    labels = LabelConfig(horizons=(HORIZON,))
    task = model_training(home, home.study.models[0])
    task = replace(task, panel=PANEL, features=features, network=MultiTaskBaselineConfig(), labels=labels)
    train, valid = window_samples(task, window)
    test = panel_samples(task, window.test_first, window.test_last)
    measured = Predictions(home.lake, home.calendar, PANEL, labels, window.test_first, window.test_last, HORIZON + 1)
    realised, market = measured.returns(HORIZON), measured.market
    print(f"{'':28s}" + "".join(f"{name.removesuffix('_mean'):>22s}" for name in SHOWN))
    for name, forecast in estimators(train, valid, test, features):
        dense = np.full(realised.shape, np.nan)
        row = np.searchsorted(market.sessions, test.sample_sessions())
        dense[row, np.searchsorted(market.symbols, test.symbols)] = forecast
        figures = composite_factor_figures(dense, realised, HORIZON)
        print(f"{name:28s}" + "".join(f"{figures[shown]:22.4f}" for shown in SHOWN), flush=True)


if __name__ == "__main__":
    main()
