"""Trains the studies' models on real data, window by window, and keeps what came out in docs/results/study.

python docs/make_study_results.py HOME [--trials NAME ...] [--windows KEY ...] [--out FOLDER]

HOME holds imported raw tables (`attn import ashare PATH --home HOME`); universes, factors and panels are made where
they are not there yet. A trial is a model with what is changed of its training, and the windows that it is trained on
(`TRIALS`). Whatever is done is kept: checkpoints in the home, a row a trial and window in windows.csv, the correlations
of each tested session in sessions/<trial>.csv, the figures of its weekly portfolios in portfolios.csv where the trial
is to be traded, and every trial that was begun in trials.csv. A run that was stopped, on this machine or another one,
goes on after the last window that the tables have. In the order of `TRIALS`, a trial at a time.

The ridge regressions are what the networks have to beat: fitted in closed form under each loss, on the factors and
10-session labels of `multi_task_baseline`'s training and validation sets, every session of them.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.definitions import build_defs
from attn_platform.errors import PlatformError
from attn_platform.evaluation.composite_factor import composite_factor_figures
from attn_platform.evaluation.correlations import correlation_series
from attn_platform.evaluation.store import Predictions
from attn_platform.market.lake import from_columns
from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import plan, run_stage
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.training.checkpoints import Checkpoint, load_checkpoint
from attn_platform.training.samples import Samples
from attn_platform.training.task import ModelTraining
from attn_platform.training.window_training import panel_samples, train_windows, window_samples, write_predictions
from attn_platform.training.windows import Window, window_of
from attn_platform.workflows import backtest_predictions
from attn_platform.workflows.training import model_training
from attn_platform.writing import write_atomically

FOLDER = Path(__file__).parent / "results" / "study"
HORIZON = 10  # sessions of the return that forecasts are measured against (AI-69 exhibit 10, AI-55 exhibit 20)
ALL = 22
"""Windows from 2011-01-04 to the end of the set on 2022-01-14."""
SPREAD = (0, 4, 8, 12, 16, 20)
"""Six windows over the years: those that begin in 2011, 2013, 2015, 2017, 2019 and 2021."""
WINDOWS, PORTFOLIOS = "windows.csv", "portfolios.csv"
RIDGE = "ridge"
PENALTY = 1e-3
"""Of a ridge regression, a sample: factors have a variance of about 1."""
STRATEGY = "multi_task_baseline_10d"
"""Of AI-69, whose limits and benchmark hold for all trials that are traded."""
FEW = {"sessions_every": 2, "patience": 6}


@dataclass(frozen=True)
class Trial:
    """A model of a study, what is changed of its training, and the windows that it is trained on, by number."""

    model: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 2
    windows: tuple[int, ...] = tuple(range(ALL))
    is_traded: bool = False
    is_ridge: bool = False


def _swept(loss: Mapping[str, Any]) -> Trial:
    return Trial("multi_task_baseline", {**FEW, "loss": loss}, windows=SPREAD, is_traded=True)


def _ridge(loss: Mapping[str, Any]) -> Trial:
    return Trial("multi_task_baseline", {"loss": loss}, seeds=1, is_ridge=True)


TRIALS: Mapping[str, Trial] = {
    # The half-life of AI-69's loss, to be settled by its table
    "half_life_1": _swept({"half_life": 1.0}),
    "half_life_0.5": _swept({"half_life": 0.5}),
    "mse": _swept({"name": "mse"}),
    "half_life_2": _swept({"half_life": 2.0}),
    # What thinning costs and saves, beside half_life_1 (every second session) on the same two windows
    "every_session": Trial("multi_task_baseline", {**FEW, "sessions_every": 1}, windows=(0, 12)),
    "every_fifth_session": Trial("multi_task_baseline", {**FEW, "sessions_every": 5}, windows=(0, 12)),
    # All windows
    "ridge_mse": _ridge({"name": "mse"}),
    "ridge_half_life_1": _ridge({"half_life": 1.0}),
    "ridge_half_life_0.5": _ridge({"half_life": 0.5}),
    "multi_task_baseline": Trial("multi_task_baseline", {"sessions_every": 2}, seeds=5),
    "nn": Trial("nn", FEW),
    # From the weights of the window before, as AI-55 has it, beside `nn` with each window from its own start
    "nn_warm": Trial("nn", {**FEW, "warm_start": True}),
    **{name: Trial(name, FEW) for name in ("gat_residual", "xgboost", "gat_residual_mse")},
    **{name: Trial(name, FEW) for name in ("temporal_transformer", "inter_task_attention", "gat_mask", "gat_global")},
    **{name: Trial(name, FEW) for name in ("gat_residual_industry", "lstm", "inter_stock_attention", "alstm")},
    **{name: Trial(name, FEW) for name in ("gat_residual_hidden32", "gat_residual_hidden16", "nn_neutralize_industry")},
}


def main() -> None:
    """Make what is missing, a window at a time."""
    arguments = _arguments()
    home = study_home(arguments.home)
    keys = partitions_of(home).windows.get_partition_keys()[:ALL]
    prepare(home, keys)
    for name in arguments.trials:
        trial, model = TRIALS[name], model_of(home, name)
        for key in (keys[number] for number in trial.windows):
            if arguments.windows and key not in arguments.windows:
                continue
            is_traded = not trial.is_traded or _is_done(arguments.out / PORTFOLIOS, name, key)
            if not (is_traded and _is_done(arguments.out / WINDOWS, name, key)):
                log_trial(arguments.out, name, model)
                run_window(home, arguments.out, name, model, key)
            if not is_traded:  # by the forecasts in this home's lake
                trade_window(home, arguments.out, name, model, key)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--trials", nargs="+", choices=list(TRIALS), default=list(TRIALS), metavar="NAME")
    parser.add_argument("--windows", nargs="+", metavar="KEY", help="first test sessions; default: the trial's")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def study_home(root: Path) -> Home:
    """The home with the models of both studies, each with its own half-life."""
    saved = Home.open(root)
    models = [*load_study("ai69").models, *load_study("ai55").models]
    changes = {**saved.settings.changes, "models": [model.model_dump(mode="json") for model in models]}
    return Home(root, saved.settings.model_copy(update={"study": "ai55", "models": (), "changes": changes}))


def prepare(home: Home, keys: Sequence[str]) -> None:
    """Universes, adjacency, factors and panels of all windows, where they are not there yet."""
    last = min(window_of(home.calendar, home.study.longest_windows, keys[-1]).test_last, home.last_session)
    panels = [panel.table for panel in home.study.panels]
    if all(last in home.lake.sessions(table) for table in panels):
        return
    definitions, instance = build_defs(home), open_instance(home)
    for stage in plan(home, partitions_of(home), keys):
        run_stage(definitions, instance, stage)
        if panels[0] in stage.assets:
            return


def model_of(home: Home, name: str) -> ModelConfig:
    """The trial's model, under the name of the trial as far as a model may have it."""
    trial = TRIALS[name]
    model = home.study.model(trial.model)
    changed = {**model.model_dump(), "name": name.replace(".", "_"), "seeds": tuple(range(trial.seeds))}
    # One window at a time, from its own start unless the trial is another one: that is what the rows say. Seeds in
    # turns, as the machine may be busy.
    own = {"windows_together": 1, "warm_start": False, "stacking": "off"}
    changed["training"] = {**changed["training"], **own, **trial.changes}
    return ModelConfig.model_validate(changed)


def run_window(home: Home, out: Path, name: str, model: ModelConfig, key: str) -> None:
    """Train, forecast and measure one window, and add its row."""
    task = model_training(home, model)
    window = window_of(home.calendar, task.windows, key)
    tested = tested_sessions(home, window)
    started = time.perf_counter()
    trained: dict[str, Any] = {}
    if TRIALS[name].is_ridge:
        write_ridge_forecasts(task, window, tested, prediction_table(model.name))
    else:
        trained = how_trained(_checkpoint(task, window))
        write_predictions(task, tested, prediction_table(model.name))
    seconds = time.perf_counter() - started
    figures, sessions = measured(home, model, tested)
    add_rows(out / "sessions" / f"{name}.csv", sessions, ["date"])
    row = {**row_of(name, model, key), **trained, "machine": machine(), "commit": commit()}
    row |= {"seconds": round(seconds, 1), "sessions": len(sessions), **figures}
    add_rows(out / WINDOWS, pd.DataFrame([row]), ["trial", "window"])


def tested_sessions(home: Home, window: Window) -> np.ndarray:
    """The window's test range, as far as the data reach."""
    return home.calendar.between(window.test_first, min(window.test_last, home.last_session))


def _checkpoint(task: ModelTraining, window: Window) -> Checkpoint:
    """The window's checkpoint, trained where it is not there yet."""
    if (task.directory / window.key).exists():
        return load_checkpoint(task.directory / window.key)
    [trained] = train_windows(task, [window]).values()
    if isinstance(trained, PlatformError):
        raise trained
    return trained


def write_ridge_forecasts(task: ModelTraining, window: Window, tested: np.ndarray, table: str) -> None:
    """Fit the ridge regression on the window's training and validation samples, and forecast the tested sessions."""
    coefficients = ridge_coefficients(window_samples(task, window), task.training.loss)
    samples = panel_samples(task, tested[0], tested[-1])
    forecasts = with_constant(samples.features()) @ coefficients
    frame = {"date": samples.sample_sessions(), "symbol": samples.symbols, f"{HORIZON}d": forecasts}
    task.lake.write_sessions(table, from_columns(frame), tested)


def ridge_coefficients(sets: Iterable[Samples], loss: LossConfig) -> np.ndarray:
    """β [F + 1] of least Σ w (y − Xβ)² + λ Σ β_f².

    X are the factors and a constant, which is not penalised; y the labels of the first horizon; w the loss's weights
    times the session's number of stocks, λ is `PENALTY` times their sum.
    """
    products: Any = 0.0
    for samples in sets:
        weights = row_weights(samples.labels[:, :1], samples.offsets, loss)
        for first, last in pairwise(samples.offsets.tolist()):
            X = with_constant(samples.features(slice(first, last)))
            weighted = (last - first) * weights[first:last] * X
            products = products + weighted.T @ np.column_stack([X, samples.labels[first:last, 0]])
    count = products[-1, -2]  # the constant's square: the sum of all weights
    penalty = np.diag([PENALTY * count] * (len(products) - 1) + [0.0])
    coefficients: np.ndarray = np.linalg.solve(products[:, :-1] + penalty, products[:, -1])
    return coefficients


def with_constant(features: np.ndarray) -> np.ndarray:
    """[R, F] → [R, F + 1] float64, the last column ones."""
    return np.column_stack([features.astype(np.float64), np.ones(len(features))])


def trade_window(home: Home, out: Path, name: str, model: ModelConfig, key: str) -> None:
    """Weekly portfolios of the window's forecasts under AI-69's limits, and a row of their figures."""
    tested = tested_sessions(home, window_of(home.calendar, model_training(home, model).windows, key))
    columns = ["date", "symbol", f"{HORIZON}d"]
    forecasts = home.lake.read(prediction_table(model.name), tested[0], tested[-1], columns).to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecasts.parquet"
        forecasts.rename(columns={columns[-1]: "prediction"}).to_parquet(path)
        own = f"{model.name}_{key}".replace("-", "_")
        done = backtest_predictions(home, path, STRATEGY, own, last=tested[-1])
    figures = {figure: round(value, 5) for figure, value in done.figures.items()}
    row = {"trial": name, "window": key, "strategy": STRATEGY, "weeks": done.weeks, "relaxed_weeks": done.relaxed_weeks}
    missing = " ".join(sorted(done.missing_styles))
    add_rows(out / PORTFOLIOS, pd.DataFrame([{**row, "missing_styles": missing, **figures}]), ["trial", "window"])


def measured(home: Home, model: ModelConfig, tested: np.ndarray) -> tuple[dict[str, float], pd.DataFrame]:
    """Figures of the window, and the correlations of each session; of the mean forecast, where there are several."""
    last = tested[-1]
    seen = Predictions(
        home.lake, home.calendar, prediction_table(model.name), model.labels, tested[0], last, HORIZON + 1
    )
    horizon = f"{HORIZON}d" if HORIZON in model.labels.horizons else model.tasks[0]
    forecasts, realised = seen.dense(horizon), seen.returns(HORIZON)
    figures = composite_factor_figures(forecasts, realised, HORIZON)
    series = pd.DataFrame(correlation_series(forecasts, realised))
    series.insert(0, "date", seen.market.sessions)
    series = series[(series["date"] <= pd.Timestamp(last)) & series["rank_ic"].notna()].round(6)
    names = ("rank_ic_mean", "weighted_rank_ic_mean", "ic_mean", "weighted_ic_mean")
    shown = {name.removesuffix("_mean"): round(figures[name], 5) for name in names}
    shown |= {name: round(figures[name], 4) for name in ("top_annual_return", "bottom_annual_return")}
    return shown, series


def row_of(name: str, model: ModelConfig, key: str) -> dict[str, Any]:
    """How the window was to be trained."""
    training, is_ridge = model.training, TRIALS[name].is_ridge
    return {
        "trial": name,
        "model": RIDGE if is_ridge else TRIALS[name].model,
        "window": key,
        "seeds": "" if is_ridge else len(model.seeds),
        "patience": "" if is_ridge else getattr(model.network, "patience", training.patience),
        "sessions_every": training.sessions_every,
        "loss": training.loss.name,
        "half_life": training.loss.half_life if training.loss.name == "wmse" else "",
    }


def how_trained(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the checkpoint says of its training."""
    manifest = checkpoint.manifest
    return {
        "best_epochs": " ".join(str(history.best_epoch) for history in manifest.histories),
        "training_seconds": round(manifest.seconds, 1),
        "precision": manifest.precision,
        "started_from": manifest.warm_started_from or "",
    }


def log_trial(out: Path, name: str, model: ModelConfig) -> None:
    """The trial's line in trials.csv, before anything of it is known."""
    line = {
        "trial": name,
        "model": TRIALS[name].model,
        "begun": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "commit": commit(),
        "windows": len(TRIALS[name].windows),
        "training": model.training.model_dump_json(),
        "seeds": len(model.seeds),
    }
    path = out / "trials.csv"
    if not path.exists() or name not in pd.read_csv(path)["trial"].to_numpy():
        add_rows(path, pd.DataFrame([line]), ["trial"])


def _is_done(path: Path, name: str, key: str) -> bool:
    if not path.exists():
        return False
    held = pd.read_csv(path, dtype=str)
    return bool(((held["trial"] == name) & (held["window"] == key)).any())


def add_rows(path: Path, rows: pd.DataFrame, key: list[str]) -> None:
    """Rows added to a file, in place of those of the same key; as text, so that what is there stays as it is."""
    text = pd.read_csv(StringIO(rows.to_csv(index=False)), dtype=str, keep_default_na=False)
    held = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else text.iloc[:0]
    joined = pd.concat([held, text], ignore_index=True).drop_duplicates(key, keep="last")
    write_atomically(path, joined.fillna("").sort_values(key, kind="stable").to_csv(index=False, lineterminator="\n"))


def machine() -> str:
    """Processor and cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    kind = "AVX-512 bf16" if "avx512_bf16" in flags else "AVX-512" if "avx512f" in flags else "no AVX-512"
    return f"{names[0] if names else platform.processor()}, {len(names) or 1} cores, {kind}"


def commit() -> str:
    """The commit that this file lies in."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
