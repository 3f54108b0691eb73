"""Figures of what a model reads: parts of its forecasts, factors, sessions before, and attention."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.reports.drawing import (
    MAIN_COLOUR,
    QUIET_COLOUR,
    SERIES_COLOURS,
    escape,
    numbers,
    panels,
    rgba,
)
from attn_platform.reports.formatting import label

_ROW_HEIGHT = 22  # pixels of a horizontal bar, or of a row of a heatmap
_FRAME_HEIGHT = 110
_LEAST_HEATMAP_HEIGHT = 260
_ATTENTION = (63, 131, 200)
_TOTAL_SIZE = 8


def forecast_parts_figure(stocks: pd.DataFrame, parts: Mapping[str, str]) -> go.Figure:
    """Parts of each stock's forecast as stacked bars with the forecast as a mark, the first stock on top.

    `stocks` has symbol, name, forecast and the columns of the `parts`, by name, whose sum the forecast is; all are less
    their means over the session's stocks.
    """
    figure = panels([1.0], height=_FRAME_HEIGHT + _ROW_HEIGHT * len(stocks))
    rows = [escape(f"{symbol} {name}".strip()) for symbol, name in zip(stocks["symbol"], stocks["name"], strict=True)]
    for (part, column), colour in zip(parts.items(), cycle(SERIES_COLOURS), strict=False):
        bars = go.Bar(
            y=rows,
            x=numbers(stocks[column]),
            name=label(part),
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{x:.3f}",
        )
        figure.add_trace(bars, row=1, col=1)
    totals = go.Scatter(
        y=rows,
        x=numbers(stocks["forecast"]),
        name="Forecast",
        mode="markers",
        marker={"color": QUIET_COLOUR, "size": _TOTAL_SIZE, "symbol": "diamond", "line": {"width": 1}},
        hovertemplate="%{x:.3f}",
    )
    figure.add_trace(totals, row=1, col=1)
    figure.update_layout(barmode="relative", hovermode="y unified")
    figure.update_xaxes(title_text="Forecast less its mean", tickformat="~g")
    return _with_rows(figure)


def factor_shares_figure(factors: pd.DataFrame) -> go.Figure:
    """Each factor's absolute share of the forecasts' variance and, inside of it, its share; the first factor on top.

    `factors` has factor, share and absolute_share.
    """
    figure = panels([1.0], height=_FRAME_HEIGHT + _ROW_HEIGHT * len(factors))
    kinds = (("absolute_share", "Absolute share", QUIET_COLOUR, 0.8), ("share", "Share", MAIN_COLOUR, 0.45))
    for column, name, colour, width in kinds:
        bars = go.Bar(
            y=[escape(str(factor)) for factor in factors["factor"]],
            x=numbers(factors[column]),
            name=name,
            orientation="h",
            width=width,
            marker={"color": colour},
            hovertemplate="%{x:.1%}",
        )
        figure.add_trace(bars, row=1, col=1)
    figure.update_layout(barmode="overlay", hovermode="y unified")
    figure.update_xaxes(title_text="Share of the forecasts' variance", tickformat=".0%")
    return _with_rows(figure)


def steps_figure(contributions: pd.Series, attention: pd.Series | None) -> go.Figure:
    """What each step (0 the session itself) has of all contributions, and of the attention; both sum to 1."""
    figure = panels([1.0], height=380)
    series = [("Contributions", contributions, QUIET_COLOUR)]
    if attention is not None:
        series.append(("Attention", attention, MAIN_COLOUR))
    for name, values, colour in series:
        bars = go.Bar(
            x=list(values.index), y=numbers(values), name=name, marker={"color": colour}, hovertemplate="%{y:.1%}"
        )
        figure.add_trace(bars, row=1, col=1)
    figure.update_layout(barmode="group")
    figure.update_xaxes(title_text="Sessions before the forecast's")
    figure.update_yaxes(tickformat=".0%")
    return figure


def attention_figure(weights: pd.DataFrame, attending: str, attended: str) -> go.Figure:
    """Attention of rows to columns, written into the cells; the axes are called `attending` and `attended`.

    The mean weight has the middle colour, so that small differences look small.
    """
    figure = panels([1.0], height=max(_FRAME_HEIGHT + 2 * _ROW_HEIGHT * len(weights), _LEAST_HEATMAP_HEIGHT))
    values = weights.to_numpy(dtype=np.float32)
    heatmap = go.Heatmap(
        x=[escape(str(name)) for name in weights.columns],
        y=[escape(str(name)) for name in weights.index],
        z=values,
        zmin=0.0,
        zmax=max(2 * float(values.mean()), float(values.max())),
        colorscale=[[0.0, rgba(_ATTENTION, 0.05)], [1.0, rgba(_ATTENTION, 0.85)]],
        showscale=False,
        texttemplate="%{z:.2f}",
        hovertemplate="%{y} to %{x}: %{z:.3f}<extra></extra>",
    )
    figure.add_trace(heatmap, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title_text=attended, type="category")
    figure.update_yaxes(title_text=attending, type="category")
    return _with_rows(figure)


def _with_rows(figure: go.Figure) -> go.Figure:
    """Categories from top to bottom, each with its name."""
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True, dtick=1)
    return figure
