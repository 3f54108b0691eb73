"""Evaluation of a model's predictions in the lake, by horizon (AI-69 exhibits 10 and 22, AI-55 exhibit 20).

Tables: `evaluation_<model>` (composite-factor figures, one row a horizon), `evaluation_<model>_sessions` (the
correlations of every session) and `evaluation_<model>_layers` (the layers' net values relative to the universe, the
universe's own, and whether the session has a return); on a simulated market `evaluation_<model>_planted` (`planted`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.composite_factor import composite_factor_series, summary
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.layers import LayerNetValues, Layers, layer_net_values, layers_of
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, columns_of, dense_array, load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.training.labels import LabelConfig, label_prices, label_returns
from attn_platform.training.task import PRICE_FIELDS

UNIVERSE, IS_EARNING = "universe", "is_earning"  # columns of the table of layers beside those of the layers


def figures_table(model: str) -> str:
    """Table of a model's composite-factor figures."""
    return f"evaluation_{model}"


def sessions_table(model: str) -> str:
    """Table of a model's correlations by session."""
    return f"evaluation_{model}_sessions"


def layers_table(model: str) -> str:
    """Table of the net values of a model's layers by session, relative to the equally weighted universe."""
    return f"evaluation_{model}_layers"


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
    """Evaluate each horizon against the realised `evaluation_horizon`-session return; returns the figures."""
    realised = predictions.returns(evaluation_horizon)
    figures, series, layers = [], [], []
    for horizon in horizons:
        found = composite_factor_series(predictions.dense(horizon), realised, config)
        figures.append({"horizon": horizon, **summary(found, evaluation_horizon, config)})
        series.append(_by_session(predictions, horizon, found.correlations))
        values = predictions.net_values(found.layers, config)
        columns = {layer_column(place): values.relative[:, place] for place in range(config.layers)}
        of_universe = {UNIVERSE: values.universe, IS_EARNING: values.is_earning}
        layers.append(_by_session(predictions, horizon, {**columns, **of_universe}))
    table = pd.DataFrame(figures)
    lake.write(figures_table(model), pa.Table.from_pandas(table, preserve_index=False))
    for name, frames in ((sessions_table(model), series), (layers_table(model), layers)):
        sessions = pd.concat(frames, ignore_index=True)
        dated = sessions.assign(date=sessions["date"].dt.date)
        lake.write(name, pa.Table.from_pandas(dated, preserve_index=False))
    return table


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
