"""Figures of the weekly report: curves of relative strength, and bars of week, month and year to date."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.evaluation.to_date import SPANS, relative_strength
from attn_platform.reports.drawing import (
    SERIES_COLOURS,
    Palette,
    escape,
    line,
    panels,
    series_looks,
    with_date_axis,
)
from attn_platform.reports.weekly_contents import LONG, LONG_SHORT, SHORT, SIDES, Series

SIDE_NAMES = {LONG: "Long", SHORT: "Short", LONG_SHORT: "Long-short"}
_SPAN_NAMES = {"week": "Week", "month": "Month to date", "year": "Year to date"}
_HEIGHT = 300
_MOST_POINTS = 260  # of a curve: more than its pixels on most screens, and thirty curves stand on a page


def strength_figure(sides: Mapping[str, Series], palette: Palette) -> go.Figure:
    """Relative strength of each side of a factor, Π(1 + r) of its daily differences."""
    figure = panels([1.0], height=_HEIGHT)
    colours = _side_colours(palette)
    for side in SIDES:
        figure.add_trace(_curve(sides[side], SIDE_NAMES[side], colours[side]), row=1, col=1)
    return _with_axes(figure, "Relative strength", sides[LONG_SHORT].daily.index)


def span_bars(sides: Mapping[str, Series], palette: Palette) -> go.Figure:
    """Bars of week, month and year to date, one a side; the value stands at each."""
    figure = panels([1.0], height=_HEIGHT)
    colours = _side_colours(palette)
    for side in SIDES:
        values = sides[side].to_date
        bars = go.Bar(
            x=[_SPAN_NAMES[span] for span in SPANS],
            y=np.array([values[span] for span in SPANS], dtype=np.float32),
            name=SIDE_NAMES[side],
            marker={"color": colours[side]},
            texttemplate="%{y:.1%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.2%}",
        )
        figure.add_trace(bars, row=1, col=1)
    figure.update_layout(barmode="group", hovermode="closest")
    figure.update_yaxes(tickformat=".3~p", nticks=5)
    return figure


def excess_figure(series: Mapping[str, Series]) -> go.Figure:
    """Cumulative excess of portfolios, Π(1 + r) of the daily differences to their benchmarks."""
    figure = panels([1.0], height=_HEIGHT)
    for (name, each), look in zip(series.items(), series_looks(len(series)), strict=True):
        trace = _curve(each, escape(name), look.colour)
        trace.line.dash = look.dash
        figure.add_trace(trace, row=1, col=1)
    return _with_axes(figure, "Excess net value", max((each.daily.index for each in series.values()), key=len))


def _curve(series: Series, name: str, colour: str) -> go.Scatter:
    """Of every n-th session, and the last."""
    strength = pd.Series(relative_strength(series.daily.to_numpy(dtype=np.float64)), series.daily.index)
    every = max(1, -(-len(strength) // _MOST_POINTS))
    return line(strength.iloc[(len(strength) - 1) % every :: every], name, colour)


def _side_colours(palette: Palette) -> dict[str, str]:
    return {LONG: palette.gain_colour, SHORT: palette.loss_colour, LONG_SHORT: SERIES_COLOURS[1]}


def _with_axes(figure: go.Figure, title: str, index: pd.Index) -> go.Figure:
    figure.update_yaxes(title_text=title, tickformat=".4~f", zeroline=False)
    return with_date_axis(figure, index)
