"""Trains every network on simulated markets with and without the signal it is there for.

python docs/make_model_results.py HOMES [--markets NAME ...] [--models NAME ...] [--tables]

HOMES gets a home a market, all of the same seed and stocks, with one planted signal each (`MARKETS`). What has been
made is kept: a run that was stopped goes on where it was. In the end it prints the tables of
docs/results/simulated-models.md for what there is; --tables prints them and makes nothing. All of it takes some two
hours on one core.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from attn_platform.definitions import build_defs
from attn_platform.errors import PlatformError
from attn_platform.evaluation.correlations import correlation_series
from attn_platform.evaluation.inference import t_value
from attn_platform.evaluation.store import Predictions
from attn_platform.market.simulation import SimulatedMarket
from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import plan, run_stage
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home, Settings
from attn_platform.training.labels import LabelConfig
from attn_platform.training.samples import Samples
from attn_platform.training.window_training import panel_samples, train_windows, window_samples, write_predictions
from attn_platform.training.windows import Window, window_of
from attn_platform.workflows.training import model_training

OFF, INTERACTION, SECTOR, PATH = "linear", "interaction", "sector", "path"
# Strengths of the planted signals in basis points a session for one standard deviation: the linear one is everywhere,
# at the preset's strength; the others stand alone, at two and a half or three times theirs, so that a year shows them.
MARKETS: Mapping[str, Mapping[str, float]] = {
    OFF: {"linear": 6.0, "interaction": 0.0, "sector": 0.0, "path": 0.0},
    INTERACTION: {"linear": 6.0, "interaction": 12.5, "sector": 0.0, "path": 0.0},
    SECTOR: {"linear": 6.0, "interaction": 0.0, "sector": 13.5, "path": 0.0},
    PATH: {"linear": 6.0, "interaction": 0.0, "sector": 0.0, "path": 25.0},
}
FIRST_SESSION, LAST_SESSION = "2001-07-02", "2012-02-10"
STOCKS, LISTINGS_A_YEAR = 320, 4.0
TOP_SHARE = 0.9  # of both rankings of the universe: the small market would be halved by the studies' 0.6
WINDOWS = ("2011-01-04", "2011-07-12")
HORIZON = 10
OVERLAP = HORIZON - 1  # neighbouring sessions' returns share so many sessions: the lag of Newey and West

# How the models are trained where it is not the study's way: fewer seeds, faster learning and an early end, so that
# every model can be trained within minutes. No window starts warm, so that both are trained side by side.
COMMON: Mapping[str, Any] = {"warm_start": False, "windows_together": len(WINDOWS), "threads": 1}
CROSS_SECTION: Mapping[str, Any] = {"learning_rate": 1e-3, "max_epochs": 5, "patience": 2}
MULTI_TASK: Mapping[str, Any] = {"learning_rate": 5e-4, "max_epochs": 5, "patience": 2}
INTER_STOCK: Mapping[str, Any] = {"learning_rate": 1e-3, "max_epochs": 12, "patience": 3}
TIME_SERIES: Mapping[str, Any] = {"learning_rate": 3e-4, "max_epochs": 3, "patience": 2}


@dataclass(frozen=True)
class Plan:
    """How a model is trained, the signal that it is there for, and the other markets that it is trained on."""

    own: str
    training: Mapping[str, Any]
    seeds: int = 2
    others: tuple[str, ...] = ()

    @property
    def markets(self) -> tuple[str, ...]:
        """Where it is trained."""
        return (OFF, self.own, *self.others)


PLANS: Mapping[str, Plan] = {
    "multi_task_baseline": Plan(INTERACTION, MULTI_TASK, others=(SECTOR, PATH)),
    "inter_task_attention": Plan(INTERACTION, MULTI_TASK),
    "inter_stock_attention": Plan(INTERACTION, INTER_STOCK),
    "lstm": Plan(PATH, TIME_SERIES),
    "alstm": Plan(PATH, TIME_SERIES),
    "temporal_transformer": Plan(PATH, TIME_SERIES),
    "gat_residual": Plan(SECTOR, CROSS_SECTION),
    "gat_mask": Plan(SECTOR, CROSS_SECTION),
    "gat_global": Plan(SECTOR, CROSS_SECTION),
    "nn": Plan(SECTOR, CROSS_SECTION, others=(INTERACTION, PATH)),
    "gat_residual_industry": Plan(SECTOR, CROSS_SECTION),
    "gat_residual_mse": Plan(SECTOR, CROSS_SECTION),
    "gat_residual_hidden32": Plan(SECTOR, CROSS_SECTION),
    "gat_residual_hidden16": Plan(SECTOR, CROSS_SECTION),
    "nn_neutralize_industry": Plan(SECTOR, CROSS_SECTION),
    "xgboost": Plan(INTERACTION, {}, others=(SECTOR, PATH)),
    "xgboost_network_factors": Plan(INTERACTION, {}),
}

NONLINEAR = (
    *("multi_task_baseline", "inter_task_attention", "inter_stock_attention", "nn"),
    *("xgboost", "xgboost_network_factors"),
)
# Differences worth a look: the first model less the second, on these markets.
COMPARISONS = (
    *((name, "ridge", (OFF, INTERACTION)) for name in NONLINEAR),
    *((name, "nn", (OFF, SECTOR)) for name in ("gat_residual", "gat_mask", "gat_global", "gat_residual_industry")),
    *((name, "gat_residual", (SECTOR,)) for name in ("gat_residual_hidden32", "gat_residual_hidden16")),
    ("nn_neutralize_industry", "nn", (OFF, SECTOR)),
    *((name, "multi_task_baseline", (OFF, PATH)) for name in ("lstm", "alstm", "temporal_transformer")),
    ("gat_residual", "gat_residual_mse", (OFF, SECTOR)),
    ("ridge", "ridge, mse", tuple(MARKETS)),
)
FIGURES: Mapping[str, str] = {"rank_ic": "RankIC", "weighted_rank_ic": "weighted RankIC"}
RIDGE_PENALTY = 1000.0
Loss = Literal["wmse", "mse"]
Regressors = Callable[[Samples, slice], np.ndarray]
"""Regressors of the samples of a session, which are those rows."""


def main() -> None:
    """Make what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homes", type=Path)
    parser.add_argument("--markets", nargs="+", choices=MARKETS, default=list(MARKETS), metavar="NAME")
    parser.add_argument("--models", nargs="+", choices=PLANS, default=list(PLANS), metavar="NAME")
    parser.add_argument("--tables", action="store_true", help="make nothing, print the tables of what there is")
    arguments = parser.parse_args()
    if not arguments.tables:
        for market in arguments.markets:
            home = make_home(arguments.homes / market, market)
            for name in arguments.models:
                if market in PLANS[name].markets:
                    train_and_predict(home, home.study.model(name))
    print_tables({market: Market(Home.open(arguments.homes / market)) for market in arguments.markets})


def make_home(root: Path, market: str) -> Home:
    """The market's home with raw tables, universe, adjacency, factors and panels; made where it is not there yet."""
    home = Home(root, settings(market))
    windows = [window_of(home.calendar, home.study.longest_windows, key) for key in WINDOWS]
    panels = [panel.table for panel in home.study.panels]
    if all(windows[-1].test_last in home.lake.sessions(table) for table in panels):
        return home
    home.save()
    definitions, partitions, instance = build_defs(home), partitions_of(home), open_instance(home)
    for stage in plan(home, partitions, WINDOWS):
        run_stage(definitions, instance, stage)
        if panels[0] in stage.assets:
            break
    return home


def settings(market: str) -> Settings:
    """Settings of a home with the models of both studies."""
    ai69, ai55 = load_study("ai69"), load_study("ai55")
    # XGBoost on what the networks read, which unlike its own factors of the study is not net of industry and size
    same_factors = {"name": "xgboost_network_factors", "features": None, "preprocessing": None}
    models = [*ai69.models, *ai55.models, ai55.model("xgboost").model_copy(update=same_factors)]
    return Settings.model_validate(
        {
            "profile": "study",
            "study": "ai55",
            "source": {
                "kind": "simulated",
                "description": f"simulated market, planted signals {MARKETS[market]}",
                "simulation": {
                    "preset": "study",
                    "start": FIRST_SESSION,
                    "initial_stocks": STOCKS,
                    "events": {"listings_per_year": LISTINGS_A_YEAR},
                    "signals": dict(MARKETS[market]),
                },
            },
            "first_session": FIRST_SESSION,
            "last_session": LAST_SESSION,
            "changes": {"universe": {"top_share": TOP_SHARE}, "models": [_planned(model) for model in models]},
        }
    )


def _planned(model: ModelConfig) -> dict[str, Any]:
    """The study's model, trained as `PLANS` has it."""
    planned = PLANS[model.name]
    # One half-life for all, so that models of both studies and the ridge regressions have the same loss
    loss = model.training.loss.model_copy(update={"half_life": LossConfig().half_life})
    training = model.training.model_copy(update={"loss": loss, **COMMON, **planned.training})
    changed = model.model_copy(update={"training": training, "seeds": tuple(range(planned.seeds))})
    return changed.model_dump(mode="json")


def train_and_predict(home: Home, model: ModelConfig) -> None:
    """Checkpoints and predictions of both windows, as far as they are not there yet."""
    task = model_training(home, model)
    windows = [window_of(home.calendar, task.windows, key) for key in WINDOWS]
    missing = [window for window in windows if not (task.directory / window.key).exists()]
    for outcome in train_windows(task, missing).values() if missing else ():
        if isinstance(outcome, PlatformError):
            raise outcome
    tested = home.calendar.between(windows[0].test_first, windows[-1].test_last)
    if missing or len(np.setdiff1d(tested, home.lake.sessions(prediction_table(model.name)))):
        write_predictions(task, tested, prediction_table(model.name))


class Market:
    """What came out on one market: correlations of each session of the two test ranges, by model."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._found: dict[str, dict[str, np.ndarray]] = {}

    def series(self, model: str) -> dict[str, np.ndarray] | None:
        """rank_ic and weighted_rank_ic [T] of a model's 10-session forecast, or of one of `YARDSTICKS`."""
        if model not in self._found:
            forecasts = YARDSTICKS[model](self) if model in YARDSTICKS else self._predictions(model)
            if forecasts is None:
                return None
            series = correlation_series(forecasts[: len(self.sessions)], self.realised[: len(self.sessions)])
            self._found[model] = {figure: series[figure] for figure in FIGURES}
        return self._found[model]

    @cached_property
    def windows(self) -> list[Window]:
        """The windows of the study's networks."""
        return [window_of(self.home.calendar, self.home.study.windows, key) for key in WINDOWS]

    @property
    def first_range(self) -> int:
        """Sessions of the first test range."""
        return int(np.searchsorted(self.sessions, self.windows[0].test_last, side="right"))

    @cached_property
    def sessions(self) -> np.ndarray:
        """Sessions of both test ranges."""
        return self.home.calendar.between(self.windows[0].test_first, self.windows[-1].test_last)

    def evaluated(self, table: str) -> Predictions:
        """A table of predictions beside the returns from close to close."""
        home = self.home
        return Predictions(
            home.lake, home.calendar, table, LabelConfig(), self.sessions[0], self.sessions[-1], HORIZON + 1
        )

    @cached_property
    def realised(self) -> np.ndarray:
        """[T, N] returns over ten sessions, of all models the same: from close to close."""
        return self.evaluated("").returns(HORIZON)

    def dense(self, samples: Samples, forecasts: np.ndarray) -> np.ndarray:
        """Forecasts [R] of samples as [T, N]."""
        market = self.evaluated("").market
        out = np.full(market.shape, np.nan)
        row = np.searchsorted(market.sessions, samples.sample_sessions())
        out[row, np.searchsorted(market.symbols, samples.symbols)] = forecasts
        return out

    @cached_property
    def inside(self) -> np.ndarray:
        """[T, N] bool: who is in the cross-section."""
        task = model_training(self.home, self.home.study.model("multi_task_baseline"))
        samples = panel_samples(task, self.sessions[0], self.sessions[-1])
        return np.isfinite(self.dense(samples, np.zeros(len(samples))))

    def _predictions(self, model: str) -> np.ndarray | None:
        held = self.home.lake.sessions(prediction_table(model))
        if len(np.setdiff1d(self.sessions, held)):
            return None
        return self.evaluated(prediction_table(model)).dense(f"{HORIZON}d")


def planted(market: Market) -> np.ndarray:
    """[T, N] the best forecast of the planted signals, which no model is shown: what can be had at all."""
    home, priced = market.home, market.evaluated("").market
    simulation = home.settings.source.simulation
    assert simulation is not None
    simulated = SimulatedMarket(simulation, home.calendar.between(home.first_session, home.last_session))
    row = np.searchsorted(simulated.sessions, priced.sessions)
    column = np.searchsorted(simulated.symbols, priced.symbols)
    forecasts = simulated.signals()["composite"][np.ix_(row, column)]
    return np.where(market.inside, forecasts, np.nan)


def ridge(market: Market, model: str, regressors: Regressors, loss: Loss = "wmse") -> np.ndarray:
    """[T, N] forecasts of a ridge regression under the networks' loss on a model's training and validation samples."""
    task = model_training(market.home, market.home.study.model(model))
    forecasts = []
    for window in market.windows:
        products: Any = 0.0
        for samples in window_samples(task, window):
            weights = row_weights(samples.labels[:, :1], samples.offsets, LossConfig(name=loss))
            for rows in _sessions(samples):
                X = _with_constant(regressors(samples, rows))
                weighted = len(X) * weights[rows] * X
                products = products + weighted.T @ np.column_stack([X, samples.labels[rows, 0]])
        penalty = np.diag([RIDGE_PENALTY] * (len(products) - 1) + [0.0])
        coefficients = np.linalg.solve(products[:, :-1] + penalty, products[:, -1])
        tested = panel_samples(task, window.test_first, window.test_last)
        by_session = [_with_constant(regressors(tested, rows)) @ coefficients for rows in _sessions(tested)]
        forecasts.append(market.dense(tested, np.concatenate(by_session)))
    return np.where(np.isfinite(forecasts[0]), *forecasts)


def factors(samples: Samples, rows: slice) -> np.ndarray:
    """All factors of a session's samples, of all their steps."""
    return samples.features(rows).reshape(rows.stop - rows.start, -1)


def factors_and_sector_means(samples: Samples, rows: slice) -> np.ndarray:
    """All factors, and their means over the stock's sector."""
    assert samples.groups is not None
    values, (_, group) = factors(samples, rows), np.unique(samples.groups[rows], return_inverse=True)
    members = np.eye(group.max() + 1)[group]
    return np.column_stack([values, (members @ (members.T @ values / members.sum(axis=0)[:, np.newaxis]))])


def _sessions(samples: Samples) -> Iterator[slice]:
    return (slice(first, stop) for first, stop in pairwise(samples.offsets.tolist()))


def _with_constant(values: np.ndarray) -> np.ndarray:
    return np.column_stack([values, np.ones(len(values))]).astype(np.float64)


YARDSTICKS: Mapping[str, Callable[[Market], np.ndarray]] = {
    "planted signals": planted,
    "ridge": partial(ridge, model="multi_task_baseline", regressors=factors),
    "ridge, mse": partial(ridge, model="multi_task_baseline", regressors=factors, loss="mse"),
    "ridge with sector means": partial(ridge, model="gat_mask", regressors=factors_and_sector_means),
    "ridge on 21 sessions": partial(ridge, model="lstm", regressors=factors),
}


def print_tables(markets: Mapping[str, Market]) -> None:
    """What the own signal brings each model, models beside each other, and all figures."""
    print_gains(markets)
    print()
    print_comparisons(markets)
    print()
    print_levels(markets)


def print_gains(markets: Mapping[str, Market]) -> None:
    """A row a model: correlations without and with its signal, and the gain, also by window."""
    print(
        "| model | signal | " + " | ".join(f"{name}: off | on | gain | by window" for name in FIGURES.values()) + " |"
    )
    print("|---|---|" + "---|" * (4 * len(FIGURES)))
    for name, planned in PLANS.items():
        if OFF not in markets or planned.own not in markets:
            continue
        off, on = markets[OFF].series(name), markets[planned.own].series(name)
        if off is None or on is None:
            continue
        cells = []
        for figure in FIGURES:
            gain = on[figure] - off[figure]
            by_window = [gain[: markets[OFF].first_range], gain[markets[OFF].first_range :]]
            cells += [_percent(np.nanmean(series[figure])) for series in (off, on)]
            cells += [_with_error(gain), ", ".join(_percent(np.nanmean(part)) for part in by_window)]
        print(f"| {name} | {planned.own} | {' | '.join(cells)} |")


def print_comparisons(markets: Mapping[str, Market]) -> None:
    """Differences of two models on the same sessions of one market."""
    print("| market | model | less | " + " | ".join(f"{name}, t" for name in FIGURES.values()) + " |")
    print("|---|---|---|" + "---|" * len(FIGURES))
    for name, against, where in COMPARISONS:
        for market in (key for key in where if key in markets):
            ours, theirs = markets[market].series(name), markets[market].series(against)
            if ours is None or theirs is None:
                continue
            differences = [ours[figure] - theirs[figure] for figure in FIGURES]
            cells = [f"{_with_error(each)}, {t_value(each, OVERLAP):.1f}" for each in differences]
            print(f"| {market} | {name} | {against} | {' | '.join(cells)} |")


def print_levels(markets: Mapping[str, Market]) -> None:
    """RankIC / weighted RankIC of everything on every market."""
    print(f"| | {' | '.join(markets)} |")
    print("|---|" + "---|" * len(markets))
    for name in (*YARDSTICKS, *PLANS):
        found = [market.series(name) for market in markets.values()]
        cells = ["" if each is None else " / ".join(_with_error(each[figure]) for figure in FIGURES) for each in found]
        print(f"| {name} | {' | '.join(cells)} |")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _with_error(series: np.ndarray) -> str:
    """Mean ± standard error of Newey and West, in percent."""
    mean = float(np.nanmean(series))
    return f"{_percent(mean)} ± {_percent(abs(mean / t_value(series, OVERLAP)))}"


if __name__ == "__main__":
    main()
