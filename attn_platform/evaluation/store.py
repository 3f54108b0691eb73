"""Evaluation of a model's predictions in the lake, by horizon (AI-69 exhibits 10 and 22, AI-55 exhibit 20).

Tables: `evaluation_<model>` (composite-factor figures, one row a horizon), `evaluation_<model>_sessions` (the
correlations of every session) and `evaluation_<model>_layers` (the layers' net values relative to the universe, the
universe's own, and whether the session has a return); on a simulated market `evaluation_<model>_planted` (`planted`).
Beside them lie what else the figures are means of (`evaluation_<model>_earned`) and the origins of the sessions
(`…_origins`, `market.session_origins`): a new week is added to the sessions whose origins are as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.composite_factor import SessionFigures, composite_factor_series, summary
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import CORRELATIONS
from attn_platform.evaluation.layers import LayerNetValues, Layers, layer_net_values, layers_of
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, columns_of, dense_array, load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.market.session_origins import (
    kept_sessions,
    leaving_stocks,
    row_hashes,
    session_origins,
    write_origins,
)
from attn_platform.training.labels import LabelConfig, label_prices, label_returns
from attn_platform.training.task import PRICE_FIELDS

UNIVERSE, IS_EARNING, HAS_LAYERS = "universe", "is_earning", "has_layers"  # columns beside those of the layers
PRECISIONS = ("top_precision", "bottom_precision")


def figures_table(model: str) -> str:
    """Table of a model's composite-factor figures."""
    return f"evaluation_{model}"


def sessions_table(model: str) -> str:
    """Table of a model's correlations by session."""
    return f"evaluation_{model}_sessions"


def layers_table(model: str) -> str:
    """Table of the net values of a model's layers by session, relative to the equally weighted universe."""
    return f"evaluation_{model}_layers"


def earned_table(model: str) -> str:
    """Table of the returns of a model's layers by session, their precision, and whether the session has layers."""
    return f"evaluation_{model}_earned"


def evaluation_origins_table(model: str) -> str:
    """Table of the origins of a model's evaluation by session."""
    return f"evaluation_{model}_origins"


def layer_column(place: int) -> str:
    """Column of a layer: `place` 0 is the top."""
    return f"layer_{place + 1}"


def planted_table(model: str) -> str:
    """Table of what the signals of a simulated market foretell, on the stocks and sessions of a model's forecasts."""
    return f"evaluation_{model}_planted"


def attribution_table(strategy: str) -> str:
    """Table and asset of the attribution of the excess return of a strategy or a mix."""
    return f"attribution_{strategy}"


def exposures_table(strategy: str) -> str:
    """Table of the active exposures of what a strategy or a mix held on each session."""
    return f"exposures_{strategy}"


def contributors_table(strategy: str) -> str:
    """Table of what moved the weeks of a strategy."""
    return f"contributors_{strategy}"


def robustness_tables(strategy: str) -> tuple[str, str]:
    """Tables of a strategy's robustness: figures of each seed of its model, and the capacity of each trade."""
    return f"robustness_{strategy}_seeds", f"robustness_{strategy}_trades"


@dataclass(frozen=True)
class Predictions:
    """A model's predictions over a range of sessions, dense, beside the market that they are measured on."""

    lake: Lake
    calendar: Calendar
    table: str
    labels: LabelConfig
    first: np.datetime64
    last: np.datetime64
    reach: int
    """Sessions after `last` that realised returns may read."""

    @cached_property
    def market(self) -> DenseMarket:
        """Prices from `first` to `reach` sessions after `last`, as far as the lake has them."""
        end = min(self.calendar.position(self.last) + self.reach, len(self.calendar.sessions) - 1)
        held = self.lake.sessions("daily_bar")
        return load_dense(
            self.lake, self.calendar, self.first, min(self.calendar.sessions[end], held[-1]), PRICE_FIELDS
        )

    @cached_property
    def prices(self) -> np.ndarray:
        """[T, N] adjusted prices of the label's convention."""
        return label_prices(self.market, self.labels)

    def dense(self, horizon: str) -> np.ndarray:
        """[T, N] predictions of one horizon, read once; NaN outside the cross-section and after `last`."""
        if horizon not in self._read:
            self._read[horizon] = self.aligned(self.table, horizon)
        return self._read[horizon]

    @cached_property
    def _read(self) -> dict[str, np.ndarray]:
        return {}

    def aligned(self, table: str, field: str) -> np.ndarray:
        """[T, N] a column of any table with dates and symbols; NaN where it has no row, and after `last`."""
        data = self.lake.read(table, self.first, self.last, ["date", "symbol", field])
        dates = days(data["date"])
        row = np.searchsorted(self.market.sessions, dates)
        column = columns_of(data["symbol"], self.market.symbols)
        values = data[field].cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)
        inside = (column >= 0) & (dates >= self.first) & (dates <= self.last)
        return dense_array(values, row, column, inside, self.market.shape)

    def returns(self, horizon: int) -> np.ndarray:
        """[T, N] realised returns over `horizon` sessions from the session after; NaN where not yet known."""
        return label_returns(self.prices, horizon)

    def layers(self, horizon: str, config: EvaluationConfig) -> LayerNetValues:
        """Daily net values of the layers."""
        return self.net_values(layers_of(self.dense(horizon), config.layers), config)

    def net_values(self, layers: Layers, config: EvaluationConfig) -> LayerNetValues:
        """Daily net values of layers [T, N] that are known already."""
        with np.errstate(invalid="ignore"):
            carried = self.market["close"] * self.market["adj_factor"]
            moves = np.vstack([np.full((1, carried.shape[1]), np.nan), carried[1:] / carried[:-1] - 1.0])
        return layer_net_values(layers, moves, config)


def predicted_range(lake: Lake, table: str) -> tuple[np.datetime64, np.datetime64]:
    """First and last predicted session; `MissingDataError` where there is none."""
    held = lake.sessions(table)
    if not len(held):
        raise MissingDataError(f"the lake has no '{table}'; materialise the predictions first")
    return held[0], held[-1]


def write_evaluation(
    lake: Lake,
    predictions: Predictions,
    model: str,
    horizons: Sequence[str],
    evaluation_horizon: int,
    config: EvaluationConfig,
) -> pd.DataFrame:
    """Evaluate each horizon against the realised `evaluation_horizon`-session return; returns the figures.

    Rows of sessions whose origins are as they were stay, and what follows is computed from the last layers before that
    are held in it: the same as at once, but for rounding of the net values.
    """
    sessions = predictions.calendar.between(predictions.first, predictions.last)
    origins = _origins(lake, predictions, sessions, (*horizons, str(evaluation_horizon), config.model_dump_json()))
    tables = (sessions_table(model), layers_table(model), earned_table(model))
    kept = 0
    if all(map(lake.has, (figures_table(model), *tables))):
        kept = kept_sessions(lake, evaluation_origins_table(model), sessions, origins)
    if kept == len(sessions):
        return lake.read(figures_table(model)).to_pandas()
    stored = [_dated(lake, table) for table in tables] if kept else []
    figures, found = [], []
    for horizon in horizons:
        before = [frame[frame["horizon"] == horizon] for frame in stored]
        rows = _evaluated(predictions, horizon, evaluation_horizon, config, before, sessions[:kept])
        figures.append({"horizon": horizon, **summary(_figures(*rows, config), evaluation_horizon, config)})
        found.append(rows)
    write_origins(lake, evaluation_origins_table(model), sessions[:0], [])  # of what is half written there are none
    for name, frames in zip(tables, zip(*found, strict=True), strict=True):
        rows_of_all = pd.concat(frames, ignore_index=True)
        dated = rows_of_all.assign(date=rows_of_all["date"].dt.date)
        lake.write(name, pa.Table.from_pandas(dated, preserve_index=False))
    table = pd.DataFrame(figures)
    lake.write(figures_table(model), pa.Table.from_pandas(table, preserve_index=False))
    write_origins(lake, evaluation_origins_table(model), sessions, origins)
    return table


def _origins(lake: Lake, predictions: Predictions, sessions: np.ndarray, configurations: Sequence[str]) -> list[str]:
    """[T] what the rows of each session were made from: its forecasts, and bars up to those of its realised return."""
    calendar, reach = predictions.calendar, predictions.reach
    end = min(calendar.position(sessions[-1]) + reach, len(calendar.sessions) - 1)
    bars = calendar.between(sessions[0], calendar.sessions[end])
    of_bars = [lake.versions("daily_bar", bars), row_hashes(leaving_stocks(lake), "delist_date", bars)]
    of_bars = [[*texts, *[""] * (len(sessions) + reach - len(texts))] for texts in of_bars]
    ahead = [texts[reach:] for texts in of_bars]
    own = (predictions.table, predictions.labels.model_dump_json(), *configurations)
    first = [text for texts in of_bars for text in texts[:reach]]
    return session_origins(sessions, (*own, *first), [lake.versions(predictions.table, sessions), *ahead])


def _evaluated(
    predictions: Predictions,
    horizon: str,
    evaluation_horizon: int,
    config: EvaluationConfig,
    before: Sequence[pd.DataFrame],
    kept: np.ndarray,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows of correlations, layers and what these earned: those stored `before` of the sessions `kept`, and more."""
    start = _held_since(before[2], len(kept), config) if len(kept) else None
    part = predictions if start is None else replace(predictions, first=start)
    series = composite_factor_series(part.dense(horizon), part.returns(evaluation_horizon), config)
    values = part.net_values(series.layers, config)
    names = [layer_column(place) for place in range(config.layers)]
    columns = (
        series.correlations,
        {**dict(zip(names, values.layers.T, strict=True)), UNIVERSE: values.universe, IS_EARNING: values.is_earning},
        {
            **dict(zip(names, series.layer_returns.T, strict=True)),
            UNIVERSE: series.universe_returns,
            **{name: getattr(series, name) for name in PRECISIONS},
            HAS_LAYERS: series.layers.has_layer.any(axis=1),
        },
    )
    correlations, layers, earned = (_by_session(part, horizon, each) for each in columns)
    if start is not None:
        last = pd.Timestamp(kept[-1])
        old = [frame[frame["date"] <= last] for frame in before]
        grown = old[1][[*names, UNIVERSE]].iloc[-1] * np.append(old[1][UNIVERSE].iloc[-1] * np.ones(len(names)), 1.0)
        begun = layers.loc[layers["date"] == last, [*names, UNIVERSE]].iloc[0]
        layers[[*names, UNIVERSE]] *= grown / begun
        new = [frame[frame["date"] > last] for frame in (correlations, layers, earned)]
        new[1] = new[1].assign(**{name: new[1][name] / new[1][UNIVERSE] for name in names})
        correlations, layers, earned = (
            pd.concat([stored, added], ignore_index=True) for stored, added in zip(old, new, strict=True)
        )
        return correlations, layers, earned
    return correlations, layers.assign(**{name: layers[name] / layers[UNIVERSE] for name in names}), earned


def _held_since(earned: pd.DataFrame, kept: int, config: EvaluationConfig) -> np.datetime64 | None:
    """The session whose layers are held in the one after the `kept` ones; None where no layers are held by then."""
    formed = np.flatnonzero(earned[HAS_LAYERS].to_numpy(dtype=bool)[:kept])[:: config.layer_rebalance_sessions]
    usable = formed[formed <= kept - 1 - config.layer_execution_lag]
    return np.datetime64(earned["date"].iloc[usable[-1]], "D") if len(usable) else None


def _figures(
    correlations: pd.DataFrame, layers: pd.DataFrame, earned: pd.DataFrame, config: EvaluationConfig
) -> SessionFigures:
    """What the figures are means of, from the rows of one horizon."""
    return SessionFigures(
        correlations={name: correlations[name].to_numpy() for name in CORRELATIONS},
        layer_returns=earned[[layer_column(place) for place in range(config.layers)]].to_numpy(),
        universe_returns=earned[UNIVERSE].to_numpy(),
        **{name: earned[name].to_numpy() for name in PRECISIONS},
    )


def _dated(lake: Lake, table: str) -> pd.DataFrame:
    frame = lake.read(table).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]).astype("datetime64[s]"))


def read_layers(lake: Lake, model: str, horizon: str, layers: int) -> tuple[pd.DatetimeIndex, LayerNetValues]:
    """Predicted sessions, and the net values of so many layers of one horizon on them.

    `MissingDataError` where the model has not been evaluated, or was before all of these were kept.
    """
    columns = [layer_column(place) for place in range(layers)]
    rows = lake.read(layers_table(model), columns=["date", "horizon", *columns, UNIVERSE, IS_EARNING]).to_pandas()
    rows = rows[rows["horizon"] == horizon]
    universe = rows[UNIVERSE].to_numpy(dtype=np.float64)
    net_values = rows[columns].to_numpy(dtype=np.float64) * universe[:, None]
    is_earning = rows[IS_EARNING].to_numpy(dtype=bool)
    return pd.DatetimeIndex(rows["date"], name="date"), LayerNetValues(net_values, universe, is_earning)


def _by_session(predictions: Predictions, horizon: str, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Series [T] of one horizon as columns beside date and horizon, up to the last predicted session."""
    frame = pd.DataFrame(columns)
    frame.insert(0, "date", predictions.market.sessions)
    frame.insert(1, "horizon", horizon)
    return frame[frame["date"] <= pd.Timestamp(predictions.last)]
