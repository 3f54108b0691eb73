"""Two strategies (or mixes) beside each other on the sessions that both have, as a page and as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.comparison import Interval, excess_correlations, excess_difference, holdings_overlap
from attn_platform.evaluation.config import ComparisonConfig, EvaluationConfig
from attn_platform.evaluation.performance import performance_figures
from attn_platform.reports import drawing, formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import PERFORMANCE_FIGURES, DataSource
from attn_platform.reports.page import Card, Part, Plot, Section, write_page
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table
from attn_platform.writing import write_atomically

PAGE, FIGURES, DAILY, OVERLAP = "index.html", "figures.csv", "daily.csv", "overlap.csv"
_HEIGHT, _OVERLAP_HEIGHT = 420, 280


@dataclass(frozen=True)
class Side:
    """A strategy or a mix: its daily figures (date, return, benchmark_return, excess_return, turnover) and holdings."""

    name: str
    daily: pd.DataFrame
    holdings: pd.DataFrame


@dataclass(frozen=True)
class Comparison:
    """Two sides on their common sessions. Figures are those of these sessions alone."""

    first: Side
    second: Side
    study_title: str
    data_source: DataSource
    config: ComparisonConfig
    evaluation: EvaluationConfig

    @cached_property
    def excess(self) -> pd.DataFrame:
        """[session] excess returns of both, on the sessions that both have."""
        series = {side.name: side.daily.set_index("date")["excess_return"] for side in (self.first, self.second)}
        common = pd.DataFrame(series).dropna()
        if len(common) < 2:
            raise MissingDataError(
                f"{self.first.name} and {self.second.name} have {len(common)} sessions in common; run their backtests "
                "over one range"
            )
        return common

    @cached_property
    def performance(self) -> dict[str, dict[str, float]]:
        """The twelve figures of each side, by name."""
        sessions = self.excess.index
        return {
            side.name: performance_figures(side.daily[side.daily["date"].isin(sessions)], self.evaluation)
            for side in (self.first, self.second)
        }

    @cached_property
    def difference(self) -> Interval:
        """Annual excess return of the first less that of the second, with its interval."""
        first, second = self.excess.to_numpy().T
        return excess_difference(first, second, self.config, self.evaluation.sessions_per_year)

    @cached_property
    def correlation(self) -> float:
        """Correlation of the daily excess returns."""
        return float(excess_correlations(self.excess).to_numpy()[0, 1])

    @cached_property
    def overlap(self) -> pd.Series:
        """[session] Σ min(w, w') where both have traded."""
        return holdings_overlap(self.first.holdings, self.second.holdings)

    @property
    def test_range(self) -> str:
        """First and last common session."""
        index = self.excess.index
        return f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"

    @property
    def method(self) -> str:
        """How the interval was made, in words."""
        config = self.config
        return (
            f"Interval of {config.confidence:.0%}: circular block bootstrap of the common sessions, blocks of "
            f"{config.block_sessions} sessions, {config.repetitions:,} repetitions, seed {config.seed}. Overlap: "
            "Σ min(w, w') of what both hold after the sessions on which both have traded."
        )

    def figures(self) -> dict[str, object]:
        """Everything as plain values."""
        interval, overlap = self.difference, self.overlap
        return {
            "first": self.first.name,
            "second": self.second.name,
            "data": self.data_source.description,
            "first_session": f"{self.excess.index[0]:%Y-%m-%d}",
            "last_session": f"{self.excess.index[-1]:%Y-%m-%d}",
            "sessions": len(self.excess),
            "excess_annual_return_difference": interval.estimate,
            "lower": interval.lower,
            "upper": interval.upper,
            "confidence": self.config.confidence,
            "positive_share": interval.positive_share,
            "excess_return_correlation": self.correlation,
            "overlap_mean": float(overlap.mean()),
            "overlap_last": float(overlap.iloc[-1]) if len(overlap) else float("nan"),
            "performance": self.performance,
        }


def write_comparison(data: Comparison, folder: Path, config: ReportConfig | None = None) -> Path:
    """Write the page into `folder`, and its figures beside it; returns the page's path."""
    config = config or ReportConfig()
    frames = {
        FIGURES: pd.DataFrame(data.performance).rename_axis("figure").reset_index(),
        DAILY: data.excess.rename_axis("date").reset_index(),
        OVERLAP: data.overlap.reset_index(),
    }
    for name, frame in frames.items():
        text = frame.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n")
        write_atomically(folder / name, text, CSV_ENCODING)
    sections = (
        Section("curves", "Net values", tuple(_curves(data))),
        Section("figures", "Figures", (Part(table=_table(data)),)),
        Section("holdings", "Holdings in common", tuple(_overlap(data))),
    )
    write_page(
        folder / PAGE,
        "comparison.html.j2",
        config,
        data=data,
        session_count=formatting.count(len(data.excess), "session"),
        cards=_cards(data),
        method=data.method,
        sections=[section for section in sections if section.parts],
    )
    return folder / PAGE


def interval_text(interval: Interval) -> str:
    """An interval as it is written: "+1.20 pp (−0.40 pp to +2.80 pp)"."""
    estimate, lower, upper = map(formatting.percentage_points, (interval.estimate, interval.lower, interval.upper))
    return f"{estimate} ({lower} to {upper})"


def _cards(data: Comparison) -> list[Card]:
    interval, overlap = data.difference, float(data.overlap.mean()) if len(data.overlap) else float("nan")
    lower, upper = map(formatting.percentage_points, (interval.lower, interval.upper))
    return [
        Card("Excess annual return, the first less the second", formatting.percentage_points(interval.estimate)),
        Card(f"Interval of {data.config.confidence:.0%}", f"{lower} to {upper}"),
        Card("Repetitions in which it is above 0", formatting.percent(data.difference.positive_share, 1)),
        Card("Correlation of daily excess returns", formatting.number(data.correlation)),
        Card("Holdings in common, mean", formatting.percent(overlap, 1)),
    ]


def _curves(data: Comparison) -> Iterator[Part]:
    curves: Mapping[str, pd.Series] = {str(name): (1.0 + data.excess[name]).cumprod() for name in data.excess}
    apart = (1.0 + (data.excess.iloc[:, 0] - data.excess.iloc[:, 1])).cumprod()
    figure = drawing.panels([0.65, 0.35], height=_HEIGHT)
    for (name, values), colour in zip(curves.items(), drawing.SERIES_COLOURS, strict=False):
        figure.add_trace(drawing.line(values, drawing.escape(name), colour), row=1, col=1)
    trace = drawing.line(apart, "Difference, compounded", drawing.QUIET_COLOUR)
    figure.add_trace(trace, row=2, col=1)
    figure.update_yaxes(tickformat="~g", zeroline=False)
    figure.update_yaxes(title_text="Excess net value", row=1, col=1)
    figure.update_yaxes(title_text="Difference", row=2, col=1)
    ends = ", ".join(f"{name} {formatting.number(float(values.iloc[-1]), 3)}" for name, values in curves.items())
    summary = f"Ends at: {ends}. Below: the daily difference of the excess returns, compounded."
    yield Part(plot=Plot("excess", "Excess net values", summary, drawing.with_date_axis(figure, apart.index)))


def _table(data: Comparison) -> Table:
    first, second = (data.performance[side.name] for side in (data.first, data.second))
    rows = tuple(
        (
            Cell(formatting.label(name)),
            Cell(formatting.figure(name, first[name])),
            Cell(formatting.figure(name, second[name])),
            Cell(formatting.difference(name, first[name] - second[name])),
        )
        for name in PERFORMANCE_FIGURES
    )
    caption = f"Figures of the common sessions ({data.data_source.description})"
    return Table(caption, ("Figure", data.first.name, data.second.name, "Difference"), rows)


def _overlap(data: Comparison) -> Iterator[Part]:
    if data.overlap.empty:
        return
    figure = drawing.panels([1.0], height=_OVERLAP_HEIGHT)
    figure.add_trace(drawing.line(data.overlap, "Weight in common", drawing.MAIN_COLOUR), row=1, col=1)
    figure.update_yaxes(title_text="Weight in common", tickformat=".0%", rangemode="tozero")
    summary = f"{formatting.percent(float(data.overlap.iloc[-1]), 1)} on {data.overlap.index[-1]:%Y-%m-%d}."
    yield Part(plot=Plot("overlap", "Σ min(w, w')", summary, drawing.with_date_axis(figure, data.overlap.index)))
