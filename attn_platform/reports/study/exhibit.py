"""What an exhibit is: number and name, the results it shows, where their figures were published, how it is drawn.

The registers of the two studies (`ai69`, `ai55`) hold one entry an exhibit, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from attn_platform.published import PublishedRow, published_row
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.page import Part
from attn_platform.reports.study.contents import (
    ForecastName,
    ForecastResult,
    StrategyResult,
    StudyReportData,
    forecast_text,
)


class Kind(StrEnum):
    """What an exhibit looks like."""

    TABLE = "table"
    BARS = "bars"
    CURVES = "curves"
    MONTHS = "months"
    SCATTER = "scatter"
    CORRELATIONS = "correlations"
    METHOD = "method"


class Reads(StrEnum):
    """Which results of its items an exhibit shows."""

    STRATEGIES = "strategies"
    FORECASTS = "forecasts"
    NEITHER = "neither"


@dataclass(frozen=True)
class Item:
    """A result that an exhibit shows: a strategy (or a mix) of the study, the forecast behind it, or both."""

    label: str
    strategy: str | None = None
    forecast: ForecastName | None = None

    @property
    def model(self) -> str:
        """Model whose published row is looked up: that of the forecast, or the mix itself."""
        return self.forecast[0] if self.forecast is not None else self.strategy or self.label

    @property
    def horizon(self) -> str | None:
        """Horizon of the published row."""
        return None if self.forecast is None else self.forecast[1]


Draw = Callable[[StudyReportData, "Exhibit", ReportConfig], Iterable[Part]]


@dataclass(frozen=True)
class Exhibit:
    """One exhibit of a study.

    figures    names of the figures that stand in its table, under its curves or as its bars
    published  names of the published tables that these are looked up in; the first that has the row counts
    note       what is our reading of the exhibit
    reads      which results it cannot be drawn without
    """

    study: str
    number: int
    title: str
    kind: Kind
    section: str
    draw: Draw
    items: tuple[Item, ...] = ()
    figures: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    note: str = ""
    reads: Reads = Reads.NEITHER

    @property
    def identifier(self) -> str:
        """Its anchor on the page."""
        return f"exhibit-{self.number:02d}"

    @property
    def heading(self) -> str:
        """Number and name."""
        return f"Exhibit {self.number}: {self.title}"

    def plot(self, name: str = "plot") -> str:
        """Identifier of a figure of the exhibit."""
        return f"{self.identifier}-{name}"

    def strategies(self, data: StudyReportData) -> dict[Item, StrategyResult]:
        """Its strategies that the home has."""
        named = {item: item.strategy for item in self.items if item.strategy is not None}
        return {item: data.strategies[name] for item, name in named.items() if name in data.strategies}

    def forecasts(self, data: StudyReportData) -> dict[Item, ForecastResult]:
        """Its forecasts that the home has."""
        named = {item: item.forecast for item in self.items if item.forecast is not None}
        return {item: data.forecasts[name] for item, name in named.items() if name in data.forecasts}

    def missing(self, data: StudyReportData) -> dict[str, str]:
        """What it names and the home lacks, with the reason."""
        if self.reads is Reads.STRATEGIES:
            names = [item.strategy for item in self.items if item.strategy not in data.strategies]
        elif self.reads is Reads.FORECASTS:
            absent = [item.forecast for item in self.items if item.forecast not in data.forecasts]
            names = [forecast_text(name) for name in absent if name is not None]
        else:
            names = []
        return {name: data.absent.get(name, "") for name in names if name is not None}

    def shown(self, data: StudyReportData) -> tuple[Item, ...]:
        """Its items whose results the home has; all of them where it shows no results."""
        if self.reads is Reads.NEITHER:
            return self.items
        here = self.strategies(data) if self.reads is Reads.STRATEGIES else self.forecasts(data)
        return tuple(item for item in self.items if item in here)

    def sessions(self, data: StudyReportData) -> pd.Index:
        """Sessions of the results that it shows; none where it shows none."""
        indices = {
            Reads.STRATEGIES: [result.daily.index for result in self.strategies(data).values()],
            Reads.FORECASTS: [result.series.index for result in self.forecasts(data).values()],
            Reads.NEITHER: [],
        }[self.reads]
        return max(indices, key=len, default=pd.Index([]))

    def published_figures(self, item: Item) -> Mapping[str, float]:
        """What the study printed of an item in the exhibit's tables: the figures of all rows that are it."""
        figures: dict[str, float] = {}
        for row in self.published_rows(item):
            figures = {**row.figures, **figures}
        return figures

    def published_rows(self, item: Item) -> list[PublishedRow]:
        """The rows of an item in the exhibit's tables."""
        rows = (published_row(table, item.model, item.horizon) for table in self.published)
        return [row for row in rows if row is not None]


def own_figures(data: StudyReportData, item: Item) -> dict[str, float]:
    """All figures of this run of an item: of its forecast and of its strategy, as far as they are there."""
    forecast = data.forecasts.get(item.forecast) if item.forecast is not None else None
    strategy = data.strategies.get(item.strategy) if item.strategy is not None else None
    return {**(forecast.figures if forecast else {}), **(strategy.performance if strategy else {})}


def values_of(figures: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Figures in an order; NaN for what is not there."""
    return [float(figures.get(name, np.nan)) for name in names]
