"""Figures of the page of data quality: what is there, session by session."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.reports.drawing import (
    SERIES_COLOURS,
    Palette,
    area,
    colour_bar,
    dates,
    escape,
    line,
    panels,
    rgba,
    with_date_axis,
)

_ROW_HEIGHT = 22  # pixels a column of the heatmap


def rows_figure(rows: pd.DataFrame) -> go.Figure:
    """Rows by session, a line a table (columns)."""
    figure = panels([1.0], height=380)
    for (name, values), colour in zip(rows.items(), SERIES_COLOURS, strict=False):
        trace = line(values.astype(float), escape(str(name)), colour)
        trace.hovertemplate = "%{y:,.0f}"
        figure.add_trace(trace, row=1, col=1)
    figure.update_yaxes(title_text="Rows", tickformat=",~d", rangemode="tozero")
    return with_date_axis(figure, rows.index)


def suspended_figure(suspended: pd.Series, palette: Palette) -> go.Figure:
    """Share of the stocks that are suspended, by session."""
    figure = panels([1.0], height=300)
    figure.add_trace(area(suspended, "Suspended", palette.loss), row=1, col=1)
    figure.update_yaxes(title_text="Share of the rows", tickformat=".1~%", rangemode="tozero")
    figure.update_layout(showlegend=False)
    return with_date_axis(figure, suspended.index)


def missing_figure(missing: pd.DataFrame, palette: Palette) -> go.Figure:
    """Share of missing values by month (index) and column."""
    figure = panels([1.0], height=150 + _ROW_HEIGHT * len(missing.columns))
    heatmap = go.Heatmap(
        x=dates(missing.index),
        y=[escape(str(name)) for name in missing.columns],
        z=missing.to_numpy(dtype=np.float32).T,
        zmin=0,
        zmax=1,
        colorscale=[[0.0, rgba(palette.loss, 0.0)], [1.0, palette.loss_colour]],
        colorbar=colour_bar([0.0, 0.5, 1.0], ".0%"),
        hovertemplate="%{y}<br>%{x|%Y-%m}: %{z:.2%} missing<extra></extra>",
    )
    figure.add_trace(heatmap, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True, dtick=1)
    return with_date_axis(figure, missing.index)
