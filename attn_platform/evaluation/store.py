"""Evaluation of a model's predictions in the lake, by horizon (AI-69 exhibits 10 and 22, AI-55 exhibit 20).

Tables: `evaluation_<model>` (composite-factor figures, one row a horizon) and `evaluation_<model>_sessions` (the
correlations of every session).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.composite_factor import composite_factor_figures
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.correlations import correlation_series
from attn_platform.evaluation.layers import LayerNetValues, layer_net_values
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, dense_array, load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.training.labels import LabelConfig, label_prices, label_returns
from attn_platform.training.task import PRICE_FIELDS


def figures_table(model: str) -> str:
    """Table of a model's composite-factor figures."""
    return f"evaluation_{model}"


def sessions_table(model: str) -> str:
    """Table of a model's correlations by session."""
    return f"evaluation_{model}_sessions"


def attribution_table(strategy: str) -> str:
    """Table and asset of the attribution of a strategy's excess return."""
    return f"attribution_{strategy}"


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
        """[T, N] predictions of one horizon; NaN outside the cross-section and after `last`."""
        return self.aligned(self.table, horizon)

    def aligned(self, table: str, field: str) -> np.ndarray:
        """[T, N] a column of any table with dates and symbols; NaN where it has no row, and after `last`."""
        data = self.lake.read(table, self.first, self.last, ["date", "symbol", field])
        dates = days(data["date"])
        row = np.searchsorted(self.market.sessions, dates)
        symbols = pd.Index(self.market.symbols)
        column = symbols.get_indexer(pd.Index(data["symbol"].to_numpy()))
        values = data[field].cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)
        inside = (column >= 0) & (dates >= self.first) & (dates <= self.last)
        return dense_array(values, row, column, inside, self.market.shape)

    def returns(self, horizon: int) -> np.ndarray:
        """[T, N] realised returns over `horizon` sessions from the session after; NaN where not yet known."""
        return label_returns(self.prices, horizon)

    def layers(self, horizon: str, config: EvaluationConfig) -> LayerNetValues:
        """Daily net values of the layers."""
        with np.errstate(invalid="ignore"):
            carried = self.market["close"] * self.market["adj_factor"]
            moves = np.vstack([np.full((1, carried.shape[1]), np.nan), carried[1:] / carried[:-1] - 1.0])
        return layer_net_values(self.dense(horizon), moves, config)


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
    figures, series = [], []
    for horizon in horizons:
        values = predictions.dense(horizon)
        figures.append({"horizon": horizon, **composite_factor_figures(values, realised, evaluation_horizon, config)})
        correlations = pd.DataFrame(correlation_series(values, realised, config))
        correlations.insert(0, "date", predictions.market.sessions)
        correlations.insert(1, "horizon", horizon)
        series.append(correlations[correlations["date"] <= pd.Timestamp(predictions.last)])
    table = pd.DataFrame(figures)
    lake.write(figures_table(model), pa.Table.from_pandas(table, preserve_index=False))
    sessions = pd.concat(series, ignore_index=True)
    lake.write(
        sessions_table(model),
        pa.Table.from_pandas(sessions.assign(date=sessions["date"].dt.date), preserve_index=False),
    )
    return table
