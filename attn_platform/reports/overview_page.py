"""The page of the overview: all strategies and mixes of a home in one table, with the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.evaluation.comparison import excess_correlations
from attn_platform.reports import formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import PERFORMANCE_FIGURES
from attn_platform.reports.drawing import MAIN_COLOUR, SERIES_COLOURS, escape, line, numbers, panels, with_date_axis
from attn_platform.reports.overview_contents import DEFLATED, RANK_ICS, OverviewData
from attn_platform.reports.page import Part, Plot, Section, write_page
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table
from attn_platform.writing import write_atomically

PAGE, CSV = "index.html", "overview.csv"
PUBLISHED = ("excess_annual_return", "information_ratio", *RANK_ICS)
"""Figures that stand first, each with the published one beside it."""
_FULL_HEAT_EXCESS = 0.2
_HEIGHT, _MARKER = 420, 9
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # of curves that share a colour


def write_overview(data: OverviewData, folder: Path, config: ReportConfig | None = None) -> Path:
    """Write the page into `folder`, and its figures beside it; returns the page's path."""
    config = config or ReportConfig()
    write_atomically(folder / CSV, overview_frame(data).to_csv(index=False, lineterminator="\n"), CSV_ENCODING)
    sections = (
        Section("strategies", "All strategies", (_table_part(data),)),
        Section("curves", "Beside each other", tuple(_plots(data, config))),
        Section("correlations", "Correlation of the daily excess returns", tuple(_correlations(data))),
    )
    write_page(
        folder / PAGE,
        "overview.html.j2",
        config,
        data=data,
        count="1 strategy" if len(data.rows) == 1 else f"{len(data.rows)} strategies",
        notes=[f"{name}: {reason}" for name, reason in data.absent.items()],
        sections=[section for section in sections if section.parts],
    )
    return folder / PAGE


def overview_frame(data: OverviewData) -> pd.DataFrame:
    """The table in full precision."""
    return pd.DataFrame(
        [
            {
                "strategy": row.name,
                "kind": row.kind,
                "model": row.model,
                "horizon": row.horizon,
                "first_session": row.daily.index[0].date(),
                "last_session": row.daily.index[-1].date(),
                **{name: row.figures.get(name, np.nan) for name in (*PERFORMANCE_FIGURES, *RANK_ICS, DEFLATED)},
                **{f"published_{name}": row.printed.get(name, np.nan) for name in PUBLISHED},
                "published_source": "; ".join(each.source for each in row.published),
                "data_source": data.data_source.description,
            }
            for row in data.rows
        ]
    )


def _table_part(data: OverviewData) -> Part:
    text = (
        f"This run: {data.data_source.description}. A click on a column's head sorts by it; the field filters by words "
        "and by figures (sharpe > 1), several of them separated by commas. The deflated Sharpe ratio is the "
        "probability that the true ratio of the excess return is above what the best of all that was tried would show "
        f"without skill: {data.trials} backtests on this market that the home knows. What was tried elsewhere makes it "
        "less."
    )
    others = [*(name for name in PERFORMANCE_FIGURES if name not in PUBLISHED), DEFLATED]
    header = (
        "Strategy", "Kind", "Model", "Horizon",
        *(text for label in map(formatting.label, PUBLISHED) for text in (label, f"{label}, published")),
        *map(formatting.label, others),
        "Test range",
    )  # fmt: skip
    rows = tuple(
        (
            Cell(row.name, link=row.page),
            *map(Cell, (row.kind, row.model.replace("_", " "), row.horizon)),
            *(cell for name in PUBLISHED for cell in (_cell(name, row.figures), _cell(name, row.printed))),
            *(_cell(name, row.figures) for name in others),
            Cell(row.test_range),
        )
        for row in data.rows
    )
    text_columns = frozenset({*range(4), len(header) - 1})
    return Part(paragraphs=(text,), table=Table("All strategies", header, rows, text_columns, sortable=True))


def _cell(name: str, figures: Mapping[str, float]) -> Cell:
    value = float(figures.get(name, np.nan))
    is_tinted = name == "excess_annual_return" and np.isfinite(value)
    heat = float(np.clip(value / _FULL_HEAT_EXCESS, -1, 1)) if is_tinted else None
    return Cell(formatting.figure(name, value), heat, order=value)


def _plots(data: OverviewData, config: ReportConfig) -> Iterator[Part]:
    if not data.rows:
        return
    figure = panels([1.0], height=_HEIGHT)
    every = config.study_curve_every
    looks = islice(cycle(product(_DASHES, SERIES_COLOURS)), len(data.rows))
    for row, (dash, colour) in zip(data.rows, looks, strict=True):
        values = row.daily["excess_net_value"]
        trace = line(values.iloc[(len(values) - 1) % every :: every], escape(row.name), colour)
        trace.line.dash = dash
        figure.add_trace(trace, row=1, col=1)
    figure.update_layout(hovermode="closest", legend={"y": -0.1, "yanchor": "top"})
    figure.update_yaxes(title_text="Excess net value", tickformat="~g", zeroline=False)
    longest = max((row.daily.index for row in data.rows), key=len)
    summary = "A click on a name hides its curve, a double click all others."
    plot = Plot("excess-net-values", "Excess net values", summary, with_date_axis(figure, longest))
    yield Part(plot=plot, width="main")
    yield Part(plot=_risk_and_return(data), width="side")


def _risk_and_return(data: OverviewData) -> Plot:
    figure = panels([1.0], height=_HEIGHT)
    points = go.Scatter(
        x=numbers(pd.Series([row.figures["tracking_error"] for row in data.rows])),
        y=numbers(pd.Series([row.figures["excess_annual_return"] for row in data.rows])),
        text=[escape(row.name) for row in data.rows],
        mode="markers",
        marker={"color": MAIN_COLOUR, "size": _MARKER},
        hovertemplate="%{text}: %{y:.2%} at %{x:.2%}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(points, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title_text="Tracking error", tickformat=".3~p")
    figure.update_yaxes(title_text="Excess annual return", tickformat=".3~p")
    return Plot("risk-and-return", "Excess return and tracking error", "A point a strategy.", figure)


def _correlations(data: OverviewData) -> Iterator[Part]:
    if len(data.rows) < 2:
        return
    matrix = excess_correlations(pd.DataFrame({row.name: row.daily["excess_return"] for row in data.rows}))
    names = [str(name) for name in matrix.columns]
    rows = tuple(
        (Cell(name), *(Cell(formatting.number(float(value)), float(value)) for value in values))
        for name, values in zip(names, matrix.to_numpy(), strict=True)
    )
    text = "On the sessions that all of them have."
    yield Part(paragraphs=(text,), table=Table("Correlation of the daily excess returns", ("", *names), rows))
