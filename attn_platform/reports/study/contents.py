"""What the page of a study is made from: results by name, tables of method, and what is known to differ.

Definitions of exhibits: Huatai AI-69 and AI-55. Every frame may be empty, and every result may be missing: an exhibit
that needs it then says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from attn_platform.reports.contents import DataSource

ForecastName = tuple[str, str]
"""Model and horizon."""


@dataclass(frozen=True)
class StrategyResult:
    """The backtest of a strategy or a mix.

    daily        [session] net_value, benchmark_net_value, excess_net_value, excess_return
    performance  the twelve figures
    months       year, 01 … 12, year_total
    page         its own page, from the page of the study
    """

    name: str
    benchmark: str
    daily: pd.DataFrame
    performance: Mapping[str, float]
    months: pd.DataFrame
    page: str


@dataclass(frozen=True)
class ForecastResult:
    """One horizon of a model as a composite factor.

    figures    those of `evaluation.composite_factor`
    series     [session] rank_ic, weighted_rank_ic
    top_layer  [session] net value of the top layer relative to the universe
    """

    figures: Mapping[str, float]
    series: pd.DataFrame
    top_layer: pd.Series


@dataclass(frozen=True)
class StudyReportData:
    """Everything that the exhibits of a study are drawn from.

    strategies, forecasts     results that the home has
    absent                    names of strategies and forecasts (`forecast_text`) that it lacks, with the reason
    members                   [period] members, median_total_mv (CNY): the universe of the networks
    prediction_correlations   model × model, of the forecasts that an exhibit correlates
    method                    tables of method by name: columns `item`, `this run`, `the study`
    period                    the test range where it is not the study's, in words
    differences               what else differs from the study for all results
    own_differences           what differs for single models, by model
    trained                   what the manifests of a model's checkpoints say, in words, by model
    """

    study: str
    title: str
    data_source: DataSource
    universe: str
    strategies: Mapping[str, StrategyResult]
    forecasts: Mapping[ForecastName, ForecastResult]
    absent: Mapping[str, str] = field(default_factory=dict)
    members: pd.DataFrame = field(default_factory=pd.DataFrame)
    prediction_correlations: pd.DataFrame = field(default_factory=pd.DataFrame)
    method: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    period: str = ""
    differences: Sequence[str] = ()
    own_differences: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trained: Mapping[str, str] = field(default_factory=dict)

    @property
    def sessions(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last session of all backtests; None where there is none."""
        indices = [result.daily.index for result in self.strategies.values()]
        return (min(index[0] for index in indices), max(index[-1] for index in indices)) if indices else None

    @property
    def test_range(self) -> str:
        """The range of all backtests in words."""
        span = self.sessions
        return "no backtest yet" if span is None else f"{span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}"


def forecast_text(name: ForecastName) -> str:
    """A forecast as pages name it: "lstm 10d"."""
    return " ".join(name)
